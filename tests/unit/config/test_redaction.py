from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from config.redaction import REDACTED, exception_text, redact_text, redact_value
from tests.unit.config.secrets import ANY_SECRETS, SHAPED_SECRETS
from worker.errors import VaultForbiddenError


@given(st.text(" .,:()'\"\n", max_size=5), SHAPED_SECRETS, st.text(" ,:()'\"\n", max_size=5))
def test_a_secret_with_a_known_shape_is_replaced_wherever_it_stands(before: str, secret: str, after: str) -> None:
    assert secret not in redact_text(f"{before}{secret}{after}")


@pytest.mark.parametrize(
    "text,expected",
    [
        ("redis://:hunter2@redis:6379/0", f"redis://{REDACTED}@redis:6379/0"),
        ("identity: Bearer abcdefgh12345", f"identity: {REDACTED} {REDACTED}"),
        ("Authorization: Basic dXNlcjpwYXNz", f"Authorization: {REDACTED} {REDACTED}"),
        ("password=hunter2 and more", f"password={REDACTED} and more"),
        ("{'client_token': 'short'}", f"{{'client_token': '{REDACTED}'}}"),
        ('{"secret": "short"}', f'{{"secret": "{REDACTED}"}}'),
        ("VAULT_SECRET_ID=short", f"VAULT_SECRET_ID={REDACTED}"),
    ],
)
def test_what_a_name_gives_away_is_replaced(text: str, expected: str) -> None:
    assert redact_text(text).replace("Bearer ", "").replace("Basic ", "") in {
        expected,
        expected.replace(f"{REDACTED} {REDACTED}", REDACTED),
    }


@pytest.mark.parametrize(
    "text",
    [
        "Token 6f1e0c52-4c3b-4a57-9d0e-3a3c1b2f9d77 of credential market-maker is revoked.",
        "market-maker/abcdefghij234567klmn was promoted as version 12 of trading/limitless/market-maker",
        "The token is not accepted: the clock of this machine is 41 s off.",
        "https://api.limitless.exchange/auth/api-tokens answered 503",
        "token_id is set, token_count=3",
    ],
)
def test_a_sentence_of_ours_is_left_as_it_is(text: str) -> None:
    assert redact_text(text) == text


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "piece", ["a", "a-", "a_", "token ", "token", "eyJ", "s.", "a=", "://", "bearer  ", "Aa", "'=:"]
)
def test_a_very_long_text_is_read_in_time_that_grows_with_its_length(piece: str) -> None:
    assert redact_text(piece * 100_000)


@given(
    ANY_SECRETS, st.sampled_from(["secret", "vault_token", "token", "password", "Authorization", "api_key", "identity"])
)
def test_any_text_under_a_telling_name_is_masked(secret: str, key: str) -> None:
    assert secret not in str(redact_value({"outer": [{key: secret}]}))


@given(ANY_SECRETS)
def test_a_secret_type_is_masked_wherever_it_is_nested(secret: str) -> None:
    @dataclass
    class Holder:
        value: SecretStr

    assert secret not in str(redact_value({"a": (Holder(SecretStr(secret)), {SecretStr(secret)})}))


def test_harmless_names_that_contain_a_telling_word_keep_their_value() -> None:
    harmless = {"token_id": "tk-1", "tokens": 3, "secret_destroyed": True}

    assert redact_value(harmless) == harmless


def test_plain_values_become_json_ready() -> None:
    class Colour(StrEnum):
        RED = "red"

    assert redact_value(
        {"at": datetime(2026, 1, 1, tzinfo=UTC), "took": timedelta(seconds=2), "colour": Colour.RED, "raw": b"abc"}
    ) == {"at": "2026-01-01T00:00:00+00:00", "took": 2.0, "colour": "red", "raw": "[3 bytes]"}


def test_a_structure_that_contains_itself_ends() -> None:
    loop: list[object] = []
    loop.append(loop)

    assert "[withheld]" in str(redact_value(loop))


@given(ANY_SECRETS)
def test_a_foreign_exceptions_message_is_withheld(secret: str) -> None:
    assert secret not in exception_text(ValueError(secret))


def test_our_own_exceptions_message_is_told() -> None:
    assert exception_text(VaultForbiddenError("Vault denied trading/a")) == "Vault denied trading/a"


@given(ANY_SECRETS)
def test_of_an_operating_systems_error_only_its_number_is_explained(secret: str) -> None:
    assert exception_text(OSError(13, secret, secret)) == "Permission denied [withheld]"
