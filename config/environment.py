"""What the environment says: servers, and secrets either directly or as a file (`…_FILE`)."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr
from sentry_sdk.utils import BadDsn, Dsn

from config.mistakes import ENVIRONMENT, Mistake
from config.schema import Infrastructure
from config.tables import Place
from config.urls import check_proxy_url, check_redis_url, check_url

VARIABLES = (
    "ROTATOR_CONFIG",
    "REDIS_URL",
    "VAULT_ADDR",
    "VAULT_TOKEN",
    "VAULT_ROLE_ID",
    "VAULT_SECRET_ID",
    "VAULT_NAMESPACE",
    "VAULT_CACERT",
    "ROTATOR_PROXY",
    "ROTATOR_CACERT",
    "SENTRY_DSN",
    "SENTRY_ENVIRONMENT",
    "LIMITLESS_API_URL",
    "LIMITLESS_IDENTITY_TOKEN",
    "LIMITLESS_IDENTITY_TOKEN_FILE",
)
"""Every variable that has a meaning of its own; secrets among them are read as `<NAME>_FILE` too."""

_MAX_SECRET_BYTES = 64 * 1024


class Environment:
    """Environment variables, read by name; an empty one counts as unset, as compose files leave them.

    Args:
        environ: such as `os.environ`.
        mistakes: collects what is wrong.
    """

    def __init__(self, environ: Mapping[str, str], mistakes: list[Mistake]) -> None:
        self._environ = environ
        self._mistakes = mistakes

    def place(self, name: str) -> Place:
        """Return where a mistake in that variable is noted."""
        return Place(ENVIRONMENT, name, self._mistakes)

    def text(self, name: str) -> str | None:
        """Return the variable without surrounding blanks, or None when it is unset or empty."""
        return self._environ.get(name, "").strip() or None

    def path(self, name: str) -> Path | None:
        """Return the path that the variable holds, or None when it is unset or empty."""
        text = self.text(name)
        return Path(text) if text else None

    def secret(self, name: str) -> SecretStr | None:
        """Return the secret from the variable or from the file that `<name>_FILE` names, or None."""
        direct, path = self.text(name), self.text(f"{name}_FILE")
        if direct and path:
            self.place(name).add(f"is set, and {name}_FILE too", "Set one of the two")
            return None
        if path:
            return self._secret_file(f"{name}_FILE", Path(path))
        return SecretStr(direct) if direct else None

    def names_secret(self, name: str) -> bool:
        """Whether the secret is given in either way, usable or not."""
        return bool(self.text(name) or self.text(f"{name}_FILE"))

    def _secret_file(self, name: str, path: Path) -> SecretStr | None:
        right = "Name a file that holds the secret alone and that the worker's user may read"
        try:
            with path.open("rb") as file:
                content = file.read(_MAX_SECRET_BYTES + 1)
            if len(content) > _MAX_SECRET_BYTES:
                self.place(name).add(f"names {path}, which is too large for a secret", right)
                return None
            text = content.decode("utf-8").strip()
        except UnicodeDecodeError:
            self.place(name).add(f"names {path}, which is not UTF-8 text", right)
            return None
        except (OSError, ValueError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else "malformed path"
            self.place(name).add(f"names {path}, which cannot be read ({reason})", right)
            return None
        if not text:
            self.place(name).add(f"names {path}, which is empty", right)
            return None
        return SecretStr(text)


def read_infrastructure(env: Environment, *, for_beat: bool = False) -> Infrastructure | None:
    """Return the servers and the worker's credentials for them, or None when something needed is wrong or missing.

    Args:
        env: what they are read from.
        for_beat: leave out what beat has no use for, so that it need not be given: everything about Vault.
    """
    redis_url = _redis_url(env)
    proxy = _proxy(env)
    dsn = _sentry_dsn(env)
    cacert = _pem_file(env, "ROTATOR_CACERT", "the authorities that the exchange and Sentry are verified with")
    shared = {
        "redis_url": redis_url,
        "outside_cacert": cacert,
        "outside_proxy": proxy,
        "sentry_dsn": dsn,
        "sentry_environment": env.text("SENTRY_ENVIRONMENT")
        or Infrastructure.model_fields["sentry_environment"].default,
    }
    if for_beat:
        return Infrastructure.model_validate(shared) if redis_url else None
    vault_addr = _vault_addr(env)
    authenticated = _check_vault_login(env)
    vault_cacert = _pem_file(env, "VAULT_CACERT", "Vault's CA")
    token, role_id, secret_id = (env.secret(f"VAULT_{name}") for name in ("TOKEN", "ROLE_ID", "SECRET_ID"))
    if redis_url is None or vault_addr is None or not authenticated:
        return None
    return Infrastructure(
        **shared,
        vault_addr=vault_addr,
        vault_token=token,
        vault_role_id=role_id,
        vault_secret_id=secret_id,
        vault_secret_id_file=env.path("VAULT_SECRET_ID_FILE"),
        vault_namespace=env.text("VAULT_NAMESPACE"),
        vault_cacert=vault_cacert,
    )


def _pem_file(env: Environment, name: str, what: str) -> Path | None:
    path = env.path(name)
    if path and not path.is_file():
        env.place(name).add(f"names {path}, which is no file", f"Name the PEM file of {what}")
    return path


def _proxy(env: Environment) -> SecretStr | None:
    proxy = env.secret("ROTATOR_PROXY")
    return proxy if proxy is None or check_proxy_url(proxy.get_secret_value(), env.place("ROTATOR_PROXY")) else None


def _redis_url(env: Environment) -> SecretStr | None:
    url = env.secret("REDIS_URL")
    if url is None:
        if not env.names_secret("REDIS_URL"):
            env.place("REDIS_URL").add("is missing", "Set it, or REDIS_URL_FILE, to rediss://:password@host:6379/0")
        return None
    return url if check_redis_url(url.get_secret_value(), env.place("REDIS_URL")) else None


def _vault_addr(env: Environment) -> str | None:
    address = env.text("VAULT_ADDR")
    if address is None:
        env.place("VAULT_ADDR").add("is missing", "Set it to Vault's address, such as https://vault:8200")
        return None
    # Inside a private container network Vault often has no TLS of its own; that is the operator's decision.
    return check_url(address, env.place("VAULT_ADDR"), plain_anywhere=True)


def _check_vault_login(env: Environment) -> bool:
    token, role_id, secret_id = (env.names_secret(f"VAULT_{name}") for name in ("TOKEN", "ROLE_ID", "SECRET_ID"))
    right = "Set VAULT_TOKEN, or VAULT_ROLE_ID and VAULT_SECRET_ID (each also as …_FILE)"
    if token and (role_id or secret_id):
        env.place("VAULT_TOKEN").add("is set beside VAULT_ROLE_ID or VAULT_SECRET_ID", right + ", not both")
        return False
    if token or (role_id and secret_id):
        return True
    if role_id or secret_id:
        missing = "VAULT_SECRET_ID" if role_id else "VAULT_ROLE_ID"
        env.place(missing).add("is missing, though the other half of the AppRole login is set", right)
    else:
        env.place("VAULT_TOKEN").add("is missing", right)
    return False


def _sentry_dsn(env: Environment) -> SecretStr | None:
    dsn = env.secret("SENTRY_DSN")
    if dsn is not None and not _is_dsn(dsn.get_secret_value()):
        env.place("SENTRY_DSN").add("is not a DSN", "Copy it from the project's settings: https://key@host/number")
        return None
    return dsn


def _is_dsn(text: str) -> bool:
    try:
        Dsn(text)
    except (BadDsn, ValueError):
        return False
    return True
