"""Anything may happen in any order: what must stay true, and what must come right when it is quiet again.

Rules let engines run whole, die at any call, and interleave call by call; lose answers; move time; and let people do
what people do. On fakes that the contract suite holds to the real servers.
"""

import os
from datetime import timedelta

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from config.schema import VaultLayout
from tests.harness import ACCOUNT, Harness
from tests.stepping import SteppedRun, Stepper
from worker.account_ledger import AccountLedger, OrderedFreeze, Pause, changed, trust
from worker.errors import AuthenticationRefusedError, ExchangeUnavailableError, VaultUnavailableError
from worker.journal import Journal, RecordState, TokenRecord
from worker.models import PathContent
from worker.policy.guards import pause_of
from worker.policy.steps import ORDERED, Order
from worker.vault.account_ledgers import VaultAccountLedgers

NAMES = ("mm", "taker")
names = st.sampled_from(NAMES)
KINDS = ("rotate", "request", "revoke", "flag", "adopt", "reclaim", "emergency", "rollback", "revoke all", "retire")
ENDED = {RecordState.REVOKING, RecordState.REVOKED}
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
        layout = VaultLayout()
        self.accounts = VaultAccountLedgers(
            kv=self.world.vault.kv, mount=layout.journal_mount, prefix=layout.account_prefix
        )

    def _work(self, kind: str, name: str) -> object:
        engine = self.world.new_engine()
        orders = engine.ordered_by(Order(by="ann"))
        match kind:
            case "rotate":
                return engine.rotate(name)
            case "request":
                return engine.rotate(name, requested=True)
            case "revoke":
                return engine.revoke(ACCOUNT)
            case "emergency":
                return orders.emergency(name)
            case "rollback":
                return orders.rollback(name)
            case "revoke all":
                return orders.revoke_all(name)
            case "retire":
                return orders.retire(name)
            case "adopt" | "reclaim":
                return orders.adopt(name, reclaim=kind == "reclaim")
            case _:
                return engine.flag(ACCOUNT)

    def _journal(self, name: str) -> Journal | None:
        return self.world.vault.peek(self.world.location(name))

    def _ledger(self) -> AccountLedger:
        return self.accounts.read(ACCOUNT).ledger

    def _order(self, **fields: object) -> None:
        """Write to the account ledger as a person's command does."""
        version, ledger = self.accounts.read(ACCOUNT)
        after = changed(ledger, **fields)
        if after != ledger:
            self.accounts.write(after, cas=version)

    # --- what the worker does

    @rule(kind=st.sampled_from(KINDS), name=names)
    def run_whole(self, kind: str, name: str) -> None:
        served, ours, live = self._served(name), self._issued(name), self.world.live()
        still, mints_not = self._is_still(name), self._mints_nothing(name)
        ordered, revokes_not = self._ordered(), self._revokes_nothing()
        self._work(kind, name)
        if kind in {"rotate", "request"}:
            assert self._served(name) == served or not still, f"{name} was changed in a pause or a freeze"
            assert self._issued(name) == ours or not mints_not, f"{name} was minted a token on a list that is doubted"
        if kind == "revoke" and not ordered and (revokes_not or self._ledger().suspicion):
            assert self.world.live() == live, "a token was revoked in a pause or a freeze, or on a doubted list"

    @rule()
    def sweep(self) -> None:
        for name in NAMES:
            self.run_whole("rotate", name)
        self.run_whole("revoke", ACCOUNT)
        self.run_whole("flag", ACCOUNT)

    def _is_still(self, name: str) -> bool:
        """Whether nothing that the services of that credential see may be changed by a sweep now."""
        if self._is_emergency(name):
            return False
        if pause_of(self._ledger(), name, self.world.clock.now()) is not None:
            return True
        return self._is_frozen() and not self._is_proved_dead(name)

    def _mints_nothing(self, name: str) -> bool:
        doubted = self._ledger().suspicion is not None and not self._is_proved_dead(name)
        return not self._is_emergency(name) and (self._is_still(name) or doubted)

    def _revokes_nothing(self) -> bool:
        paused = pause_of(self._ledger(), "", self.world.clock.now()) is not None
        return paused or self._is_frozen()

    def _is_frozen(self) -> bool:
        return any(one.since <= self.world.clock.now() < one.until for one in self._ledger().freezes)

    def _is_proved_dead(self, name: str) -> bool:
        journal = self._journal(name)
        current = journal.current if journal else None
        if current is None:
            return self._served(name) in {one.token_id for one in self._records(name) if one.state in ENDED}
        return self._ledger().dangling_token(current.token_id) is not None

    def _is_emergency(self, name: str) -> bool:
        journal = self._journal(name)
        intent = journal.intent if journal else None
        return journal is not None and (
            journal.emergency_at is not None or (intent is not None and intent.kind == "emergency")
        )

    def _ordered(self) -> bool:
        """Whether a person ordered a revocation that is not done yet."""
        journals = [journal for journal in map(self._journal, NAMES) if journal]
        marked = (one for journal in journals for one in journal.ledger if one.state is RecordState.REVOKING)
        return any(one.revoking_reason in ORDERED for one in marked)

    def _issued(self, name: str) -> int:
        return sum((one.label or "").startswith(f"{name}/id") for one in self.world.exchange.issued)

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
        if token_id is not None and token_id not in self.revoked_by_person | self._ended_by_order():
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

    @precondition(lambda self: self.world.exchange.live)
    @rule(data=st.data())
    def the_list_is_cut_short(self, data: st.DataObject) -> None:
        live = [one.token_id for one in self.world.exchange.live]
        for token_id in data.draw(st.lists(st.sampled_from(live), min_size=1, unique=True)):
            self.world.exchange.hide(token_id)
        self.sweep()

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

    @rule(name=names)
    def a_person_puts_a_token_of_their_own_there(self, name: str) -> None:
        token = self.world.exchange.issue_by_person("by hand")
        self.foreign.add(token.token_id)
        data = {"token_id": token.token_id, "secret": token.secret.get_secret_value()}
        self.world.vault.put_foreign(self.world.location(name), data)
        self.by_hand.add(name)

    @rule(name=st.sampled_from([*NAMES, None]), hours=st.sampled_from([1, 30, None]))
    def a_person_pauses(self, name: str | None, hours: int | None) -> None:
        now = self.world.clock.now()
        until = None if hours is None else now + timedelta(hours=hours)
        pause = Pause(credential=name, since=now, until=until, by="ann", reason="migration")
        self._order(pauses=(*(one for one in self._ledger().pauses if one.credential != name), pause))
        self.sweep()

    @rule()
    def a_person_resumes_everything(self) -> None:
        self._order(pauses=())

    @rule(hours=st.sampled_from([1, 30, 400]))
    def a_person_freezes(self, hours: int) -> None:
        now = self.world.clock.now()
        freeze = OrderedFreeze(since=now, until=now + timedelta(hours=hours), by="ann", reason="election")
        self._order(freezes=(freeze,))
        self.sweep()

    @rule()
    def a_person_ends_the_freeze(self) -> None:
        self._order(freezes=())

    @rule()
    def a_person_trusts_the_list(self) -> None:
        version, ledger = self.accounts.read(ACCOUNT)
        if ledger.suspicion is not None:
            self.accounts.write(trust(ledger), cas=version)

    # --- what always holds

    def _records(self, *names: str) -> list[TokenRecord]:
        journals = [self._journal(name) for name in names or NAMES]
        return [record for journal in journals if journal is not None for record in journal.ledger]

    def _ended_by_order(self) -> set[str]:
        """Return what a person ordered to be revoked, whether or not it is served."""
        ended = [one for one in self._records() if one.state in ENDED and one.revoking_reason in ORDERED]
        return {one.token_id for one in ended if one.token_id is not None}

    def _adopted(self) -> set[str | None]:
        return {one.token_id for one in self._records() if one.adopted_as is not None}

    def _served(self, name: str) -> str | None:
        versions = self.world.vault.versions(self.world.location(name))
        data = versions[-1].data if versions and versions[-1].live else None
        return data.get("token_id") if data else None

    @invariant()
    def no_service_is_ever_rejected_because_of_us(self) -> None:
        live = {one.token_id for one in self.world.exchange.live}
        for name in NAMES:
            served = self._served(name)
            excused = self.revoked_by_person | self._ended_by_order()
            assert served is None or served in live | excused, f"{name} serves a dead token"

    @invariant()
    def no_foreign_token_is_ever_touched(self) -> None:
        live = {one.token_id for one in self.world.exchange.live}
        assert self.foreign - self._adopted() <= live | self.revoked_by_person

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
            marked = {one.token_id for one in self._records(name) if one.state in ENDED}
            served = self._served(name)
            assert served is None or name in self.by_hand or served not in marked - self._ended_by_order()

    # --- what comes right

    def teardown(self) -> None:
        for run in self.stepper.runs:
            run.kill()
        self.world.survive()
        self.world.vault.recover()
        self.world.exchange.recover()
        self.world.exchange.reveal()
        self.world.leases.taken.clear()
        self._order(pauses=(), freezes=())
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
        ledger = self._ledger()
        assert ledger.suspicion is None, "a list is doubted although it is the same for days"
        if not self.by_hand:
            assert ledger.dangling == (), "a token is said to be refused that is not current any more"
        live = {one.token_id for one in self.world.exchange.live}
        for name in set(NAMES) - self.by_hand:
            journal, path = self.world.journal(name), self.world.path(name)
            assert journal.intent is None, f"{name}: an intent is left open"
            if journal.retired_at is not None:
                assert path.content is not PathContent.DOCUMENT
                assert not live & {one.token_id for one in journal.ledger}, f"{name} is retired, and a token lives"
                continue
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
