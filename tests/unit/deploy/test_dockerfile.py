"""The image: small, without root, without the sandbox, and made only from what the repository holds."""

import re
import subprocess

import pytest

from tests.unit.deploy.files import ROOT, lineage, locked, procfile, stages

FINAL = "runtime"


def _copied_from_the_repository() -> list[str]:
    return [
        source
        for stage in stages().values()
        for copy in stage.all("COPY")
        if not copy.rest.startswith("--from=")
        for source in copy.words[:-1]
    ]


def test_a_plain_build_makes_the_image_without_the_sandbox() -> None:
    assert list(stages())[-1] == FINAL


def test_every_stage_is_built_on_a_stage_or_on_a_slim_image_pinned_by_its_digest() -> None:
    known = stages()

    bases = {stage.base for stage in known.values() if stage.base not in known}

    assert [re.sub("@sha256:[0-9a-f]{64}$", "@", one or "") for one in bases] == ["python:3.12-slim@"]


def test_everything_that_is_copied_exists() -> None:
    missing = [source for source in _copied_from_the_repository() if not (ROOT / source).exists()]

    assert missing == []


def test_what_is_copied_is_sent_to_the_builder() -> None:
    allowed = [
        line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line.startswith("!")
    ]

    unsent = [source for source in _copied_from_the_repository() if source not in allowed]

    assert unsent == []


def test_a_machines_own_settings_and_secrets_are_not_sent_to_the_builder() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    assert lines.index("deploy/*") > lines.index("!deploy")
    assert lines.index("config/rotator.toml") > lines.index("!config")


@pytest.mark.parametrize("unwanted", ["sandbox", "tests"])
def test_nothing_that_reaches_the_final_image_mentions_the_sandbox_or_the_tests(unwanted: str) -> None:
    known = stages()
    feeding = {FINAL}
    while True:
        bases = {stage.name for name in feeding for stage in lineage(name)}
        copied = {
            match[1]
            for name in feeding
            for copy in known[name].all("COPY")
            if (match := re.match(r"--from=(\S+)", copy.rest))
        }
        if feeding >= bases | copied:
            break
        feeding |= bases | copied

    mentions = [one for name in feeding for one in known[name].instructions if unwanted in one.rest]

    assert mentions == []


def test_the_final_image_takes_only_the_environment_from_the_stage_with_build_tools() -> None:
    taken = [copy.words for copy in stages()[FINAL].all("COPY") if copy.rest.startswith("--from=")]

    assert taken == [["--from=build", "/opt/rotator", "/opt/rotator"]]
    assert "build" not in {stage.name for stage in lineage(FINAL)}


def test_the_final_image_has_no_package_installer() -> None:
    installed = [one for stage in lineage(FINAL) for one in stage.all("RUN") if "pip uninstall" in one.rest]

    assert len(installed) == 1
    assert any("venv --without-pip /opt/rotator" in one.rest for one in stages()["build"].all("RUN"))


@pytest.mark.parametrize("target", ["runtime", "sandbox"])
def test_an_image_runs_as_a_user_with_a_number_that_is_not_root(target: str) -> None:
    users = [one.rest for stage in lineage(target) for one in stage.all("USER")]

    assert users == ["10001:10001"]


def test_packages_are_installed_with_hashes_only() -> None:
    installs = [
        command
        for stage in stages().values()
        for run in stage.all("RUN")
        for command in run.rest.split("&&")
        if re.search(r"pip .*\binstall\b", command)
    ]

    loose = [one for one in installs if "--require-hashes" not in one and "--no-index" not in one]

    assert installs
    assert loose == []


def test_the_container_runs_the_procfiles_worker_without_a_shell() -> None:
    (command,) = stages()[FINAL].all("CMD")

    assert command.words == procfile()["worker"]


def test_the_health_check_reads_the_heartbeat_without_a_shell() -> None:
    (check,) = stages()[FINAL].all("HEALTHCHECK")
    _, _, command = check.rest.partition(" CMD ")

    assert command.startswith('["python"')
    assert "/opt/rotator/healthcheck.py" in command


def test_the_container_is_stopped_by_the_signal_for_a_warm_shutdown() -> None:
    assert [one.rest for one in stages()[FINAL].all("STOPSIGNAL")] == ["SIGTERM"]


@pytest.mark.parametrize("stage, packages", [("build", {"setuptools"}), ("sandbox-build", {"starlette", "uvicorn"})])
def test_what_is_cut_out_of_the_lock_is_pinned_with_hashes(stage: str, packages: set[str]) -> None:
    (run,) = [one for one in stages()[stage].all("RUN") if "sed -n" in one.rest]
    cut = run.rest.partition(" && pip")[0].split("> /tmp/")[0]

    result = subprocess.run(["/bin/sh", "-eu", "-c", cut], cwd=ROOT, capture_output=True, text=True, check=True)
    entries = re.findall(
        r"^(\S+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", result.stdout, re.MULTILINE
    )

    assert {(name, version) for name, version, _ in entries} == {
        (name, locked("requirements.lock")[name]) for name in packages
    }
    assert "".join(f"{name}=={version} \\\n{hashes}" for name, version, hashes in entries) == result.stdout
