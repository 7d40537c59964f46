"""Redis's protocol on the wire: each message ends where it says it does, and is passed on byte for byte."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.chaos.resp import is_push, read_command, read_reply
from sandbox.chaos.wire import BrokenMessageError

WORDS = st.lists(st.binary(max_size=60), min_size=1, max_size=5)
SIMPLE = st.sampled_from(
    [b"+OK\r\n", b"-ERR no\r\n", b":12\r\n", b"$-1\r\n", b"*-1\r\n", b"_\r\n", b"#t\r\n", b",1.5\r\n"]
)
BULK = st.binary(max_size=60).map(lambda body: b"$%d\r\n%s\r\n" % (len(body), body))


def in_list(parts: list[bytes]) -> bytes:
    return b"*%d\r\n" % len(parts) + b"".join(parts)


def in_map(parts: list[bytes]) -> bytes:
    even = parts[: len(parts) // 2 * 2]
    return b"%%%d\r\n" % (len(even) // 2) + b"".join(even)


REPLIES = st.recursive(
    SIMPLE | BULK,
    lambda inner: st.lists(inner, max_size=4).flatmap(lambda parts: st.sampled_from([in_list(parts), in_map(parts)])),
    max_leaves=10,
)


def command(*words: bytes) -> bytes:
    return in_list([b"$%d\r\n%s\r\n" % (len(word), word) for word in words])


@given(commands=st.lists(WORDS, max_size=4))
def test_commands_that_follow_each_other_are_told_apart_byte_for_byte(commands: list[list[bytes]]) -> None:
    sent = [command(*words) for words in commands]
    stream = io.BytesIO(b"".join(sent))
    assert [message.raw for _ in sent if (message := read_command(stream))] == sent
    assert read_command(stream) is None


@given(replies=st.lists(REPLIES, max_size=4))
def test_replies_that_follow_each_other_are_told_apart_byte_for_byte(replies: list[bytes]) -> None:
    stream = io.BytesIO(b"".join(replies))
    assert [read_reply(stream) for _ in replies] == replies
    assert stream.read() == b""


@given(reply=REPLIES, kept=st.floats(0, 1, exclude_max=True))
def test_a_reply_that_is_cut_anywhere_is_never_taken_for_a_whole_one(reply: bytes, kept: float) -> None:
    with pytest.raises(BrokenMessageError):
        read_reply(io.BytesIO(reply[: int(len(reply) * kept)]))


@given(words=WORDS, kept=st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_a_command_that_is_cut_anywhere_is_never_taken_for_a_whole_one(words: list[bytes], kept: float) -> None:
    whole = command(*words)
    with pytest.raises(BrokenMessageError):
        read_command(io.BytesIO(whole[: max(1, int(len(whole) * kept))]))


@pytest.mark.parametrize(
    "words, name",
    [
        ((b"set", b"lease", b"x", b"NX"), "SET lease"),
        ((b"XADD", b"events", b"*", b"f", b"v"), "XADD events"),
        ((b"EVALSHA", b"ab12", b"1", b"lease", b"x"), "EVALSHA lease"),
        ((b"PING",), "PING -"),
        ((b"AUTH", b"default", b"hunter2"), "AUTH -"),
        ((b"HELLO", b"3", b"AUTH", b"default", b"hunter2"), "HELLO -"),
    ],
)
def test_a_command_is_named_by_verb_and_first_key_and_shows_no_login(words: tuple[bytes, ...], name: str) -> None:
    message = read_command(io.BytesIO(command(*words)))
    assert message is not None
    assert f"{message.method} {message.target}" == name
    assert "hunter2" not in repr(message)


def test_what_the_server_says_by_itself_is_told_from_a_reply() -> None:
    assert [is_push(one) for one in (b">1\r\n+x\r\n", b"*1\r\n+x\r\n")] == [True, False]


def test_what_is_not_a_command_is_refused() -> None:
    with pytest.raises(BrokenMessageError):
        read_command(io.BytesIO(b"GET / HTTP/1.1\r\n"))
