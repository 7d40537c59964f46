"""Turn whatever a server sends as an error into one short, harmless line."""

import html
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import SecretStr

MAX_LENGTH = 300
"""Characters of a server's message that reach ours."""

REDACTED = "[redacted]"

_MAX_BODY = 16 * 1024
_MAX_DEPTH = 5
_SHORTEST_ECHO = 8
_JWT_LIKE = re.compile(r"eyJ[A-Za-z0-9_-]{5,}(\.[A-Za-z0-9_-]*)*")
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)


def describe_body(body: bytes, *, secrets: Iterable[SecretStr]) -> str:
    """Return what an error body says to a person, as one line that is safe to log.

    Understands NestJS messages (a string, a list of strings, a list of validation objects), HTML pages, plain text,
    empty and broken bodies.

    Args:
        body: as received; at most its first 16 KiB are looked at.
        secrets: what was sent along; no part of them of 8 characters or more is repeated.
    """
    text = body[:_MAX_BODY].decode("utf-8", errors="replace").strip()
    return clean(_meaning(text), secrets=secrets) or "an answer without a message"


def clean(text: str, *, secrets: Iterable[SecretStr] = ()) -> str:
    """Return the text as one printable line of at most `MAX_LENGTH` characters, without those secrets or any JWT."""
    printable = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in text)
    line = " ".join(printable.split())
    # Redaction looks at the whole line: cutting first could leave the beginning of a secret unrecognised.
    for secret in secrets:
        line = redact(line, secret.get_secret_value())
    line = _JWT_LIKE.sub(REDACTED, line)
    return line if len(line) <= MAX_LENGTH else line[: MAX_LENGTH - 1] + "…"


def redact(text: str, secret: str) -> str:
    """Return the text with every run of 8 or more characters that also occurs in the secret masked.

    A server may echo a secret in part (cut off, or with some characters escaped), so whole matches are not enough. A
    shorter secret is masked where it occurs whole.
    """
    size = min(_SHORTEST_ECHO, len(secret))
    if not size:
        return text
    pieces = {secret[start : start + size] for start in range(len(secret) - size + 1)}
    masked = [False] * len(text)
    for start in range(len(text) - size + 1):
        if text[start : start + size] in pieces:
            masked[start : start + size] = [True] * size
    return "".join(
        REDACTED if hidden else char
        for position, (char, hidden) in enumerate(zip(text, masked, strict=True))
        if not (hidden and position and masked[position - 1])
    )


def _meaning(text: str) -> str:
    if not text:
        return "an empty body"
    if text.startswith("<"):
        title = _TITLE.search(text)
        return f"an HTML page titled “{html.unescape(title[1]).strip()}”" if title else "an HTML page"
    if text[0] not in "{[":
        return text
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return "broken JSON"
    return "; ".join(_messages(document))


def _messages(value: Any, depth: int = 0) -> Iterator[str]:
    """Yield the sentences in a NestJS error: its message, or what class-validator found wrong with each property."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _messages(one, depth + 1)
    elif isinstance(value, dict):
        if value.get("message"):
            yield from _messages(value["message"], depth + 1)
        elif isinstance(value.get("constraints"), dict):
            yield from (str(sentence) for sentence in value["constraints"].values())
        elif value.get("error"):
            yield from _messages(value["error"], depth + 1)
        if isinstance(value.get("children"), list):
            yield from _messages(value["children"], depth + 1)
