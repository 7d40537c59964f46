"""Writes configuration files for tests, and a matching environment."""

from pathlib import Path

SOUND = """
[[accounts]]
name = "desk"

[[credentials]]
name = "maker"
account = "desk"
"""

ENVIRON = {
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "VAULT_ADDR": "http://127.0.0.1:8200",
    "VAULT_TOKEN": "a-vault-token",
    "LIMITLESS_IDENTITY_TOKEN": "an-identity-token",
}


def environ_with(folder: Path, toml: str = SOUND, /, **changes: str | None) -> dict[str, str]:
    """Return an environment that is sound but for the changes (None unsets), naming a file with that content."""
    path = folder / "rotator.toml"
    path.write_text(toml, encoding="utf-8")
    environ = {**ENVIRON, "ROTATOR_CONFIG": str(path)}
    for name, value in changes.items():
        if value is None:
            environ.pop(name, None)
        else:
            environ[name] = value
    return environ
