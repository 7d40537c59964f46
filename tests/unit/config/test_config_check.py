import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from config.mistakes import Mistake
from config.settings import check_settings
from tests.unit.config.files import SOUND, environ_with
from worker.cli.config_check import config_group

BROKEN = SOUND.replace('account = "desk"', 'account = "dsk"\nscope = ["trading"]')


def run(environ: dict[str, str], *arguments: str, monkeypatch: pytest.MonkeyPatch) -> Result:
    for name in [name for name in os.environ if name.startswith(("VAULT_", "REDIS_", "LIMITLESS_", "SENTRY_"))]:
        monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return CliRunner().invoke(config_group, ["check", *arguments])


def test_a_sound_configuration_ends_with_0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(environ_with(tmp_path), monkeypatch=monkeypatch)

    assert (result.exit_code, result.output) == (0, f"{tmp_path}/rotator.toml: nothing is wrong.\n")


def test_mistakes_end_with_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(environ_with(tmp_path, BROKEN), monkeypatch=monkeypatch).exit_code == 2


def test_every_mistake_is_printed_with_file_key_what_is_wrong_and_what_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = environ_with(tmp_path, BROKEN, REDIS_URL=None)

    output = run(environ, monkeypatch=monkeypatch).output

    found = check_settings(environ)
    assert len(found) == 3
    assert [one for one in found if not all(part in output for part in (one.file, one.key, one.wrong, one.right))] == []


def test_as_json_it_is_the_same_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = environ_with(tmp_path, BROKEN)

    printed = json.loads(run(environ, "--json", monkeypatch=monkeypatch).output)

    assert printed["file"] == environ["ROTATOR_CONFIG"]
    assert [Mistake(**one) for one in printed["mistakes"]] == check_settings(environ)


@pytest.mark.parametrize("name", ["none.toml", ".", "binary"])
def test_a_file_that_cannot_be_used_ends_with_2_and_no_traceback(tmp_path: Path, name: str) -> None:
    (tmp_path / "binary").write_bytes(b"\x7fELF\xff")
    environ = {**os.environ, **environ_with(tmp_path), "ROTATOR_CONFIG": str(tmp_path / name)}

    ended = subprocess.run(
        [sys.executable, "-c", "from worker.cli.config_check import config_group as g; g()", "check"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (ended.returncode, ended.stderr, "1 mistake." in ended.stdout) == (2, "", True)
