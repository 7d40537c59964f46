"""What is installed into the image: the two packages, which need nothing but the runtime lock."""

import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path
from shutil import copytree, ignore_patterns

from tests.unit.deploy.files import ROOT, locked, stages

IMPORT_WITHOUT_THE_REST = """
import importlib, importlib.metadata as metadata, pkgutil, re, sys
import setuptools  # whoever patches the import system does so before us

runtime = {re.sub(r"[-_.]+", "-", name).lower() for name in sys.argv[1].split(",")}
owners = metadata.packages_distributions()
hidden = {
    top for top, names in owners.items()
    if not any(re.sub(r"[-_.]+", "-", name).lower() in runtime for name in names)
} - {"worker", "config", "sandbox"} | {"worker", "config", "sandbox", "tests"} - {
    name.partition(".")[0] for name in sys.argv[2:]
}

class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"{name} is not in the image", name=name)

for name in [name for name in sys.modules if name.partition(".")[0] in hidden]:
    del sys.modules[name]
sys.meta_path.insert(0, Hide())
for name in sys.argv[2:]:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(getattr(package, "__path__", ()), name + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
"""


def _import(*modules: str, packages: Iterable[str]) -> subprocess.CompletedProcess[str]:
    """Import these modules, and the modules below them, where nothing but those packages is installed."""
    return subprocess.run(
        [sys.executable, "-c", IMPORT_WITHOUT_THE_REST, ",".join(packages), *modules],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheel_that_the_image_installs_holds_worker_and_config_alone(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in (word for copy in stages()["build"].all("COPY") for word in copy.words[:-1]):
        if (ROOT / name).is_dir():
            copytree(ROOT / name, source / name, ignore=ignore_patterns("__pycache__"))
        elif "/" not in name:
            (source / name).write_bytes((ROOT / name).read_bytes())
    build = "from setuptools.build_meta import build_wheel; print(build_wheel('..'))"
    subprocess.run([sys.executable, "-c", build], cwd=source, capture_output=True, check=True)

    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        tops = {re.sub(r"-[0-9.]+\.dist-info", "", name.partition("/")[0]) for name in archive.namelist()}

    assert tops == {"config", "worker", "limitless_rotator"}


def test_every_module_can_be_imported_with_nothing_but_the_runtime_packages() -> None:
    result = _import("config", "worker", packages=locked("deploy/requirements-runtime.lock"))

    assert (result.returncode, result.stderr) == (0, "")


def test_what_the_demo_containers_run_can_be_imported_with_what_their_image_holds() -> None:
    packages = {*locked("deploy/requirements-runtime.lock"), "starlette", "uvicorn"}

    result = _import("sandbox.__main__", "sandbox.trader", packages=packages)

    assert (result.returncode, result.stderr) == (0, "")
