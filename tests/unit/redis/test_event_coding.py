from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from worker.models import Severity
from worker.policy.steps import Action, Outcome, Reason, Result
from worker.redis.events import decode, encode

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
outcomes = st.builds(
    Outcome,
    at=st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - zone added
    account=text,
    credential=text,
    action=st.none() | st.sampled_from(Action),
    result=st.sampled_from(Result),
    reason=st.sampled_from(Reason),
    sentence=text,
    severity=st.sampled_from(Severity),
    token_id=st.none() | text,
    rotation_id=st.none() | text,
    evidence=st.dictionaries(text, text, max_size=3),
)


@given(outcomes)
def test_what_is_encoded_is_decoded_unchanged(outcome: Outcome) -> None:
    assert decode(encode(outcome)) == outcome


@given(outcomes)
def test_an_event_is_one_line(outcome: Outcome) -> None:
    assert "\n" not in encode(outcome)


@given(text)
def test_anything_else_is_refused(noise: str) -> None:
    with pytest.raises(ValidationError):
        decode(noise)


def test_a_time_without_a_zone_is_refused() -> None:
    outcome = Outcome(
        at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=1),
        account="main",
        credential="mm",
        action=None,
        result=Result.HELD,
        reason=Reason.NOT_DUE,
        sentence="",
    )
    with pytest.raises(ValueError, match="zone"):
        decode(encode(outcome).replace("Z", ""))
