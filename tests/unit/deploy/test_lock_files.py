"""Lock files: what is deployed is what was tested, and no machine's package index is named."""

import re
import tomllib

import pytest

from tests.unit.deploy.files import ROOT, locked

LOCKS = ["requirements.lock", "deploy/requirements-runtime.lock"]


def _declared(extra: str | None) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = project["optional-dependencies"][extra] if extra else project["dependencies"]
    return {re.split(r"[\[<>=~! ]", line)[0].lower() for line in lines}


def test_the_image_gets_the_versions_that_were_tested() -> None:
    everything = locked("requirements.lock")

    different = {name for name, version in locked(LOCKS[1]).items() if everything.get(name) != version}

    assert different == set()


def test_every_dependency_is_locked_for_the_image() -> None:
    assert _declared(None) - locked(LOCKS[1]).keys() == set()


def test_what_only_tests_and_demo_need_is_not_in_the_image() -> None:
    only_dev = _declared("dev") - _declared(None)

    assert only_dev & locked(LOCKS[1]).keys() == set()


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_a_hash(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")

    bare = [name for name in locked(lock) if not re.search(rf"^{re.escape(name)}==.*\\\n +--hash=sha256:", text, re.M)]

    assert bare == []


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_file_holds_an_address(lock: str) -> None:
    assert "://" not in (ROOT / lock).read_text(encoding="utf-8")
