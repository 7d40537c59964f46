"""Describes an exception for a log line: types and places of the whole chain, messages of our own types alone.

Neither locals nor source lines are told: the first hold secrets, the second are in the repository.
"""

from traceback import walk_tb
from typing import Any

from config.redaction import exception_text

_MAX_FRAMES = 30
_MAX_CHAIN = 10


def describe_exception(exc: BaseException) -> list[dict[str, Any]]:
    """Return the chain from the exception itself to its first cause.

    Each link has `type` (with its module), `message`, `frames` (outermost first, as "file:line function") and, for a
    group, `exceptions`, a list of such chains.
    """
    chain: list[dict[str, Any]] = []
    seen: set[int] = set()
    link: BaseException | None = exc
    while link is not None and id(link) not in seen and len(chain) < _MAX_CHAIN:
        seen.add(id(link))
        chain.append(_describe(link))
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return chain


def exception_lines(chain: list[dict[str, Any]]) -> str:
    """Return such a chain as text for a terminal."""
    lines: list[str] = []
    for link in chain:
        lines.append(f"{'because of ' if lines else ''}{link['type']}: {link['message']}")
        lines += [f"    at {frame}" for frame in reversed(link["frames"])]
        for inner in link.get("exceptions", []):
            lines += ["  in the group:", *(f"  {line}" for line in exception_lines(inner).splitlines())]
    return "\n".join(lines)


def _describe(exc: BaseException) -> dict[str, Any]:
    kind = type(exc)
    frames = [f"{frame.f_code.co_filename}:{line} {frame.f_code.co_name}" for frame, line in walk_tb(exc.__traceback__)]
    described: dict[str, Any] = {
        "type": kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}",
        "message": exception_text(exc),
        "frames": frames[-_MAX_FRAMES:],
    }
    if isinstance(exc, BaseExceptionGroup):
        described["exceptions"] = [describe_exception(inner) for inner in exc.exceptions[:_MAX_CHAIN]]
    return described
