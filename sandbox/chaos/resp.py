"""As much of Redis's protocol as a proxy needs that passes messages on as they are: where one ends, and what it asks.

A command is named by its verb and its first key. Arguments are never in what a message shows of itself: among them
are logins and what people stored.
"""

from typing import BinaryIO, Final

from sandbox.chaos.wire import BrokenMessageError, Message

_LONGEST_LINE: Final = 65536
_NO_KEY: Final = "-"
_KEYLESS: Final = frozenset({"AUTH", "HELLO", "CLIENT", "SCRIPT", "PING", "ECHO"})
_SCRIPTS: Final = frozenset({"EVAL", "EVALSHA"})
_BULK: Final = b"$=!"
_AGGREGATE: Final = b"*~>"
_PAIRS: Final = b"%|"


def read_command(stream: BinaryIO) -> Message | None:
    """Return the next command, or None when the client has ended the connection; raises BrokenMessageError."""
    head = stream.readline(_LONGEST_LINE)
    if not head:
        return None
    if head[:1] != b"*":
        raise BrokenMessageError("what was sent is not a command of Redis")
    raw, words = head, []
    for _ in range(_number(head)):
        line = stream.readline(_LONGEST_LINE)
        if line[:1] != b"$":
            raise BrokenMessageError("the connection ended within a command")
        body = _exactly(stream, _number(line) + 2)
        words.append(body[:-2])
        raw += line + body
    if not words:
        raise BrokenMessageError("a command has no words")
    return Message(f"{_verb(words)} {_key(words)}", {}, raw)


def read_reply(stream: BinaryIO) -> bytes:
    """Return the next reply as it was sent; raises BrokenMessageError when there is no whole one."""
    line = stream.readline(_LONGEST_LINE)
    if not line.endswith(b"\n"):
        raise BrokenMessageError("the server closed the connection within a reply, or before it")
    kind = line[:1]
    if kind in _BULK:
        size = _number(line)
        return line if size < 0 else line + _exactly(stream, size + 2)
    if kind in _AGGREGATE or kind in _PAIRS:
        count = max(_number(line), 0) * (2 if kind in _PAIRS else 1)
        # Attributes are followed by the reply that they are about.
        count += kind == b"|"
        return line + b"".join(read_reply(stream) for _ in range(count))
    return line


def is_push(reply: bytes) -> bool:
    """Whether the server sent it by itself: such a message answers no command."""
    return reply[:1] == b">"


def _verb(words: list[bytes]) -> str:
    return words[0].decode("latin-1").upper()


def _key(words: list[bytes]) -> str:
    verb = _verb(words)
    place = 3 if verb in _SCRIPTS else 1
    if verb in _KEYLESS or len(words) <= place:
        return _NO_KEY
    return words[place].decode("latin-1").replace(" ", "_") or _NO_KEY


def _number(line: bytes) -> int:
    try:
        return int(line[1:])
    except ValueError:
        raise BrokenMessageError("a length is not a number") from None


def _exactly(stream: BinaryIO, size: int) -> bytes:
    body = stream.read(size)
    if len(body) < size:
        raise BrokenMessageError("the connection ended within a message")
    return body
