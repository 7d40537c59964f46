"""What holds for every state that a journal, a path and a list can be in together."""

import string
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import SecretStr

from config.schema import Account, Freeze, Guards, Policy
from tests.build import MOUNT, NOON, ago, credential, state
from worker.account_ledger import AccountLedger, Pause
from worker.journal import (
    Failures,
    Journal,
    RecordState,
    TokenRecord,
    VerifyWindow,
    VersionedJournal,
    abandon,
    close,
    end_record,
    mark_revoking,
    new_journal,
    open_intent,
    stage,
)
from worker.models import (
    ConsumersPath,
    DerivedToken,
    ListedToken,
    PathContent,
    PathLocation,
    ServedDocument,
    TokenList,
)
from worker.policy.due import spread_of
from worker.policy.facts import AccountFacts, CredentialFacts
from worker.policy.plan import plan_flags, plan_revocations, plan_rotation
from worker.policy.steps import Action, Plan, Reason
from worker.policy.verdicts import flags_after

CURRENT = RecordState.CURRENT
MINUTE = timedelta(minutes=1)
UNCAPPED = Account(name="main", guards=Guards(max_revocations=1000, max_revocations_share=1.0))
MANY = 20
past = st.integers(0, 60 * 24 * 60).map(lambda minutes: NOON - minutes * MINUTE)
policies = st.builds(
    lambda **fields: Policy(spread=0, **fields),
    grace=st.sampled_from([timedelta(hours=1), timedelta(hours=24)]),
    require_adoption=st.booleans(),
    on_overlap=st.sampled_from(["wait", "revoke"]),
    on_stale=st.sampled_from(["flag", "revoke"]),
)


@st.composite
def records(draw: st.DrawFn, name: str, number: int) -> TokenRecord:
    """A token of the past: superseded, abandoned, being revoked or revoked."""
    derived = draw(past)
    promoted = draw(st.none() | st.just(derived + MINUTE))
    superseded = None if promoted is None else draw(st.none() | st.just(min(NOON, promoted + draw(_days))))
    states = [one for one in RecordState if one is not CURRENT]
    state_now = draw(st.sampled_from(states))
    return TokenRecord(
        rotation_id=f"r{number}",
        label=f"{name}/r{number}",
        state=state_now,
        token_id=None if state_now is RecordState.ABANDONED and draw(st.booleans()) else f"{name}-t{number}",
        derived_at=derived,
        promoted_at=promoted,
        superseded_at=superseded,
        revoking_at=draw(past) if state_now is RecordState.REVOKING else None,
        revoking_reason=draw(st.sampled_from(["grace_over", "orphan", "compromised"]))
        if state_now is RecordState.REVOKING
        else None,
        tried_at=draw(st.none() | past),
        windows=(VerifyWindow(opened_at=derived, closed_at=derived + MINUTE),),
        secret_destroyed=draw(st.booleans()),
    )


_days = st.integers(0, 20 * 24).map(lambda hours: timedelta(hours=hours))


@st.composite
def credentials(draw: st.DrawFn, name: str) -> tuple[CredentialFacts, tuple[ListedToken, ...]]:
    """One credential without an open intent, and those of its tokens that the exchange lists."""
    old = [draw(records(name, number)) for number in range(draw(st.integers(0, 4)))]
    ledger = list(old)
    at_path = ConsumersPath(0, None, PathContent.EMPTY)
    if draw(st.integers(0, 9)):
        promoted = draw(past)
        current = TokenRecord(
            rotation_id="r50",
            label=f"{name}/r50",
            state=CURRENT,
            token_id=f"{name}-t50",
            derived_at=promoted - MINUTE,
            promoted_at=promoted,
            windows=(VerifyWindow(opened_at=promoted - MINUTE, closed_at=promoted),),
        )
        ledger.append(current)
        at_path = ConsumersPath(5, promoted, PathContent.DOCUMENT, _document(name, f"{name}-t50", f"{name}/r50", 39))
    document = new_journal(name, "main", PathLocation(MOUNT, f"limitless/{name}"))
    document = document.model_copy(update={"ledger": tuple(ledger), "sequence": 40})
    if draw(st.booleans()):
        failures = Failures(count=draw(st.integers(1, 6)), last_at=ago(minutes=1), retry_at=draw(_around))
        document = document.model_copy(update={"failures": failures})
    shown = [
        ListedToken(
            one.token_id or f"{name}-late{one.rotation_id}", one.label, ("trading",), NOON, draw(st.none() | past)
        )
        for one in ledger
        if one.state is not RecordState.REVOKED and draw(st.integers(0, 4))
    ]
    settings = credential(draw(policies), name)
    return CredentialFacts(settings, VersionedJournal(7, document), at_path, None, state()), tuple(shown)


_around = st.integers(-60, 60).map(lambda minutes: NOON + minutes * MINUTE)


def _document(name: str, token_id: str, label: str, sequence: int) -> ServedDocument:
    return ServedDocument(
        token_id=token_id,
        secret=SecretStr("c3RhZ2Vk"),
        scopes=("trading",),
        label=label,
        account="main",
        api_url="https://api.limitless.exchange",
        derived_at=ago(days=1),
        promoted_at=ago(days=1),
        rotation_id=label.rsplit("/", 1)[-1],
        sequence=sequence,
    )


@st.composite
def accounts(draw: st.DrawFn) -> AccountFacts:
    """Two credentials of one account, and two tokens that are none of ours."""
    drawn = [draw(credentials(name)) for name in ("mm", "taker")]
    foreign = [ListedToken(f"x{n}", label, ("trading",), NOON, NOON) for n, label in enumerate((None, "mm/unknown"))]
    return AccountFacts(
        settings=Account(name="main", guards=Guards(max_revocations=draw(st.integers(1, 4)))),
        tokens=TokenList((*(token for _, shown in drawn for token in shown), *foreign), NOON),
        list_error=None,
        listed_at=NOON,
        vault_time=NOON,
        vault_read_at=NOON,
        credentials=tuple(facts for facts, _ in drawn),
        state=state(),
    )


def without_cap(world: AccountFacts) -> AccountFacts:
    """Return the account with so high a cap, and so many listed tokens of a third credential, that none is held."""
    ended = [
        TokenRecord(
            rotation_id=f"r{number}",
            label=f"bulk/r{number}",
            state=RecordState.REVOKED,
            token_id=f"bulk-t{number}",
            secret_destroyed=True,
        )
        for number in range(MANY)
    ]
    document = new_journal("bulk", "main", PathLocation(MOUNT, "limitless/bulk"))
    document = document.model_copy(update={"ledger": tuple(ended)})
    nothing = ConsumersPath(0, None, PathContent.EMPTY)
    bulk = CredentialFacts(credential(name="bulk"), VersionedJournal(7, document), nothing, None, state())
    shown = [ListedToken(one.token_id or "", one.label, ("trading",), NOON, None) for one in ended]
    assert world.tokens is not None
    tokens = TokenList((*world.tokens.tokens, *shown), world.tokens.server_time)
    return replace(world, settings=UNCAPPED, credentials=(*world.credentials, bulk), tokens=tokens)


def at(world: AccountFacts, now: datetime) -> AccountFacts:
    """Return the same facts as if they were read at another time, all clocks agreeing."""
    tokens = None if world.tokens is None else TokenList(world.tokens.tokens, now)
    return replace(world, tokens=tokens, listed_at=now, vault_time=now, vault_read_at=now)


# --- carrying a plan out, by the pure transitions alone -------------------------------------------------------------


def rotate(facts: CredentialFacts, plan: Plan, now: datetime) -> CredentialFacts:
    """Return the credential's facts after the steps of a rotation were carried out."""
    version, known = facts.journal or VersionedJournal(
        0, new_journal(facts.credential.name, facts.credential.account, facts.location)
    )
    at_path = facts.path
    assert at_path is not None
    for step in plan.steps:
        if step.action is Action.MINT:
            label = f"{facts.credential.name}/fresh{known.sequence}"
            known = open_intent(
                known,
                rotation_id=f"fresh{known.sequence}",
                label=label,
                scopes=("trading",),
                reason=step.reason.value,
                now=now,
                expected_version=at_path.version,
            )
            token = DerivedToken(f"new-{label}", SecretStr("bmV3"), ("trading",), now)
            known = stage(known, token, now=now)
        elif step.action is Action.PROMOTE:
            assert known.intent is not None
            assert known.intent.token is not None
            served = _document(facts.credential.name, known.intent.token.token_id, known.intent.label, known.sequence)
            at_path = ConsumersPath(at_path.version + 1, now, PathContent.DOCUMENT, served)
        elif step.action is Action.CLOSE:
            known = close(known, promoted_version=at_path.version, promoted_at=now, now=now)
        elif step.action is Action.ABANDON:
            known = abandon(known, reason=step.reason.value, now=now)
    return replace(facts, journal=VersionedJournal(version + 1, known), path=at_path)


def revoke(world: AccountFacts, plan: Plan, now: datetime) -> AccountFacts:
    """Return the account's facts after the steps of a revocation were carried out, each answered by a 200."""
    journals = {one.credential.name: one.ledger for one in world.credentials}
    gone: set[str | None] = set()
    for step in plan.steps:
        known = journals[step.credential]
        assert known is not None
        assert step.token_id is not None
        if step.action is Action.REVOKE:
            known = mark_revoking(
                known,
                token_id=step.token_id,
                label=step.label or "",
                reason=step.reason.value,
                now=now,
                last_used_by_others=step.last_used_by_others,
            )
            gone.add(step.token_id)
        journals[step.credential] = end_record(known, token_id=step.token_id, now=now, secret_destroyed=True)
    written = tuple(
        replace(one, journal=VersionedJournal(8, journal)) if (journal := journals[one.credential.name]) else one
        for one in world.credentials
    )
    assert world.tokens is not None
    left = tuple(one for one in world.tokens.tokens if one.token_id not in gone)
    return replace(world, credentials=written, tokens=TokenList(left, world.tokens.server_time))


def currents(known: Journal | None) -> int:
    return sum(one.state is CURRENT for one in known.ledger) if known else 0


# --- rotation -------------------------------------------------------------------------------------------------------

one_credential = credentials("mm").map(lambda drawn: drawn[0])


@given(facts=one_credential)
def test_after_a_rotation_there_is_exactly_one_current_token_and_vault_serves_it(facts: CredentialFacts) -> None:
    plan = plan_rotation(facts, NOON)
    assume(plan.steps)
    after = rotate(facts, plan, NOON)
    assert currents(after.ledger) == 1
    assert after.current is not None
    assert after.current.token_id == after.served_token_id


@given(facts=one_credential)
def test_planning_a_rotation_again_after_it_was_carried_out_gives_nothing(facts: CredentialFacts) -> None:
    after = rotate(facts, plan_rotation(facts, NOON), NOON)
    assert plan_rotation(after, NOON).steps == ()


@given(facts=one_credential, requested=st.integers(0, 60).map(lambda minutes: NOON - minutes * MINUTE))
def test_a_request_is_satisfied_by_the_rotation_that_it_asked_for(facts: CredentialFacts, requested: datetime) -> None:
    after = rotate(facts, plan_rotation(facts, NOON, requested_at=requested), NOON)
    assert plan_rotation(after, NOON, requested_at=requested).steps == ()


@given(facts=one_credential, later=st.integers(0, 60 * 24 * 60))
def test_a_credential_that_is_due_stays_due_until_it_is_rotated(facts: CredentialFacts, later: int) -> None:
    assume(plan_rotation(facts, NOON).steps)
    assert plan_rotation(facts, NOON + later * MINUTE).steps


@given(facts=one_credential, later=st.integers(1, 20 * 24 * 60))
def test_a_credential_stays_due_when_the_pause_and_the_freeze_that_held_it_are_over(
    facts: CredentialFacts, later: int
) -> None:
    assume(plan_rotation(facts, NOON).steps)
    end = NOON + later * MINUTE
    pause = Pause(credential="mm", since=ago(hours=1), until=end, by="ann", reason="migration")
    freeze = Freeze(reason="election", start=ago(hours=1), until=end)
    held = replace(facts, state=state(AccountLedger(account="main", pauses=(pause,)), freeze))
    assert (bool(plan_rotation(held, end - MINUTE).steps), bool(plan_rotation(held, end).steps)) == (False, True)


names = st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=40)
widths = st.integers(0, 40 * 24 * 60).map(lambda minutes: minutes * MINUTE)


@given(name=names, widest=widths)
def test_the_spread_lies_within_its_width_and_is_the_same_each_time(name: str, widest: timedelta) -> None:
    assert timedelta() <= spread_of(name, widest) == spread_of(name, widest) <= widest


@given(name=names, widths=st.tuples(widths, widths))
def test_a_wider_spread_never_brings_a_credential_closer_to_its_period(
    name: str, widths: tuple[timedelta, timedelta]
) -> None:
    narrow, wide = sorted(widths)
    assert spread_of(name, narrow) <= spread_of(name, wide)


# --- revocation -----------------------------------------------------------------------------------------------------


@given(world=accounts())
def test_nothing_that_is_current_or_served_or_foreign_is_ever_revoked(world: AccountFacts) -> None:
    untouchable = {"x0", "x1", *(one.served_token_id for one in world.credentials)}
    assert not untouchable & {step.token_id for step in plan_revocations(world, NOON).steps}


@given(world=accounts())
def test_no_token_is_revoked_twice_by_one_plan(world: AccountFacts) -> None:
    tokens = [step.token_id for step in plan_revocations(world, NOON).steps]
    assert len(tokens) == len(set(tokens))


@given(world=accounts())
def test_planning_revocations_again_after_they_were_carried_out_gives_nothing(world: AccountFacts) -> None:
    uncapped = without_cap(world)
    after = revoke(uncapped, plan_revocations(uncapped, NOON), NOON)
    assert plan_revocations(after, NOON).steps == ()


@given(world=accounts())
def test_under_a_cap_everything_is_revoked_in_the_end(world: AccountFacts) -> None:
    uncapped = without_cap(world)
    wanted = {step.token_id for step in plan_revocations(uncapped, NOON).steps}
    done: set[str | None] = set()
    for _ in range(len(wanted) + 1):
        plan = plan_revocations(world, NOON)
        done |= {step.token_id for step in plan.steps}
        world = revoke(world, plan, NOON)
    assert done == wanted


@given(world=accounts())
def test_a_cap_leaves_out_but_never_adds(world: AccountFacts) -> None:
    capped = {(step.action, step.token_id) for step in plan_revocations(world, NOON).steps}
    every = {(step.action, step.token_id) for step in plan_revocations(without_cap(world), NOON).steps}
    assert capped <= every


@given(world=accounts())
def test_beside_what_was_ordered_no_more_than_the_cap_and_at_least_one_is_revoked(world: AccountFacts) -> None:
    def planned(facts: AccountFacts) -> int:
        revokes = [step for step in plan_revocations(facts, NOON).steps if step.action is Action.REVOKE]
        return sum(step.reason is not Reason.COMPROMISED for step in revokes)

    wanted = planned(without_cap(world))
    assert min(1, wanted) <= planned(world) <= world.settings.guards.max_revocations


@given(world=accounts(), later=st.integers(0, 60 * 24 * 60))
def test_a_token_that_can_be_revoked_stays_so_while_nobody_uses_it(world: AccountFacts, later: int) -> None:
    uncapped = without_cap(world)
    now = NOON + later * MINUTE
    first = {step.token_id for step in plan_revocations(uncapped, NOON).steps}
    assert first <= {step.token_id for step in plan_revocations(at(uncapped, now), now).steps}


@given(world=accounts(), seed=st.randoms(use_true_random=False))
def test_the_order_of_tokens_and_records_does_not_matter(world: AccountFacts, seed: Random) -> None:
    assert world.tokens is not None
    tokens = list(world.tokens.tokens)
    seed.shuffle(tokens)
    shuffled = []
    for one in world.credentials:
        assert one.journal is not None
        ledger = list(one.journal.journal.ledger)
        seed.shuffle(ledger)
        document = one.journal.journal.model_copy(update={"ledger": tuple(ledger)})
        shuffled.append(replace(one, journal=VersionedJournal(7, document)))
    other = replace(world, tokens=TokenList(tuple(tokens), NOON), credentials=tuple(shuffled))
    assert set(map(str, plan_revocations(world, NOON).steps)) == set(map(str, plan_revocations(other, NOON).steps))


@given(world=accounts())
def test_the_order_of_credentials_does_not_matter(world: AccountFacts) -> None:
    other = replace(world, credentials=tuple(reversed(world.credentials)))
    assert set(map(str, plan_revocations(world, NOON).steps)) == set(map(str, plan_revocations(other, NOON).steps))


# --- verdicts -------------------------------------------------------------------------------------------------------


@given(world=accounts())
def test_a_verdict_is_told_once_and_not_again_while_it_lasts(world: AccountFacts) -> None:
    steps = plan_flags(world, NOON).steps
    told = state(AccountLedger(account="main", flags=flags_after((), steps, NOON)))
    credentials_now = tuple(replace(one, state=told) for one in world.credentials)
    assert plan_flags(replace(world, state=told, credentials=credentials_now), NOON).steps == ()


@given(world=accounts())
def test_the_order_of_credentials_does_not_matter_to_verdicts(world: AccountFacts) -> None:
    other = replace(world, credentials=tuple(reversed(world.credentials)))
    assert set(map(str, plan_flags(world, NOON).steps)) == set(map(str, plan_flags(other, NOON).steps))


@given(world=accounts())
def test_no_plan_carries_a_secret(world: AccountFacts) -> None:
    plans = [plan_revocations(world, NOON), plan_flags(world, NOON)]
    plans += [plan_rotation(one, NOON) for one in world.credentials]
    assert not any("c3RhZ2Vk" in str(plan) for plan in plans)
