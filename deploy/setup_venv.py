"""Make the virtual environment from requirements.lock, once for each state of lock and project file.

Run by ``make``; needs nothing but a supported Python. A repeat with nothing changed only compares a stamp, because
even a pip run that installs nothing takes seconds.
"""

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUPPORTED = ((3, 11), (3, 12))


def _fingerprint() -> str:
    digest = hashlib.sha256(f"{sys.version}\0{ROOT}".encode())
    for name in ("requirements.lock", "pyproject.toml", "deploy/setup_venv.py"):
        digest.update((ROOT / name).read_bytes())
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
    stamp = target / "installed"
    fingerprint = _fingerprint()
    if stamp.is_file() and stamp.read_text(encoding="ascii") == fingerprint:
        return 0
    print("Setting up the virtual environment (once) ...", flush=True)
    venv.create(target, with_pip=True, clear=True)
    pip = [str(target / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    lock = ["--require-hashes", "-r", str(ROOT / "requirements.lock")]
    project = ["--no-deps", "--no-build-isolation", "-e", str(ROOT)]
    for arguments in (lock, project):
        code = subprocess.run([*pip, *arguments], check=False).returncode
        if code:
            print("The installation failed; pip's message is above.", file=sys.stderr)
            return code
    stamp.write_text(fingerprint, encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute()))
