"""Holds the promises at every write and every call; what is broken is collected, not raised."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from config.schema import Credential
from sandbox.simulation.clock import VirtualClock
from sandbox.simulation.due_dates import Begun, DueDates
from sandbox.simulation.exchange import SimulatedExchange, SimulatedToken
from sandbox.simulation.fleet import MINUTE, Fleet
from sandbox.simulation.promises import Promise, Scales
from sandbox.simulation.services import Reader
from sandbox.simulation.tally import Life, Tally
from sandbox.simulation.truth import Halt, Truth
from sandbox.simulation.vault import SimulatedVault
from worker.journal import Journal, RecordState, TokenRecord
from worker.models import PathLocation, ServedDocument
from worker.policy.steps import Reason

_SOON = timedelta(minutes=30)
_IN_FLIGHT = timedelta(minutes=5)
"""A rotation that began just before a freeze or pause is carried to its end."""


@dataclass(frozen=True, slots=True)
class _Promoted:
    token_id: str
    promoted_at: datetime
    derived_at: datetime


class Judge:
    """Watches one run.

    Args:
        fleet: who takes part.
        days: of the run.
        clock: the run's.
        truth: what really stood in the way.
    """

    def __init__(self, fleet: Fleet, *, days: int, clock: VirtualClock, truth: Truth) -> None:
        self.fleet = fleet
        self.clock = clock
        self.truth = truth
        self.scales = Scales()
        self.tally = Tally()
        self.vault: SimulatedVault
        self.exchanges: dict[str, SimulatedExchange]
        self._by_location = {PathLocation(one.mount, one.path): one for one in fleet.settings.credentials}
        self._by_name = {one.name: one for one in fleet.settings.credentials}
        self._due = {one.name: DueDates(one, days=days) for one in fleet.settings.credentials}
        self._begun: dict[str, Begun] = {}
        self._current: dict[str, _Promoted] = {}
        self._served: dict[str, str] = {}
        self._broken_by_hand: dict[str, datetime] = {}
        self._parked: dict[str, Halt] = {}
        self._superseded: dict[str, datetime] = {}
        self._revoked_in_sweep: int | None = None

    def watch(self, vault: SimulatedVault, exchanges: dict[str, SimulatedExchange]) -> None:
        """Say where everything is."""
        self.vault, self.exchanges = vault, exchanges

    def hold(self, promise: Promise, said: str, *, kept: bool) -> None:
        """Test a promise now."""
        self.scales.hold(promise, kept=kept, said="" if kept else f"{self.clock.now():%Y-%m-%d %H:%M} {said}")

    def credential_of(self, label: str) -> Credential:
        """Return the credential whose label that is."""
        return self._by_name[label.split("/", maxsplit=1)[0]]

    def journal_of(self, credential: Credential) -> Journal | None:
        """Return its journal as it is in Vault now."""
        return self.vault.journals.peek(PathLocation(credential.mount, credential.path))

    # --- writes -----------------------------------------------------------------------------------------------------

    def on_journal(self, journal: Journal) -> None:
        """Test each journal for one current token, and each promotion for its due date and its predecessor's age."""
        name, intent = journal.credential, journal.intent
        if intent is not None:
            if intent.rotation_id not in self._begun:
                self._begun[intent.rotation_id] = Begun(intent.reason, intent.opened_at)
            return
        self._note_parking(journal)
        currents = [record for record in journal.ledger if record.state is RecordState.CURRENT]
        self.hold(Promise.CURRENT, f"{name} has {len(currents)} current tokens", kept=len(currents) <= 1)
        current, before = (currents[0] if currents else None), self._current.get(name)
        if current is None or current.token_id is None or current.promoted_at is None or current.derived_at is None:
            return
        if before is not None and before.token_id == current.token_id:
            return
        self._current[name] = _Promoted(current.token_id, current.promoted_at, current.derived_at)
        self._judge_rotation(journal, current, before)

    def _judge_rotation(self, journal: Journal, current: TokenRecord, before: _Promoted | None) -> None:
        name = journal.credential
        begun = self._begun.pop(current.rotation_id)
        self.tally.rotations[self.fleet.members[name].policy] += 1
        self.tally.reasons[begun.reason] += 1
        self.tally.lives[current.token_id or ""].promoted_at = current.promoted_at
        if before is None:
            return
        self.tally.lives[before.token_id].superseded_at = current.promoted_at
        self._superseded[before.token_id] = current.promoted_at or self.clock.now()
        fault = self._due[name].fault(begun, before.promoted_at, before.derived_at)
        if begun.reason == Reason.DANGLING and before.token_id in self.exchanges[journal.account].live:
            fault = "its token was called dangling, and works"
        self.hold(Promise.ONCE, f"{name} was rotated ({begun.reason}), but {fault}", kept=fault is None)
        self.judge_age(name, before.derived_at)

    def judge_age(self, name: str, born: datetime) -> None:
        """Hold the age at which a token stops being served to `max_age`, less what stood in the way."""
        credential, now = self._by_name[name], self.clock.now()
        kind, limit, age = self.fleet.members[name].policy, credential.policy.max_age, now - born
        longest, free = self.tally.longest_age, self.tally.longest_age_free
        longest[kind] = max(age, longest.get(kind, timedelta()))
        held = self.truth.held(credential.account, name, born, now)
        if not held:
            free[kind] = max(age, free.get(kind, timedelta()))
        said = f"{name} was served a token {age} old, {held} of it held back; max_age is {limit}"
        self.hold(Promise.AGE, said, kept=age - held <= limit + _SOON)

    def _note_parking(self, journal: Journal) -> None:
        name, policy = journal.credential, self._by_name[journal.credential].policy
        parked, known = journal.failures.count >= policy.park_after, self._parked.get(name)
        if parked and known is None:
            halt = self._parked[name] = Halt(journal.account, name, self.clock.now())
            self.truth.parked.append(halt)
        elif not parked and known is not None:
            known.until = self.clock.now()
            del self._parked[name]

    def on_served(self, location: PathLocation, document: ServedDocument) -> None:
        """Test that nothing new is served in a freeze or pause, and how soon what was broken by hand is healed."""
        credential, now = self._by_location[location], self.clock.now()
        name, account = credential.name, credential.account
        if self._served.get(name) == document.token_id:
            return  # a fence writes again what is served already
        broken_at = self._broken_by_hand.pop(name, None)
        self._served[name] = document.token_id
        paused = self.truth.is_paused(account, name, now) and self.truth.is_paused(account, name, now - _IN_FLIGHT)
        frozen = self.truth.is_frozen(account, now) and self.truth.is_frozen(account, now - _IN_FLIGHT)
        kept = not paused and (not frozen or broken_at is not None)
        self.hold(Promise.HELD, f"{document.label} was promoted in a freeze or pause", kept=kept)
        if broken_at is not None:
            took = now - broken_at
            self.tally.healed.append(took)
            held = self.truth.held(account, name, broken_at, now, freezes=False)
            said = f"{name} was healed {took} after its token was revoked by hand, {held} of it held back"
            self.hold(Promise.HEALED, said, kept=took - held <= _SOON)

    # --- calls ------------------------------------------------------------------------------------------------------

    def on_derive(self, token: SimulatedToken) -> None:
        """Test that nothing is derived in a freeze or pause."""
        credential, now = self.credential_of(token.label or ""), self.clock.now()
        self.tally.lives[token.token_id] = Life(token.token_id, credential.name, now)
        paused = self.truth.is_paused(credential.account, credential.name, now)
        frozen = self.truth.is_frozen(credential.account, now) and credential.name not in self._broken_by_hand
        self.hold(Promise.HELD, f"{token.label} was derived in a freeze or pause", kept=not paused and not frozen)

    def on_revoke(self, token: SimulatedToken) -> None:
        """Test each revocation: ours, marked, not served, past its grace, and in no freeze or pause."""
        now, label = self.clock.now(), token.label
        if token.by_person or label is None:
            self.hold(Promise.GRACE, f"foreign token {token.token_id} ({label}) was revoked", kept=False)
            return
        credential = self.credential_of(label)
        journal, name = self.journal_of(credential), credential.name
        record = journal.record_of(token.token_id) if journal else None
        reason = record.revoking_reason if record else None
        superseded = self._superseded.get(token.token_id)
        served = self._served.get(name) == token.token_id
        early = superseded is not None and now - superseded < credential.policy.grace
        said = f"{label} was revoked ({reason}); served: {served}, superseded at: {superseded}"
        self.hold(Promise.GRACE, said, kept=reason is not None and not served and not early)
        held = self.truth.is_paused(credential.account, name, now) or self.truth.is_frozen(credential.account, now)
        self.hold(Promise.HELD, f"{label} was revoked in a freeze or pause ({reason})", kept=not held)
        self._note_end(token, credential, superseded, reason or "")

    def _note_end(
        self, token: SimulatedToken, credential: Credential, superseded: datetime | None, reason: str
    ) -> None:
        now, kind = self.clock.now(), self.fleet.members[credential.name].policy
        self.tally.revocations[reason] += 1
        life = self.tally.lives[token.token_id]
        life.ended_at, life.ended_by = now, reason
        if superseded is None:
            self.tally.orphan_lives.append(now - max(token.visible_at, token.created_at))
        else:
            self.tally.overlaps.setdefault(kind, []).append(now - superseded)
            self.judge_life(credential, token)
        if self._revoked_in_sweep is not None:
            self._revoked_in_sweep += 1

    def judge_life(self, credential: Credential, token: SimulatedToken) -> None:
        """Hold a superseded token's life to `max_age` and grace; it is due a few hours after the later of both."""
        policy, born, now = credential.policy, token.created_at, self.clock.now()
        age = now - born
        held = timedelta()
        if age > policy.max_age + policy.grace + _SWEEPS_LATE:
            held = self.truth.held(credential.account, credential.name, born, now)
        said = f"superseded token {token.label} lived {age}, {held} of it held back; max_age is {policy.max_age}"
        self.hold(Promise.NOTHING_LEFT, said, kept=age - held <= policy.max_age + policy.grace + _SWEEPS_LATE)

    def superseded(self) -> Iterator[tuple[Credential, SimulatedToken]]:
        """Yield every live token that was superseded."""
        for exchange in self.exchanges.values():
            for token in exchange.live.values():
                if token.token_id in self._superseded and token.label is not None:
                    yield self.credential_of(token.label), token

    @contextmanager
    def counting(self, account: str) -> Iterator[None]:
        """Hold the revocations of one sweep to the account's cap."""
        guards = self.fleet.settings.account(account).guards
        ours = sum(not one.by_person for one in self.exchanges[account].live.values())
        cap = max(1, min(guards.max_revocations, int(guards.max_revocations_share * ours)))
        self._revoked_in_sweep = 0
        yield
        revoked, self._revoked_in_sweep = self._revoked_in_sweep, None
        self.hold(Promise.CAPS, f"{revoked} tokens of {account} were revoked in one sweep", kept=revoked <= cap)

    def on_revoked_by_hand(self, credential: Credential, token_id: str) -> None:
        """Take note that a person revoked what is served."""
        self._broken_by_hand[credential.name] = self.clock.now()
        self.truth.revoked_by_hand.setdefault(credential.name, []).append(self.clock.now())
        life = self.tally.lives[token_id]
        life.ended_at, life.ended_by = self.clock.now(), "a person"

    def is_broken(self, account: str) -> bool:
        """Whether any credential of the account is served a token that a person revoked."""
        return any(self._by_name[name].account == account for name in self._broken_by_hand)

    def on_rejected(self, reader: Reader, token: SimulatedToken | None, token_id: str) -> None:
        """Test a rejection: people caused it, or a reader never looks again and people were told of it before."""
        life = self.tally.lives.get(token_id)
        why = life.ended_by if life else "unknown"
        if token is not None and token.revoked_by == "person":
            self.tally.rejected["the token was revoked by hand"] += 1
        elif reader.behaviour.reads_every is None:
            self.tally.rejected[f"the reader never looks again ({why})"] += 1
        else:
            said = f"the {reader.behaviour.name} reader of {reader.name} was rejected: {token_id} ended by {why}"
            self.hold(Promise.SERVED, said, kept=False)


_SWEEPS_LATE = 12 * 60 * MINUTE
"""The simulated worker looks at an account some hours apart, a real one every minute."""
