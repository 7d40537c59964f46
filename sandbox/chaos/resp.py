"""As much of Redis's protocol as a proxy needs that passes commands and replies on as they are: where one ends."""

from typing import BinaryIO, Final

from sandbox.chaos.wire import BrokenMessageError, Message

ARGUMENTS: Final = "arguments"
"""The header that keeps a command's arguments, joined by spaces: never in a repr, since one command is AUTH."""

_LONGEST_LINE = 65536
_NESTED = b"*%~>"
_BULK = b"$=!"


def read_command(stream: BinaryIO) -> Message | None:
    """Return the next command, or None when the client has ended the connection; raises BrokenMessageError."""
    first = stream.readline(_LONGEST_LINE)
    if not first:
        return None
    if not first.startswith(b"*"):
        raise BrokenMessageError("what was sent is not a command of Redis")
    raw, words = first, []
    for _ in range(_number(first)):
        size_line = _line(stream)
        body = _exactly(stream, _number(size_line) + 2)
        raw += size_line + body
        words.append(body[:-2].decode("latin-1"))
    command, *arguments = words
    return Message(f"{command.upper()} -", {ARGUMENTS: " ".join(arguments)}, raw)


def read_reply(stream: BinaryIO) -> Message:
    """Return the next reply, whatever is nested in it; raises BrokenMessageError when there is no whole one."""
    return Message("reply -", {}, _reply(stream))


def _reply(stream: BinaryIO) -> bytes:
    line = _line(stream)
    kind = line[:1]
    if kind in _BULK and _number(line) >= 0:
        return line + _exactly(stream, _number(line) + 2)
    if kind in _NESTED:
        count = max(0, _number(line)) * (2 if kind == b"%" else 1)
        return line + b"".join(_reply(stream) for _ in range(count))
    return line


def _number(line: bytes) -> int:
    try:
        return int(line[1:])
    except ValueError:
        raise BrokenMessageError("a length is not a number") from None


def _line(stream: BinaryIO) -> bytes:
    line = stream.readline(_LONGEST_LINE)
    if not line.endswith(b"\n"):
        raise BrokenMessageError("the connection ended within a line")
    return line


def _exactly(stream: BinaryIO, size: int) -> bytes:
    body = stream.read(size)
    if len(body) < size:
        raise BrokenMessageError("the connection ended within a value")
    return body
