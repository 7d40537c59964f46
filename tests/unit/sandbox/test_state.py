from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.exchange.identity import IdentityIssuer
from sandbox.exchange.records import Options, Profile
from sandbox.exchange.state import ExchangeState
from tests.fakes.clock import START, FakeClock

HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def state(clock: FakeClock) -> ExchangeState:
    return ExchangeState(clock=clock.now, rules=())


def issue(state: ExchangeState, *, hide: float = 0) -> str:
    profile = state.profile("main")
    assert profile is not None
    return state.issue_token(profile, label="label", scopes=("trading",), hide=hide).token_id


def listed_ids(state: ExchangeState, *, hide_younger: float = 0) -> list[str]:
    return [row.entry.token_id for row in state.listed("main", hide_younger=hide_younger, lag=0)]


def last_used(state: ExchangeState, *, lag: float = 0) -> datetime | None:
    (row,) = state.listed("main", hide_younger=0, lag=lag)
    return row.last_used_at


def test_a_hidden_token_shows_in_the_list_when_its_time_has_come(state: ExchangeState, clock: FakeClock) -> None:
    token_id = issue(state, hide=3)
    before = listed_ids(state)
    clock.advance(timedelta(seconds=3))
    assert (before, listed_ids(state)) == ([], [token_id])


def test_the_list_delay_hides_every_young_token(state: ExchangeState, clock: FakeClock) -> None:
    state.change_options({"list_delay": 10})
    token_id = issue(state)
    clock.advance(timedelta(seconds=9))
    before = listed_ids(state)
    clock.advance(timedelta(seconds=1))
    assert (before, listed_ids(state)) == ([], [token_id])


def test_a_list_that_is_behind_leaves_out_young_tokens_this_once(state: ExchangeState) -> None:
    token_id = issue(state)
    assert (listed_ids(state, hide_younger=5), listed_ids(state)) == ([], [token_id])


def test_a_revoked_token_leaves_the_list_and_stays_in_the_ledger(state: ExchangeState) -> None:
    token_id = issue(state)
    state.revoke(token_id, by="person")
    assert listed_ids(state) == []
    assert [(entry.token_id, entry.revoked_at, entry.revoked_by) for entry in state.tokens()] == [
        (token_id, START, "person")
    ]


def test_a_token_is_revoked_only_once(state: ExchangeState) -> None:
    token_id = issue(state)
    state.revoke(token_id, by="person")
    assert state.revoke(token_id, by="identity") is None


def test_without_lag_the_list_shows_the_latest_use(state: ExchangeState, clock: FakeClock) -> None:
    token_id = issue(state)
    clock.advance(HOUR)
    state.note_use(token_id)
    assert last_used(state) == START + HOUR


def test_a_lagging_list_shows_the_use_before(state: ExchangeState, clock: FakeClock) -> None:
    token_id = issue(state)
    state.note_use(token_id)
    clock.advance(HOUR)
    state.note_use(token_id)
    assert last_used(state, lag=60) == START


def test_the_lag_option_holds_back_a_first_use(state: ExchangeState, clock: FakeClock) -> None:
    state.change_options({"last_used_lag": 60})
    state.note_use(issue(state))
    before = last_used(state)
    clock.advance(timedelta(seconds=60))
    assert (before, last_used(state)) == (None, START)


@given(
    st.floats(0.001, 86_400),
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - made aware by it
)
def test_precision_rounds_a_use_down_by_less_than_itself(precision: float, used_at: datetime) -> None:
    state = ExchangeState(clock=lambda: used_at, rules=(), options=Options(last_used_precision=precision))
    state.note_use(issue(state))
    shown = last_used(state)
    assert shown is not None
    assert timedelta(0) <= used_at - shown < timedelta(seconds=precision) + timedelta(microseconds=1)


def test_rejections_are_remembered_from_the_first_to_the_last(state: ExchangeState, clock: FakeClock) -> None:
    token_id = issue(state)
    for _ in range(3):
        state.note_rejection(token_id)
        clock.advance(HOUR)
    (entry,) = state.tokens()
    assert (entry.rejections, entry.first_rejected_at, entry.last_rejected_at) == (3, START, START + 2 * HOUR)


def test_a_rejected_token_that_nobody_knows_is_no_entry(state: ExchangeState) -> None:
    state.note_rejection("never issued")
    assert state.tokens() == ()


def test_awkward_token_ids_hold_what_a_path_must_encode(state: ExchangeState) -> None:
    state.change_options({"id_style": "awkward"})
    assert set("/ %+") <= set(issue(state))


def test_token_ids_and_secrets_are_never_repeated(state: ExchangeState) -> None:
    ids = [issue(state) for _ in range(50)]
    assert len(set(ids)) == len({state.secret_of(one) for one in ids}) == 50


def test_changing_a_profile_keeps_its_id_and_account(state: ExchangeState) -> None:
    before = state.profile("main")
    after = state.put_profile(Profile(name="main", token_management_enabled=False))
    assert before is not None
    assert (after.id, after.account) == (before.id, before.account)
    assert not after.token_management_enabled


def test_a_reset_forgets_tokens_requests_and_the_shift_but_no_identity(state: ExchangeState) -> None:
    identity = state.issue_identity("main", HOUR)
    issue(state)
    state.shift = HOUR / 2
    state.change_options({"list_delay": 10})
    state.reset()
    assert (state.tokens(), state.requests(), state.now(), state.options) == ((), (), START, Options())
    assert state.profile_of_identity(identity) == state.profile("main")


def test_an_identity_is_refused_from_the_second_of_its_expiry(state: ExchangeState, clock: FakeClock) -> None:
    identity = state.issue_identity("main", HOUR)
    clock.advance(HOUR - timedelta(seconds=1))
    before = state.profile_of_identity(identity)
    clock.advance(timedelta(seconds=1))
    assert (before, state.profile_of_identity(identity)) == (state.profile("main"), None)


def test_an_identity_of_another_process_is_refused(state: ExchangeState) -> None:
    forged = IdentityIssuer().issue("main", now=START, ttl=HOUR)
    assert state.profile_of_identity(forged) is None


@given(st.text(max_size=200))
def test_what_is_not_a_token_is_no_identity(text: str) -> None:
    assert IdentityIssuer().profile_of(text, now=START) is None


def test_an_identity_of_a_profile_that_is_gone_is_refused(state: ExchangeState) -> None:
    state.put_profile(Profile(name="late"))
    identity = state.issue_identity("late", HOUR)
    state.reset()
    assert state.profile_of_identity(identity) is None


def test_there_is_no_identity_for_an_unknown_profile(state: ExchangeState) -> None:
    with pytest.raises(KeyError):
        state.issue_identity("nobody", HOUR)
