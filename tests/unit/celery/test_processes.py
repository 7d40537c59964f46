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
    return run("-m", "celery", "--app", "worker.app", *COMMANDS[request.param], home=home, ROTATOR_CONFIG="none.toml")


def test_a_missing_configuration_ends_the_process_with_exit_code_2(misconfigured: Ended) -> None:
    assert misconfigured.returncode == 2


def test_a_missing_configuration_is_told_as_a_list_of_all_mistakes(misconfigured: Ended) -> None:
    assert all(name in misconfigured.stderr for name in ("none.toml", "REDIS_URL", "VAULT_ADDR"))


def test_a_missing_configuration_shows_no_traceback(misconfigured: Ended) -> None:
    assert "Traceback" not in misconfigured.stdout + misconfigured.stderr
