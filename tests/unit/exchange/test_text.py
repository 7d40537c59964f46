"""Whatever a server sends becomes one short, harmless line."""

import json
import string
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.unit.exchange.support import IDENTITY, SECRET
from worker.exchange.text import MAX_LENGTH, clean, describe_body, redact

VALIDATION = {
    "statusCode": 400,
    "message": [
        {"property": "label", "constraints": {"maxLength": "label must be shorter than 128"}},
        {"property": "scopes", "children": [{"property": "0", "constraints": {"isEnum": "unknown scope"}}]},
    ],
    "error": "Bad Request",
}


@pytest.mark.parametrize(
    "body, said",
    [
        (b'{"statusCode":401,"message":"Invalid HMAC authentication"}', "Invalid HMAC authentication"),
        (b'{"message":["label is too long","scopes is empty"]}', "label is too long; scopes is empty"),
        (json.dumps(VALIDATION).encode(), "label must be shorter than 128; unknown scope"),
        (b'{"message":{"message":"nested"}}', "nested"),
        (b'{"error":"Forbidden"}', "Forbidden"),
        (b'{"statusCode":500}', "an answer without a message"),
        (b"", "an empty body"),
        (b" \n ", "an empty body"),
        (b'{"message": "cut o', "broken JSON"),
        (b"[" * 10_000, "broken JSON"),
        (b"<html><head><title>502 Bad\nGateway</title></head></html>", "an HTML page titled “502 Bad Gateway”"),
        (b"<html>no title</html>", "an HTML page"),
        (b"upstream connect error", "upstream connect error"),
        (b"\xff\xfe\x00", "\ufffd\ufffd"),
    ],
)
def test_an_error_body_is_put_into_words(body: bytes, said: str) -> None:
    assert describe_body(body, secrets=()) == said


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["message", "error", "constraints", "x"]), inner),
)


@given(st.binary() | JSON.map(lambda one: json.dumps(one).encode()) | st.text().map(lambda one: ("<" + one).encode()))
def test_any_body_becomes_one_printable_line_of_bounded_length(body: bytes) -> None:
    said = describe_body(body, secrets=())
    assert said
    assert len(said) <= MAX_LENGTH
    assert said.isprintable()


def test_characters_that_would_turn_or_recolour_a_terminal_are_removed() -> None:
    assert clean("a\x1b[31mb\u202ec\r\nd\x00e") == "a [31mb c d e"


SECRETS = st.sampled_from([SECRET, IDENTITY])
NOISE = st.text(alphabet=string.punctuation + string.whitespace + "é\u200b", max_size=400)


@given(secret=SECRETS, before=NOISE, after=NOISE, data=st.data())
def test_no_stretch_of_a_secret_survives_however_it_is_echoed(
    secret: str, before: str, after: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(secret) - 8))
    end = data.draw(st.integers(start + 8, len(secret)))
    part = secret[start:end]
    echo = data.draw(st.sampled_from([part, quote(part), f"Bearer {part}"]))
    text = f"{before}{echo}{after}"
    body = data.draw(
        st.sampled_from([text, json.dumps({"message": text}), json.dumps([text]), f"<title>{text}</title>"])
    )
    said = describe_body(body.encode(), secrets=[SecretStr(secret)])
    assert not [n for n in range(len(secret) - 7) if secret[n : n + 8] in said]


@given(text=st.text(), secret=st.text(min_size=1))
@example(text="aXaXa", secret="X")
def test_redaction_leaves_no_whole_secret_and_nothing_else_behind(text: str, secret: str) -> None:
    redacted = redact(text, secret)
    if secret not in "[redacted]":
        assert secret not in redacted.replace("[redacted]", "\n" if "\n" not in secret else "\x00")
    if not any(secret[n : n + 8] in text for n in range(max(1, len(secret) - 7))):
        assert redacted == text


def test_a_jwt_is_masked_even_when_nobody_knows_it() -> None:
    assert clean(f"token {IDENTITY} is not valid") == "token [redacted] is not valid"
