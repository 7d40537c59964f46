"""The judge notices: each promise turns red when the world, not the worker, is made to break it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from sandbox.simulation.fleet import BEGIN, DAY, HOUR, NEVER, PROMPT
from sandbox.simulation.intervals import Intervals
from sandbox.simulation.promises import Promise
from sandbox.simulation.run import Scenario, Simulation
from worker.journal import Journal, abandon, mark_revoking, open_intent
from worker.models import ConsumersPath, PathContent, PathLocation
from worker.policy.steps import Action, Outcome, Reason, Result


class World:
    """Five credentials whose first tokens are served, a quiet hour after the begin; nothing fails by chance."""

    def __init__(self) -> None:
        self.run = Simulation(Scenario(days=30, credentials=5, accounts=1))
        self.judge, self.audit, self.clock = self.run.judge, self.run.audit, self.run.clock
        self.exchange, self.vault = self.run.exchanges["desk-1"], self.run.vault
        self.exchange.lost_share = self.exchange.fault_share = self.vault.lost_share = self.vault.fault_share = 0
        for one in self.judge.fleet.settings.credentials:
            self.run.engine.rotate(one.name)
        self.credential = next(
            one
            for one in self.judge.fleet.settings.credentials
            if self.judge.fleet.members[one.name].policy == "weekly"
        )
        self.location = PathLocation(self.credential.mount, self.credential.path)
        self.clock.go_to(BEGIN + HOUR)
        assert self.judge.scales.broken == {}

    @property
    def journal(self) -> Journal:
        found = self.vault.journals.peek(self.location)
        assert found is not None
        return found

    @property
    def token_id(self) -> str:
        document = self.vault.consumers.peek(self.location).document
        assert document is not None
        return document.token_id

    def write(self, journal: Journal) -> None:
        stored = self.vault.journals.stored[self.location]
        self.vault.journals.write(self.location, journal, cas=stored.version)

    def rotate(self) -> None:
        self.run.engine.rotate(self.credential.name, requested=True)
        self.clock.go_to(self.clock.now() + timedelta(seconds=1))

    def tell(self, action: Action, reason: Reason, **evidence: str) -> None:
        outcome = Outcome(
            at=self.clock.now(),
            account="desk-1",
            credential=self.credential.name,
            action=action,
            result=Result.DONE,
            reason=reason,
            sentence="",
            evidence=evidence,
        )
        self.audit.record(outcome)


def two_currents(world: World) -> None:
    (record,) = world.journal.ledger
    world.judge.on_journal(world.journal.model_copy(update={"ledger": (record, record)}))


def a_second_rotation_for_one_due_date(world: World) -> None:
    asked = open_intent(
        world.journal, rotation_id="x", label="x", scopes=(), reason="period_reached", now=BEGIN, expected_version=1
    )
    world.judge.on_journal(asked)
    token = world.exchange.derive_token(f"{world.credential.name}/x", (), deadline=HOUR)
    (record,) = world.journal.ledger
    following = record.model_copy(update={"rotation_id": "x", "token_id": token.token_id, "promoted_at": BEGIN + HOUR})
    world.judge.on_journal(world.journal.model_copy(update={"ledger": (following,)}))


def a_derive_in_a_freeze(world: World) -> None:
    world.run.truth.frozen["desk-1"].add(BEGIN, BEGIN + DAY)
    world.exchange.derive_token(f"{world.credential.name}/x", (), deadline=HOUR)


def the_served_token_revoked(world: World) -> None:
    world.exchange.revoke_token(world.token_id)


def a_foreign_token_revoked(world: World) -> None:
    world.exchange.revoke_token(world.exchange.issue_by_person("laptop").token_id)


def a_token_revoked_in_its_grace(world: World) -> None:
    before = world.token_id
    world.rotate()
    label = world.journal.ledger[0].label
    now = world.clock.now()
    world.write(
        mark_revoking(world.journal, token_id=before, label=label, reason="x", now=now, last_used_by_others=None)
    )
    world.exchange.revoke_token(before)


def a_sweep_without_a_cap(world: World) -> None:
    with world.judge.counting("desk-1"):
        for one in list(world.exchange.live):
            world.exchange.revoke_token(one)


def a_reader_rejected(world: World) -> None:
    reader = replace(world.run.readers[0], behaviour=PROMPT)
    world.judge.on_rejected(reader, None, "unheard-of")


def a_reader_that_never_looks_again_lost_in_silence(world: World) -> None:
    before = world.token_id
    world.rotate()
    world.judge.tally.lives[before].ended_at = world.clock.now() + 30 * DAY
    token = world.exchange.live[before]
    token.revoked_by = "worker"
    reader = replace(world.run.readers[0], name=world.credential.name, behaviour=NEVER)
    world.audit.on_rejected(reader, token, before)


def a_token_too_old(world: World) -> None:
    world.judge.judge_age(world.credential.name, BEGIN - 20 * DAY)


def a_superseded_token_that_lives_on(world: World) -> None:
    world.rotate()
    world.run.truth.frozen["desk-1"] = Intervals()
    world.clock.go_to(BEGIN + 29 * DAY)
    world.audit.finish()


def a_secret_gone(world: World) -> None:
    world.vault.consumers.paths[world.location] = ConsumersPath(2, BEGIN, PathContent.TOMBSTONE)
    world.audit.day()


def an_orphan_that_a_sweep_leaves(world: World) -> None:
    now = world.clock.now()
    asked = open_intent(
        world.journal, rotation_id="x", label="x", scopes=(), reason="requested", now=now, expected_version=1
    )
    world.write(asked)
    world.exchange.derive_token(f"{world.credential.name}/x", (), deadline=HOUR)
    world.write(abandon(asked, reason="derive_lost", now=now))
    world.run.engine.revoke = lambda _account: ()  # type: ignore[method-assign, assignment]  # it looks away
    world.run.sweeper._sweep("desk-1")


def a_verdict_told_twice(world: World) -> None:
    world.tell(Action.FLAG, Reason.OVERDUE)
    world.tell(Action.FLAG, Reason.OVERDUE)


def an_end_without_a_begin(world: World) -> None:
    world.tell(Action.UNFLAG, Reason.ENDED, verdict="overdue")


def a_verdict_that_was_never_told(world: World) -> None:
    world.tell(Action.FLAG, Reason.OVERDUE)
    world.audit.finish()


def a_dead_service_nobody_told_of(world: World) -> None:
    world.clock.go_to(BEGIN + 4 * DAY)
    world.audit.day()


def a_living_service_called_dead(world: World) -> None:
    for reader in world.run.readers:
        reader.first_use = reader.last_use = BEGIN
    world.clock.go_to(BEGIN + 3 * DAY)
    world.tell(Action.FLAG, Reason.UNUSED)


def a_slow_cure(world: World) -> None:
    before = world.vault.consumers.peek(world.location).document
    assert before is not None
    world.judge.on_revoked_by_hand(world.credential, world.token_id)
    world.clock.go_to(BEGIN + 10 * HOUR)
    world.judge.on_served(world.location, replace(before, token_id="another"))


BREAKS: list[tuple[Promise, Callable[[World], None]]] = [
    (Promise.CURRENT, two_currents),
    (Promise.ONCE, a_second_rotation_for_one_due_date),
    (Promise.HELD, a_derive_in_a_freeze),
    (Promise.GRACE, the_served_token_revoked),
    (Promise.GRACE, a_foreign_token_revoked),
    (Promise.GRACE, a_token_revoked_in_its_grace),
    (Promise.CAPS, a_sweep_without_a_cap),
    (Promise.SERVED, a_reader_rejected),
    (Promise.WARNED, a_reader_that_never_looks_again_lost_in_silence),
    (Promise.AGE, a_token_too_old),
    (Promise.NOTHING_LEFT, a_superseded_token_that_lives_on),
    (Promise.SECRETS, a_secret_gone),
    (Promise.ORPHANS, an_orphan_that_a_sweep_leaves),
    (Promise.VERDICTS, a_verdict_told_twice),
    (Promise.VERDICTS, an_end_without_a_begin),
    (Promise.VERDICTS, a_verdict_that_was_never_told),
    (Promise.DEAD, a_dead_service_nobody_told_of),
    (Promise.ALIVE, a_living_service_called_dead),
    (Promise.HEALED, a_slow_cure),
]


@pytest.mark.parametrize("case", BREAKS, ids=[act.__name__.replace("_", " ") for _, act in BREAKS])
def test_the_judge_notices(case: tuple[Promise, Callable[[World], None]]) -> None:
    promise, breaks = case
    world = World()
    breaks(world)
    assert promise in world.judge.scales.broken


def test_every_promise_has_something_that_breaks_it() -> None:
    assert {promise for promise, _ in BREAKS} == set(Promise)
