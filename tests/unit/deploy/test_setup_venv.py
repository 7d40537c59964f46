"""The virtual environment is made once for each state of what it depends on."""

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.deploy.files import ROOT

FILES = ("pyproject.toml", "requirements.lock", "deploy/setup_venv.py")


@pytest.fixture
def fingerprint() -> Callable[[Path, str], str]:
    spec = importlib.util.spec_from_file_location("setup_venv", ROOT / "deploy/setup_venv.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.fingerprint  # type: ignore[no-any-return]  # a script has no types for us


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    "file, old, new",
    [
        ("pyproject.toml", 'version = "', 'version = "9'),
        ("pyproject.toml", "dependencies = [", 'dependencies = [ "another",'),
        ("requirements.lock", "celery==", "celery==9"),
        ("deploy/setup_venv.py", "clear=True", "clear=False"),
    ],
)
def test_a_change_of_what_is_installed_makes_the_environment_anew(
    fingerprint: Callable[[Path, str], str], clone: Path, file: str, old: str, new: str
) -> None:
    before = fingerprint(clone, "3.12")
    path = clone / file
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")

    assert fingerprint(clone, "3.12") != before


def test_a_change_of_a_linters_settings_installs_nothing(fingerprint: Callable[[Path, str], str], clone: Path) -> None:
    before = fingerprint(clone, "3.12")
    path = clone / "pyproject.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("line-length = 120", "line-length = 99"), encoding="utf-8")

    assert fingerprint(clone, "3.12") == before


def test_another_python_makes_the_environment_anew(fingerprint: Callable[[Path, str], str], clone: Path) -> None:
    assert fingerprint(clone, "3.11") != fingerprint(clone, "3.12")
