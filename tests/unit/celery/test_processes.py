"""What worker and beat do when their configuration is wrong: say so, and end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.processes import ROOT, die_with_parent

COMMANDS = {
    "worker": ("worker", "--without-gossip", "--without-mingle"),
    "beat": ("beat",),
}


Ended = subprocess.CompletedProcess[str]


def run(*argv: str, home: Path, **variables: str) -> Ended:
    return subprocess.run(
        [sys.executable, "-W", "error::SyntaxWarning", *argv],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(home), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=die_with_parent(),
    )


def test_importing_the_application_reads_no_settings(tmp_path: Path) -> None:
    assert run("-c", "import worker.app, worker.tasks", home=tmp_path).returncode == 0


@pytest.fixture(scope="module", params=COMMANDS)
def misconfigured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A worker, or a beat, without a file and without any variable."""
    home = tmp_path_factory.mktemp("home")
    command = COMMANDS[request.param]
    return run("-m", "celery", "--app", "worker.app", *command, home=home, ROTATOR_CONFIG="none.toml")


def test_a_missing_configuration_ends_the_process_with_exit_code_2(misconfigured: Ended) -> None:
    assert misconfigured.returncode == 2


def test_a_missing_configuration_is_told_as_a_list_of_all_mistakes(misconfigured: Ended) -> None:
    assert all(name in misconfigured.stderr for name in ("none.toml", "REDIS_URL"))
    # Beat asks nothing of Vault.
    assert ("VAULT_ADDR" in misconfigured.stderr) is ("worker" in misconfigured.args)


def test_a_missing_configuration_shows_no_traceback(misconfigured: Ended) -> None:
    assert "Traceback" not in misconfigured.stdout + misconfigured.stderr


CORE_LIMIT = "import resource, sys; sys.stdout.write(str(resource.getrlimit(resource.RLIMIT_CORE)))"


@pytest.mark.parametrize(
    "start",
    [
        "import contextlib, worker.app\nwith contextlib.suppress(SystemExit): worker.app.settings_or_exit()",
        "import contextlib, worker.cli\nwith contextlib.suppress(SystemExit): worker.cli.main(['config', 'check'])",
    ],
    ids=["worker and beat", "command line"],
)
def test_no_process_that_reads_secrets_can_leave_a_core_dump(start: str, tmp_path: Path) -> None:
    raised = "import resource\nhard = resource.getrlimit(resource.RLIMIT_CORE)[1]\n"
    raised += "resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))\n"

    done = run("-c", f"{raised}{start}\n{CORE_LIMIT}", home=tmp_path, ROTATOR_CONFIG="none.toml")

    assert done.stdout.endswith("(0, 0)")
