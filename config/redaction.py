"""The last line of defence: replaces what looks like a secret in whatever is about to leave the process.

Nothing relies on it. Secrets are `SecretStr` from the wire to Vault, and the texts of foreign exceptions are withheld
before they come here; patterns alone could not catch every secret.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, timedelta
from enum import Enum
from typing import Any

from pydantic import SecretBytes, SecretStr

REDACTED = "[redacted]"
WITHHELD = "[withheld]"
"""Stands for a text that was not looked at: its origin alone says that it may carry a secret."""

_OURS = ("worker", "config")
_MAX_DEPTH = 8

# Names under which a value is masked whatever it looks like, and harmless names that contain such a word.
_SECRET_KEY = re.compile(
    r"secret|passw(?:or)?d|passphrase|authorization|signature|cookie|private_?key|api_?key|dsn|jwt|bearer"
    r"|^identity$|(?:^|[_-])token$",
    re.IGNORECASE,
)
_SECRET_DESTROYED = "secret_destroyed"  # noqa: S105 - a field of the journal, a boolean

_PATTERNS = (
    # scheme://user:password@host
    (re.compile(r"(?<=://)[^/\s@]+@"), f"{REDACTED}@"),
    # JWT, whole or cut off
    (re.compile(r"\beyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){0,2}"), REDACTED),
    # Vault's and OpenBao's service, batch and recovery tokens, old and new
    (re.compile(r"\b(?:hv[sbr]\.[A-Za-z0-9_-]{8,}|[sbr]\.[A-Za-z0-9]{20,})"), REDACTED),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {REDACTED}"),
    # name=value and "name": "value"
    (
        re.compile(
            r"""(?ix) \b ((?:[a-z0-9]+[_-]){0,4} (?:secret(?:[_-](?:id|key))?|token|passw(?:or)?d|authorization
            |signature|identity|api[_-]?key) ["']? \s* [:=] \s* (?:[bu]?["'])?) (?!\[redacted\]) [^\s"',;&)}\]]+"""
        ),
        rf"\g<1>{REDACTED}",
    ),
    # 32 bytes in base64, as the exchange issues its secrets
    (re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{42,}={1,2}"), REDACTED),
)
_LONG_RUN = re.compile(r"[A-Za-z0-9+/_-]{40,}={0,2}")


def redact_text(text: str) -> str:
    """Return the text with everything replaced that looks like a secret."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return _LONG_RUN.sub(_redact_run, text)


def _redact_run(found: re.Match[str]) -> str:
    # Letters of both cases: keys of whatever length and alphabet, but neither ids in hexadecimal nor paths.
    run = found[0]
    return run if run in {run.lower(), run.upper()} else REDACTED


def is_ours(module: str | None) -> bool:
    """Whether a module (of an exception or a logger) is this project's, whose messages are safe by construction."""
    return module is not None and module.split(".", 1)[0] in _OURS


def exception_text(exc: BaseException) -> str:
    """Return an exception's message when its type is ours, else a placeholder: foreign messages quote what they met.

    Of an operating system's error, what its number means is told; that comes from a table and from nowhere else.
    """
    if is_ours(type(exc).__module__):
        return redact_text(str(exc))
    if isinstance(exc, OSError) and isinstance(exc.errno, int):
        return f"{os.strerror(exc.errno)} {WITHHELD}"
    return WITHHELD


def redact_value(value: object, *, key: str = "", depth: int = 0) -> Any:
    """Return a JSON-ready copy of a value without secrets.

    Args:
        value: anything; what is no plain data is described by its type or its redacted `repr`.
        key: the name it goes by; a name such as `secret` or `vault_token` masks any text.
        depth: how deep in a structure this is; what nests too deep is withheld.
    """
    if isinstance(value, SecretStr | SecretBytes):
        return REDACTED
    if value is None or isinstance(value, bool):
        return value
    if key != _SECRET_DESTROYED and _SECRET_KEY.search(key):
        return REDACTED
    if depth > _MAX_DEPTH:
        return WITHHELD
    if isinstance(value, Mapping):
        return {redact_text(str(k)): redact_value(v, key=str(k), depth=depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact_value(one, depth=depth + 1) for one in value]
    return _redact_leaf(value, depth)


def _redact_leaf(value: object, depth: int) -> Any:
    if isinstance(value, Enum):
        return redact_value(value.value, depth=depth + 1)
    if isinstance(value, int | float):
        return value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {exception_text(value)}"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if is_dataclass(value) and not isinstance(value, type):
        content = {field.name: getattr(value, field.name) for field in fields(value)}
        return redact_value(content, depth=depth + 1)
    return redact_text(value if isinstance(value, str) else repr(value))
