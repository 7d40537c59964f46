"""No refusal recommends what is refused as well: every order in every state in which one may be refused."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.forging import LARGEST, UNKNOWN_ID, earlier, forge, put
from tests.harness import ACCOUNT, Harness
from tests.scenes import ORDER, behind, by_hand, drifted, rotated_twice, serve_by_hand
from worker.account_ledger import Pause
from worker.errors import ExchangeRefusedError, ExchangeUnavailableError
from worker.policy.plan import plan_rotation
from worker.policy.steps import Plan
from worker.snapshot import Gatherer

SANE: dict[str, Any] = {"sequence": 200, "rotation_id": UNKNOWN_ID, "label": f"mm/{UNKNOWN_ID}"}
FAR: dict[str, Any] = {**SANE, "sequence": LARGEST}


def gatherer(world: Harness) -> Gatherer:
    return Gatherer(
        settings=world.settings,
        exchanges={ACCOUNT: world.exchange},
        consumers=world.vault.consumers,
        journals=world.vault.journals,
        accounts=world.vault.accounts,
        clock=world.clock,
    )


def request(world: Harness) -> Plan:
    facts = gatherer(world).credential("mm")
    return plan_rotation(facts, world.clock.now(), requested_at=world.engine.request_time("mm"))


PLANS: dict[str, Callable[[Harness], Plan]] = {
    "rotate mm": request,
    "rotate mm --compromised": lambda world: world.engine.ordered_by(ORDER).plan_emergency("mm"),
    "revoke mm --all": lambda world: world.engine.ordered_by(ORDER).plan_revoke_all("mm"),
    "retire mm": lambda world: world.engine.ordered_by(ORDER).plan_retire("mm"),
    "rollback mm": lambda world: world.engine.ordered_by(ORDER).plan_rollback("mm"),
    "adopt mm": lambda world: world.engine.ordered_by(ORDER).plan_adopt("mm"),
    "adopt mm --reclaim": lambda world: world.engine.ordered_by(ORDER).plan_adopt("mm", reclaim=True),
    "resume credential:mm": lambda world: world.engine.plan_resume("credential:mm"),
    "resume mm": lambda world: world.engine.plan_resume("mm"),
}
ORDERS = [one for one in PLANS if not one.startswith("resume")]
LOOKS = {"plan", "status"}


def forged(**changes: Any) -> Callable[[], Harness]:
    def made() -> Harness:
        world = rotated_twice()
        forge(world, **changes)
        return world

    return made


def went_back(**changes: Any) -> Callable[[], Harness]:
    def made() -> Harness:
        world = rotated_twice()
        put(world, "mm", {**earlier(world), **changes})
        return world

    return made


def changed(made: Callable[[], Harness], change: Callable[[Harness], object]) -> Callable[[], Harness]:
    def changed_world() -> Harness:
        world = made()
        change(world)
        return world

    return changed_world


def staged() -> Harness:
    world = rotated_twice()
    world.exchange.fail_next("list_as", ExchangeUnavailableError("503"), count=9)
    world.engine.rotate("mm", requested=True)
    world.exchange.recover()
    return world


def in_flight() -> Harness:
    world = rotated_twice()
    world.exchange.lose_next("derive")
    world.engine.rotate("mm", requested=True)
    return world


def not_adopted_in_flight() -> Harness:
    world = Harness()
    world.exchange.lose_next("derive")
    world.engine.rotate("mm")
    token = world.exchange.issue_by_person("old bot")
    serve_by_hand(world, token.token_id, token.secret)
    return world


def compromised() -> Harness:
    world = rotated_twice()
    world.exchange.fail_next("derive", ExchangeRefusedError("403", status=403))
    world.engine.ordered_by(ORDER).emergency("mm")
    return world


def paused() -> Harness:
    world = rotated_twice()
    version, ledger = world.vault.accounts.read(ACCOUNT)
    pause = Pause(credential="mm", since=world.clock.now(), by="kim", reason="audit")
    world.vault.accounts.write(ledger.model_copy(update={"pauses": (pause,)}), cas=version)
    return world


def renamed() -> Harness:
    world = rotated_twice()
    version, journal = world.vault.journals.read(world.location()) or (0, world.journal())
    world.vault.journals.write(world.location(), journal.model_copy(update={"credential": "mm-old"}), cas=version)
    return world


def retired() -> Harness:
    world = rotated_twice()
    world.engine.ordered_by(ORDER).retire("mm")
    return world


def retired_beside(**changes: Any) -> Callable[[], Harness]:
    return changed(forged(**changes), lambda world: world.engine.ordered_by(ORDER).retire("mm"))


def cut_off_beside(**changes: Any) -> Callable[[], Harness]:
    return changed(forged(**changes), lambda world: world.engine.ordered_by(ORDER).revoke_all("mm"))


def deleted(world: Harness) -> None:
    world.vault.delete_foreign(world.location())


def wiped(world: Harness) -> None:
    world.vault.kv.forget(world.location())


def other_data(world: Harness) -> None:
    world.vault.put_foreign(world.location())


def revoked_by_hand(world: Harness) -> None:
    world.exchange.revoke_by_person(world.served() or "")


def unlistable(world: Harness) -> None:
    world.exchange.fail_next("list", ExchangeUnavailableError("503"), count=99)


def lost_journal() -> Harness:
    world = rotated_twice()
    world.vault.kv.forget(world.vault._journals.journal_location(world.location()))
    return world


STATES: dict[str, Callable[[], Harness]] = {
    "healthy": rotated_twice,
    "never issued": Harness,
    "paused": paused,
    "staged": staged,
    "in flight": in_flight,
    "compromised": compromised,
    "retired": retired,
    "moved": renamed,
    "moved, to a token that is in no list": changed(renamed, revoked_by_hand),
    "moved and forged": changed(renamed, lambda world: forge(world, **SANE)),
    "not adopted": by_hand,
    "not adopted, in flight": not_adopted_in_flight,
    "not adopted, in no list": changed(by_hand, revoked_by_hand),
    "not adopted, no token": changed(Harness, other_data),
    "drifted": drifted,
    "drifted, in no list": changed(drifted, revoked_by_hand),
    "drifted, unlistable": changed(drifted, unlistable),
    "drifted to other data": changed(rotated_twice, other_data),
    "drifted, deleted": changed(rotated_twice, deleted),
    "drifted, wiped": changed(rotated_twice, wiped),
    "drifted back": went_back(),
    "drifted back, the largest sequence": went_back(sequence=LARGEST),
    "drifted back, near": went_back(**SANE),
    "drifted and staged, deleted": changed(staged, deleted),
    "drifted and staged, other data": changed(staged, other_data),
    "drifted and staged, wiped": changed(staged, wiped),
    "drifted and compromised": changed(compromised, other_data),
    "drifted and compromised, forged": changed(compromised, lambda world: forge(world, **SANE, token_id="nil")),
    "drifted and in flight": changed(in_flight, other_data),
    "behind": behind,
    "behind, in no list": changed(behind, revoked_by_hand),
    "behind, unlistable": changed(behind, unlistable),
    "behind, the journal is lost": lost_journal,
    "behind, the journal and its token are lost": changed(lost_journal, revoked_by_hand),
    "forged far, our token": forged(sequence=LARGEST),
    "forged far, our token, unknown rotation": forged(**FAR),
    "forged far, nobody's token": forged(**FAR, token_id="nil"),
    "forged near, our token": forged(sequence=200),
    "forged near, our token, unknown rotation": forged(**SANE),
    "forged near, nobody's token": forged(**SANE, token_id="nil"),
    "forged near and staged": changed(staged, lambda world: forge(world, **SANE, token_id="nil")),
    "forged near and cut off": cut_off_beside(**SANE, token_id="nil"),
    "forged near, our token, and cut off": cut_off_beside(**SANE),
    "forged far and cut off": cut_off_beside(**FAR, token_id="nil"),
    "forged near and retired": retired_beside(**SANE, token_id="nil"),
    "forged far and retired": retired_beside(**FAR, token_id="nil"),
}


def recommended(sentence: str) -> list[str]:
    """Return the commands of ours that the sentence tells a person to type."""
    return [one.strip() for one in re.findall(r"rotator ((?:(?:--)?[a-z][\w:-]*(?: |$|(?=[.,;)])))+)", f"{sentence} .")]


def is_refused(world: Harness, command: str) -> bool:
    words = command.split()
    if words[0] in LOOKS or "--dry-run" in words:
        return False
    return not PLANS[command](world).steps


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("state", list(STATES))
def test_no_refusal_recommends_what_is_refused_as_well(state: str, order: str) -> None:
    world = STATES[state]()
    for hold in PLANS[order](world).holds:
        told = recommended(hold.sentence)
        assert not [one for one in told if is_refused(world, one)], hold.sentence


@pytest.mark.parametrize("state", list(STATES))
def test_whatever_the_state_what_an_outcome_recommends_is_not_refused(state: str) -> None:
    for order in ("emergency", "adopt", "rollback"):
        world = STATES[state]()
        for outcome in getattr(world.engine.ordered_by(ORDER), order)("mm"):
            told = recommended(outcome.sentence)
            assert not [one for one in told if is_refused(world, one)], outcome.sentence


@pytest.mark.parametrize("state", [one for one in STATES if "moved" not in one and "lost" not in one])
def test_revoking_all_is_refused_only_where_no_token_of_ours_is_live(state: str) -> None:
    world = STATES[state]()
    journal = world.vault.peek(world.location())
    known = {one.token_id for one in journal.ledger} if journal else set()
    if journal and journal.intent and journal.intent.token:
        known.add(journal.intent.token.token_id)
    world.engine.ordered_by(ORDER).revoke_all("mm")
    assert not known & world.live()


@pytest.mark.parametrize(
    "sentence, commands",
    [
        ("It rotates. To cut off: rotator revoke mm --all", ["revoke mm --all"]),
        ("Says: rotator adopt mm --reclaim --dry-run ; if not, restore", ["adopt mm --reclaim --dry-run"]),
        ("See rotator plan mm, or rotator rotate mm. Then go.", ["plan mm", "rotate mm"]),
        ("Take it over (rotator adopt mm), or not.", ["adopt mm"]),
    ],
)
def test_the_commands_of_a_sentence_are_found(sentence: str, commands: list[str]) -> None:
    assert recommended(sentence) == commands


def test_refusals_recommend_something() -> None:
    told = {
        command
        for made in STATES.values()
        for order in ORDERS
        for hold in PLANS[order](made()).holds
        for command in recommended(hold.sentence)
    }
    assert {"revoke mm --all", "adopt mm --reclaim", "adopt mm --reclaim --dry-run", "rotate mm"} <= told
