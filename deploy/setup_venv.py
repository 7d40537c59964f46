"""Make the virtual environment from requirements.lock, once for each state of lock and project file.

Run by ``make``; needs nothing but a supported Python. A repeat with nothing changed only compares a stamp, because
even a pip run that installs nothing takes seconds.
"""

import fcntl
import hashlib
import json
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUPPORTED = ((3, 11), (3, 12))


def fingerprint(root: Path, python: str) -> str:
    """Return what the environment depends on, as a digest: Python, the place, the lock, and what the project installs.

    The settings of linters and tests are in pyproject.toml as well; a change of those installs nothing.

    Args:
        root: the repository.
        python: the version.
    """
    import tomllib  # noqa: PLC0415 - an older Python shall reach the message that it is too old

    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    installed = (project["build-system"], project["project"], project.get("tool", {}).get("setuptools"))
    digest = hashlib.sha256(f"{python}\0{root}\0{json.dumps(installed, sort_keys=True)}".encode())
    for name in ("requirements.lock", "deploy/setup_venv.py"):
        digest.update((root / name).read_bytes())
    return digest.hexdigest()


def main(target: Path) -> int:
    """Return 0 when ``target`` holds everything that requirements.lock names."""
    if sys.version_info[:2] not in SUPPORTED:
        found = ".".join(map(str, sys.version_info[:3]))
        print(
            f"Python 3.11 or 3.12 is needed, this is {found}. Try: make PYTHON=/path/to/python3.12",
            file=sys.stderr,
        )
        return 2
    stamp, wanted = target / "installed", fingerprint(ROOT, sys.version)
    # Two demos may be started side by side in a fresh clone: the second one waits, then finds the work done.
    with Path(__file__).open("rb") as lock:
        if _is(stamp, wanted):
            return 0
        fcntl.flock(lock, fcntl.LOCK_EX)
        return 0 if _is(stamp, wanted) else _install(target, stamp, wanted)


def _is(stamp: Path, wanted: str) -> bool:
    return stamp.is_file() and stamp.read_text(encoding="ascii") == wanted


def _install(target: Path, stamp: Path, wanted: str) -> int:
    print("Setting up the virtual environment (once) ...", flush=True)
    venv.create(target, with_pip=True, clear=True)
    pip = [str(target / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    locked = ["--require-hashes", "-r", str(ROOT / "requirements.lock")]
    project = ["--no-deps", "--no-build-isolation", "-e", str(ROOT)]
    for arguments in (locked, project):
        code = subprocess.run([*pip, *arguments], check=False).returncode
        if code:
            print("The installation failed; pip's message is above.", file=sys.stderr)
            return code
    stamp.write_text(wanted, encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute()))
