"""Anything may happen in any order: what must stay true, and what must come right when it is quiet again.

Rules let engines run whole, die at any call, and interleave call by call; lose answers; move time; and let people do
what people do. On fakes that the contract suite holds to the real servers.
"""

import os
from datetime import timedelta

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from tests.harness import ACCOUNT, Harness
from tests.stepping import SteppedRun, Stepper
from worker.errors import AuthenticationRefusedError, ExchangeUnavailableError, VaultUnavailableError
from worker.journal import Journal, RecordState
from worker.models import PathContent

NAMES = ("mm", "taker")
names = st.sampled_from(NAMES)
KINDS = ("rotate", "request", "revoke", "flag")
LOSSES = {
    "derive": None,
    "list": ExchangeUnavailableError("connection reset"),
    "revoke": ExchangeUnavailableError("connection reset"),
    "list_as": ExchangeUnavailableError("connection reset"),
}


class AnyOrder(RuleBasedStateMachine):
    """Two credentials on one account, and everything that can befall them."""

    runs = Bundle("runs")

    def __init__(self) -> None:
        super().__init__()
        self.world = Harness(*NAMES)
        self.stepper = Stepper(self.world)
        self.by_hand: set[str] = set()  # credentials whose path another hand wrote
        self.revoked_by_person: set[str] = set()
        self.foreign: set[str] = set()

    def _work(self, kind: str, name: str) -> object:
        engine = self.world.new_engine()
        match kind:
            case "rotate":
                return engine.rotate(name)
            case "request":
                return engine.rotate(name, requested=True)
            case "revoke":
                return engine.revoke(ACCOUNT)
            case _:
                return engine.flag(ACCOUNT)

    def _journal(self, name: str) -> Journal | None:
        return self.world.vault.peek(self.world.location(name))

    # --- what the worker does

    @rule(kind=st.sampled_from(KINDS), name=names)
    def run_whole(self, kind: str, name: str) -> None:
        self._work(kind, name)

    @rule(kind=st.sampled_from(KINDS), name=names, moment=st.integers(0, 40))
    def run_and_die(self, kind: str, name: str, moment: int) -> None:
        run = self.stepper.start(lambda: self._work(kind, name))
        for _ in range(moment):
            run.step()
        run.kill()
        assert run.error is None

    @rule(target=runs, kind=st.sampled_from(KINDS), name=names)
    def start(self, kind: str, name: str) -> SteppedRun:
        return self.stepper.start(lambda: self._work(kind, name))

    @rule(run=runs, steps=st.integers(1, 12))
    def go_on(self, run: SteppedRun, steps: int) -> None:
        for _ in range(steps):
            run.step()
        assert run.error is None

    @rule(run=consumes(runs))
    def die(self, run: SteppedRun) -> None:
        run.kill()
        assert run.error is None

    # --- what the world does

    @rule(seconds=st.sampled_from([1, 30, 119, 121, 900, 3600, 90_000, 7 * 86_400]))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.advance(timedelta(seconds=seconds))

    @rule(name=names)
    def service_uses_what_vault_serves(self, name: str) -> None:
        token_id = self._served(name)
        if token_id is not None and token_id not in self.revoked_by_person:
            assert self.world.exchange.use(token_id), f"a service of {name} was answered 401"

    @rule(call=st.sampled_from(sorted(LOSSES)))
    def answer_is_lost(self, call: str) -> None:
        self.world.exchange.lose_next(call, LOSSES[call])

    @rule(call=st.sampled_from(["derive", "list", "revoke", "list_as"]))
    def exchange_is_away(self, call: str) -> None:
        self.world.exchange.fail_next(call, ExchangeUnavailableError("503"))

    @rule()
    def a_new_token_is_refused_once(self) -> None:
        self.world.exchange.fail_next("list_as", AuthenticationRefusedError("401", status=401))

    @rule(method=st.sampled_from(["read", "write"]))
    def vault_is_away(self, method: str) -> None:
        self.world.vault.fail_next(VaultUnavailableError("sealed"), method=method)

    @rule(landed=st.booleans(), readback=st.booleans())
    def vault_loses_an_answer(self, landed: bool, readback: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
        self.world.vault.lose_next_answer(landed=landed, readback=readback)

    @rule()
    def the_next_token_is_listed_late(self) -> None:
        self.world.exchange.hide_next_tokens()

    @rule()
    def hidden_tokens_appear(self) -> None:
        self.world.exchange.reveal()

    @rule(name=st.sampled_from([f"{kind}:{which}" for kind in ("rotate", "revoke") for which in (*NAMES, ACCOUNT)]))
    def redis_is_emptied_or_a_lease_is_stuck(self, name: str) -> None:
        self.world.leases.taken ^= {name}

    # --- what people do

    @rule(label=st.sampled_from([None, "laptop", "mm", "mm/of-another-deployment"]))
    def a_person_derives(self, label: str | None) -> None:
        self.foreign.add(self.world.exchange.issue_by_person(label).token_id)

    @precondition(lambda self: self.world.exchange.live)
    @rule(data=st.data())
    def a_person_revokes_any_token(self, data: st.DataObject) -> None:
        token = data.draw(st.sampled_from([one.token_id for one in self.world.exchange.live]))
        self.world.exchange.revoke_by_person(token)
        self.revoked_by_person.add(token)

    @rule(name=names)
    def a_person_writes_the_path(self, name: str) -> None:
        self.world.vault.put_foreign(self.world.location(name))
        self.by_hand.add(name)

    # --- what always holds

    def _served(self, name: str) -> str | None:
        versions = self.world.vault.versions(self.world.location(name))
        data = versions[-1].data if versions and versions[-1].live else None
        return data.get("token_id") if data else None

    @invariant()
    def no_service_is_ever_rejected_because_of_us(self) -> None:
        live = {one.token_id for one in self.world.exchange.live}
        for name in NAMES:
            served = self._served(name)
            assert served is None or served in live | self.revoked_by_person, f"{name} serves a dead token"

    @invariant()
    def no_foreign_token_is_ever_touched(self) -> None:
        live = {one.token_id for one in self.world.exchange.live}
        assert self.foreign <= live | self.revoked_by_person

    @invariant()
    def every_token_of_ours_carries_a_label_that_its_journal_knows(self) -> None:
        for token in self.world.exchange.issued:
            if token.token_id in self.foreign or token.label is None:
                continue
            journal = self._journal(token.label.split("/", maxsplit=1)[0])
            assert journal is not None
            assert journal.owns_label(token.label)

    @invariant()
    def there_is_never_more_than_one_current_token(self) -> None:
        for name in NAMES:
            journal = self._journal(name)
            if journal is not None:
                assert sum(one.state is RecordState.CURRENT for one in journal.ledger) <= 1

    @invariant()
    def a_token_marked_for_revocation_is_never_served(self) -> None:
        for name in NAMES:
            journal = self._journal(name)
            marked = {
                one.token_id
                for one in (journal.ledger if journal else ())
                if one.state in {RecordState.REVOKING, RecordState.REVOKED}
            }
            assert self._served(name) not in marked or self._served(name) is None

    # --- what comes right

    def teardown(self) -> None:
        for run in self.stepper.runs:
            run.kill()
        self.world.survive()
        self.world.vault.recover()
        self.world.exchange.recover()
        self.world.exchange.reveal()
        self.world.leases.taken.clear()
        for _ in range(12):
            for name in NAMES:
                self.world.new_engine().rotate(name)
                self.world.use_served(name)
            self.world.new_engine().revoke(ACCOUNT)
            self.world.clock.advance(timedelta(hours=18))
            for name in NAMES:
                self.world.use_served(name)
            self.world.clock.advance(timedelta(hours=6))
        self.world.clock.advance(timedelta(days=4))
        self.world.new_engine().revoke(ACCOUNT)
        self._has_come_right()

    def _has_come_right(self) -> None:
        live = {one.token_id for one in self.world.exchange.live}
        for name in set(NAMES) - self.by_hand:
            journal, path = self.world.journal(name), self.world.path(name)
            assert journal.intent is None, f"{name}: an intent is left open"
            assert path.content is PathContent.DOCUMENT
            assert journal.current is not None
            assert journal.current.token_id == self._served(name)
            assert self._served(name) in live, f"{name} serves a dead token"
            ours = {
                one.token_id for one in self.world.exchange.live if one.label and one.label.startswith(f"{name}/id")
            }
            assert ours == {self._served(name)}, f"{name}: tokens left alive"


AnyOrder.TestCase.settings = settings(
    max_examples=int(os.environ.get("MODEL_EXAMPLES", "100")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestAnyOrder = AnyOrder.TestCase
