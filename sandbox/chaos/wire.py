"""As much HTTP/1.1 as a proxy needs that passes messages on as they are: where one ends, and what it asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import BinaryIO

_LONGEST_LINE = 65536
_NO_BODY = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}


class BrokenMessageError(Exception):
    """The other side ended the connection in the middle of a message, or what it sent is not HTTP/1.1."""


@dataclass(frozen=True, slots=True)
class Message:
    """One whole request or answer.

    Attributes:
        start: its first line.
        headers: by lower-case name; never in the repr, since they hold logins.
        raw: all of it, as it was sent; never in the repr either.
    """

    start: str
    headers: Mapping[str, str] = field(repr=False)
    raw: bytes = field(repr=False)

    @property
    def method(self) -> str:
        """The method of a request."""
        return self.start.split(" ")[0]

    @property
    def target(self) -> str:
        """The path and query of a request, as sent."""
        return self.start.split(" ")[1]

    @property
    def status(self) -> int:
        """The status of an answer."""
        return int(self.start.split(" ")[1])


def read_request(stream: BinaryIO) -> Message | None:
    """Return the next request, or None when the client has ended the connection; raises BrokenMessageError."""
    head = _read_head(stream)
    return None if head is None else _with_body(stream, *head, has_body=True, until_closed=False)


def read_answer(stream: BinaryIO, *, to_method: str) -> Message:
    """Return the answer to a request of that method; raises BrokenMessageError when there is no whole one."""
    head = _read_head(stream)
    if head is None:
        raise BrokenMessageError("the server closed the connection without an answer")
    status = int(head[0].split(" ")[1])
    has_body = to_method != "HEAD" and status not in _NO_BODY
    return _with_body(stream, *head, has_body=has_body, until_closed=True)


def _read_head(stream: BinaryIO) -> tuple[str, Mapping[str, str], bytes] | None:
    raw = stream.readline(_LONGEST_LINE)
    if not raw:
        return None
    start = raw.decode("latin-1").strip()
    headers: dict[str, str] = {}
    if start.count(" ") < 1:
        raise BrokenMessageError("what was sent is not HTTP")
    while True:
        line = stream.readline(_LONGEST_LINE)
        raw += line
        if not line.endswith(b"\n"):
            raise BrokenMessageError("the connection ended within the headers")
        if not line.strip():
            return start, headers, raw
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()


def _with_body(
    stream: BinaryIO, start: str, headers: Mapping[str, str], raw: bytes, *, has_body: bool, until_closed: bool
) -> Message:
    if not has_body:
        body = b""
    elif "chunked" in headers.get("transfer-encoding", "").lower():
        body = _read_chunks(stream)
    elif "content-length" in headers:
        body = _read_exactly(stream, int(headers["content-length"]))
    else:
        body = stream.read() if until_closed else b""
    return Message(start, headers, raw + body)


def _read_chunks(stream: BinaryIO) -> bytes:
    body = b""
    while True:
        line = stream.readline(_LONGEST_LINE)
        try:
            size = int(line.split(b";")[0], 16)
        except ValueError:
            raise BrokenMessageError("the connection ended within a chunked body") from None
        body += line
        if size == 0:
            break
        body += _read_exactly(stream, size + 2)
    while True:  # trailers, up to an empty line
        line = stream.readline(_LONGEST_LINE)
        body += line
        if not line.strip():
            return body


def _read_exactly(stream: BinaryIO, size: int) -> bytes:
    body = stream.read(size)
    if len(body) < size:
        raise BrokenMessageError("the connection ended within the body")
    return body
