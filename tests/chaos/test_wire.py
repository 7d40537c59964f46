"""Messages on the wire: each ends where it says it does, and is passed on byte for byte."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.chaos.wire import BrokenMessageError, read_answer, read_request

BODIES = st.binary(max_size=200)


def with_length(start: bytes, body: bytes) -> bytes:
    return b"%s\r\nContent-Length: %d\r\nX-Other: a: b\r\n\r\n%s" % (start, len(body), body)


def in_chunks(start: bytes, body: bytes, size: int) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return b"%s\r\nTransfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n" % (start, chunks)


@given(bodies=st.lists(BODIES, max_size=4))
def test_requests_that_follow_each_other_are_told_apart_byte_for_byte(bodies: list[bytes]) -> None:
    requests = [with_length(b"POST /a HTTP/1.1", body) for body in bodies]
    stream = io.BytesIO(b"".join(requests))

    read = [message.raw for _ in requests if (message := read_request(stream))]

    assert read == requests
    assert read_request(stream) is None


@given(body=BODIES, size=st.integers(1, 50))
def test_a_chunked_answer_ends_with_its_last_chunk(body: bytes, size: int) -> None:
    answer = in_chunks(b"HTTP/1.1 200 OK", body, size)
    stream = io.BytesIO(answer + b"rest")
    assert read_answer(stream, to_method="GET").raw == answer
    assert stream.read() == b"rest"


@given(body=BODIES, kept=st.floats(0, 1, exclude_max=True))
def test_an_answer_that_is_cut_anywhere_is_never_taken_for_a_whole_one(body: bytes, kept: float) -> None:
    answer = with_length(b"HTTP/1.1 200 OK", body)
    with pytest.raises(BrokenMessageError):
        read_answer(io.BytesIO(answer[: int(len(answer) * kept)]), to_method="GET")


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    answer = b"HTTP/1.1 200 OK\r\n\r\nall of this"
    assert read_answer(io.BytesIO(answer), to_method="GET").raw == answer


def test_an_answer_to_head_has_no_body_whatever_its_length_says() -> None:
    stream = io.BytesIO(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext")
    read_answer(stream, to_method="HEAD")
    assert stream.read() == b"next"


def test_a_message_knows_what_it_asks_for() -> None:
    message = read_request(io.BytesIO(b"DELETE /a%2Fb?c HTTP/1.1\r\nHost: x\r\n\r\n"))
    assert message is not None
    assert (message.method, message.target, message.headers["host"]) == ("DELETE", "/a%2Fb?c", "x")


def test_what_is_not_http_is_refused() -> None:
    with pytest.raises(BrokenMessageError):
        read_request(io.BytesIO(b"\x16\x03\x01"))
