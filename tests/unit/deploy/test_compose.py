"""The compose file: valid, whole, and as closed as its services allow. There is no engine here to try it on."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.settings import check_settings, load_settings
from tests.unit.deploy.files import ROOT, compose, demo_variables, procfile, stages

MADE_BY_HAND = {"config/rotator.toml"}
"""Copied from the example before the first start; everything else that is mounted is in the repository or made."""

ROTATOR = ["worker", "beat"]
SERVICES = sorted(compose()["services"])


def _environments() -> list[dict[str, str]]:
    return [{}, demo_variables()]


def _names(entries: list[Any]) -> set[str]:
    return {one["source"] if isinstance(one, dict) else one for one in entries}


def _mounts(service: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for one in service.get("volumes", []):
        source, target, *_ = one.split(":")
        yield source, target


def _exists_or_is_made(path: str) -> bool:
    relative = str(Path(path))
    made = relative in MADE_BY_HAND or relative.startswith("deploy/compose/secrets/")
    return made or (ROOT / relative).exists()


def test_the_file_follows_the_compose_specification() -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")

    result = subprocess.run(
        [str(checker), "--builtin-schema", "vendor.compose-spec", str(ROOT / "docker-compose.yml")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("variables", _environments(), ids=["plain", "demo"])
@pytest.mark.parametrize("kind", ["secrets", "configs"])
def test_secrets_and_configs_that_services_name_are_defined(kind: str, variables: dict[str, str]) -> None:
    file = compose(variables)
    used = {name for one in file["services"].values() for name in _names(one.get(kind, []))}

    assert used == set(file[kind])


@pytest.mark.parametrize("variables", _environments(), ids=["plain", "demo"])
@pytest.mark.parametrize("kind", ["secrets", "configs"])
def test_the_files_of_secrets_and_configs_exist_or_are_made_before_the_first_start(
    kind: str, variables: dict[str, str]
) -> None:
    paths = [one["file"] for one in compose(variables)[kind].values()]

    assert [path for path in paths if not _exists_or_is_made(path)] == []


def test_the_script_makes_exactly_the_secrets_that_are_named(tmp_path: Path) -> None:
    script = ROOT / "deploy/compose/make-secrets.sh"
    subprocess.run(["/bin/sh", str(script), str(tmp_path / "secrets")], check=True, capture_output=True)

    made = {path.name for path in (tmp_path / "secrets").iterdir()}

    assert made == {Path(one["file"]).name for one in compose()["secrets"].values()}


@pytest.mark.parametrize("variables", _environments(), ids=["plain", "demo"])
def test_volumes_that_services_mount_are_defined_or_exist(variables: dict[str, str]) -> None:
    file = compose(variables)
    sources = {source for one in file["services"].values() for source, _ in _mounts(one)}

    named = {source for source in sources if not source.startswith((".", "/"))}
    missing = [source for source in sources - named if not _exists_or_is_made(source)]

    assert named <= set(file["volumes"])
    assert missing == []


def test_every_volume_is_mounted_by_some_service() -> None:
    file = compose()

    mounted = {source for one in file["services"].values() for source, _ in _mounts(one)}

    assert set(file["volumes"]) <= mounted


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_depends_on_services_that_exist_and_can_meet_the_condition(name: str) -> None:
    services = compose()["services"]
    known = stages()

    for other, condition in services[name].get("depends_on", {}).items():
        assert other in services
        built = services[other].get("build", {}).get("target")
        checked = "healthcheck" in services[other] or (built and known[built].all("HEALTHCHECK"))
        match condition["condition"]:
            case "service_healthy":
                assert checked
            case "service_completed_successfully":
                assert services[other]["restart"] != "always"
            case other_condition:
                assert other_condition == "service_started"


@pytest.mark.parametrize(
    "variables, config",
    [({}, "config/rotator.example.toml"), (demo_variables(), "deploy/compose/demo.toml")],
    ids=["plain", "demo"],
)
def test_the_settings_that_the_worker_gets_have_no_mistake(
    variables: dict[str, str], config: str, tmp_path: Path
) -> None:
    environment: dict[str, str] = compose(variables)["services"]["worker"]["environment"]
    contents = {"REDIS_URL_FILE": "redis://:password@redis:6379/0"}
    for name in [name for name in environment if name.endswith("_FILE") or name == "VAULT_CACERT"]:
        path = tmp_path / name
        path.write_text(contents.get(name, "content"), encoding="ascii")
        environment[name] = str(path)

    assert check_settings({**environment, "ROTATOR_CONFIG": str(ROOT / config)}) == []


def test_nothing_in_the_plain_stack_depends_on_the_demo() -> None:
    services = compose()["services"]
    demo = {name for name, one in services.items() if "demo" in one.get("profiles", [])}

    needed = {other for name, one in services.items() if name not in demo for other in one.get("depends_on", {})}

    assert demo & needed == set()


def test_the_sandbox_and_its_trader_run_in_the_demo_profile_only() -> None:
    services = compose()["services"]

    from_sandbox = {name for name, one in services.items() if "sandbox" in one["image"]}

    assert from_sandbox == {"sandbox", "trader"}
    assert all(services[name]["profiles"] == ["demo"] for name in from_sandbox)


@pytest.mark.parametrize("name", [name for name in SERVICES if "build" in compose()["services"][name]])
def test_a_service_is_built_from_a_target_that_exists(name: str) -> None:
    build = compose()["services"][name]["build"]

    assert build["target"] in stages()
    assert (ROOT / build["context"] / "Dockerfile").is_file()


@pytest.mark.parametrize("name", [name for name in SERVICES if "build" not in compose()["services"][name]])
def test_an_image_that_is_not_built_here_has_a_tag(name: str) -> None:
    _, _, tag = compose()["services"][name]["image"].partition(":")

    assert tag
    assert tag != "latest"


@pytest.mark.parametrize("name", ROTATOR)
def test_worker_and_beat_run_the_procfiles_commands(name: str) -> None:
    assert compose()["services"][name]["command"].split() == procfile()[name]


def test_two_beats_run_so_that_one_can_take_over() -> None:
    assert compose()["services"]["beat"]["deploy"]["replicas"] == 2


def test_services_join_networks_that_exist() -> None:
    file = compose()
    joined = {network for one in file["services"].values() for network in one.get("networks", [])}

    assert joined == set(file["networks"])


@pytest.mark.parametrize("name", ["redis", "vault", "vault-setup"])
def test_servers_with_secrets_have_no_way_out(name: str) -> None:
    file = compose()

    assert file["services"][name]["networks"] == ["inside"]
    assert file["networks"]["inside"]["internal"] is True


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_offers_no_port_to_the_outside(name: str) -> None:
    assert "ports" not in compose()["services"][name]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_a_read_only_root_no_capability_and_gains_none(name: str) -> None:
    service = compose()["services"][name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", [name for name in SERVICES if not name.startswith("vault-")])
def test_a_service_that_keeps_running_is_restarted_and_is_not_root(name: str) -> None:
    service = compose()["services"][name]
    built = service["image"].startswith("limitless-rotator")

    assert service["restart"] == "unless-stopped"
    assert built or not service["user"].startswith("0")


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_is_in_an_environment_or_on_a_command_line(name: str) -> None:
    service = compose()["services"][name]
    environment = service.get("environment", {})
    suspicious = {
        key
        for key in environment
        if any(word in key for word in ("TOKEN", "SECRET", "PASSWORD", "REDIS_URL", "ROLE_ID"))
        and not key.endswith("_FILE")
    }
    words = " ".join(map(str, (service.get("command", ""), service.get("entrypoint", ""))))

    assert suspicious == set()
    assert "password" not in words.lower()


@pytest.mark.parametrize("name", ["worker", "beat", "redis", "vault"])
def test_a_service_says_how_long_its_shutdown_may_take(name: str) -> None:
    assert "stop_grace_period" in compose()["services"][name]


def test_the_worker_may_finish_the_longest_derive_when_it_is_stopped() -> None:
    grace = compose()["services"]["worker"]["stop_grace_period"]

    assert grace == "3m"  # derive_deadline's default is 2 min


def test_redis_keeps_its_data_and_evicts_nothing() -> None:
    settings = (ROOT / "deploy/compose/redis.conf").read_text(encoding="utf-8").splitlines()

    assert {"appendonly yes", "maxmemory-policy noeviction"} <= set(settings)


def test_vault_is_no_development_server_and_speaks_tls_only() -> None:
    vault = compose()["services"]["vault"]
    settings = (ROOT / "deploy/compose/vault.hcl").read_text(encoding="utf-8")

    assert "-dev" not in " ".join(vault["command"])
    assert 'storage "raft"' in settings
    assert "tls_disable" not in settings
    assert all(
        one["environment"]["VAULT_ADDR"].startswith("https://")
        for one in compose()["services"].values()
        if "VAULT_ADDR" in one.get("environment", {})
    )


def test_the_unseal_key_is_in_a_volume_that_only_one_shots_see() -> None:
    services = compose()["services"]

    seeing = {name for name, one in services.items() if "vault-init" in {source for source, _ in _mounts(one)}}

    assert "vault-setup" in seeing
    assert all(name.startswith("vault-") for name in seeing)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_leaves_no_core_dump(name: str) -> None:
    assert compose()["services"][name]["ulimits"] == {"core": 0}


@pytest.mark.parametrize("unit", ["rotator-worker", "rotator-beat"])
def test_a_unit_leaves_no_core_dump(unit: str) -> None:
    lines = (ROOT / f"deploy/systemd/{unit}.service").read_text(encoding="utf-8").splitlines()

    assert "LimitCORE=0" in lines


def test_beat_gets_neither_a_login_to_vault_nor_an_identity() -> None:
    beat = compose()["services"]["beat"]

    assert list(_mounts(beat)) == []
    assert beat["secrets"] == ["redis_url"]
    assert not [key for key in beat["environment"] if "VAULT" in key or "IDENTITY" in key]
    assert set(beat["depends_on"]) == {"redis"}


def test_beats_alerts_can_leave_its_network() -> None:
    assert "outside" in compose()["services"]["beat"]["networks"]


@pytest.mark.parametrize(
    "variables, config",
    [({}, "config/rotator.example.toml"), (demo_variables(), "deploy/compose/demo.toml")],
    ids=["plain", "demo"],
)
def test_the_settings_that_beat_gets_are_all_that_it_needs(
    variables: dict[str, str], config: str, tmp_path: Path
) -> None:
    environment: dict[str, str] = compose(variables)["services"]["beat"]["environment"]
    (tmp_path / "redis_url").write_text("redis://:password@redis:6379/0", encoding="ascii")
    environment |= {"REDIS_URL_FILE": str(tmp_path / "redis_url"), "ROTATOR_CONFIG": str(ROOT / config)}

    assert load_settings(environment, for_beat=True).credentials


IMAGES = {
    "REDIS_IMAGE": "redis:8.0-alpine",
    "VAULT_IMAGE": "hashicorp/vault:1.21",
    "PYTHON_IMAGE": "python:3.12-slim",
}


@pytest.mark.parametrize("variables", [{}, {name: f"{image}@sha256:{'0' * 64}" for name, image in IMAGES.items()}])
def test_every_image_of_a_registry_is_pinned_to_a_digest(variables: dict[str, str]) -> None:
    services = compose(variables)["services"].values()

    taken = {one["image"] for one in services if not one["image"].startswith("limitless-rotator")}
    built_from = {one["build"]["args"]["PYTHON_IMAGE"] for one in services if "build" in one}

    assert {re.sub("@sha256:[0-9a-f]{64}$", "", one) for one in taken | built_from} == set(IMAGES.values())
    assert all("@sha256:" in image for image in taken | built_from)


def test_the_pinning_script_pins_what_the_file_names_and_keeps_other_lines(tmp_path: Path) -> None:
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\n[ "$3" = inspect ] && echo sha256:$(echo "$4" | tr -dc a-z)\n', encoding="ascii")
    docker.chmod(0o755)
    target = tmp_path / ".env"
    target.write_text("SENTRY_DSN=kept\nREDIS_IMAGE=old\n", encoding="ascii")
    script = ROOT / "deploy/compose/pin-images.sh"

    subprocess.run(
        ["/bin/sh", str(script), str(target)],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        check=True,
    )

    lines = target.read_text(encoding="ascii").splitlines()
    pinned = [f"{name}={image}@sha256:{''.join(c for c in image if c.isalpha())}" for name, image in IMAGES.items()]
    assert lines == ["SENTRY_DSN=kept", *pinned]
