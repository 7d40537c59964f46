"""The promises, held to at every write and every call; what is broken is collected, not raised."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.simulation.exchange import SimulatedExchange, SimulatedToken
from tests.simulation.fleet import Fleet
from tests.simulation.services import Reader
from tests.simulation.vault import SimulatedVault
from worker.account_ledger import AccountLedger
from worker.journal import Journal, RecordState, TokenRecord
from worker.models import PathLocation, Severity
from worker.policy.revocation import ORDERED
from worker.policy.steps import Action, Outcome, Reason, Result
from worker.ports import Clock

HELD_BACK = frozenset({Reason.PAUSED, Reason.FROZEN, Reason.LIST_SHRANK, Reason.UNREADABLE})
"""Holds that excuse age: a person, the calendar or a server stood in the way."""

_FlagKey = tuple[str, str, str | None]


@dataclass
class Tally:
    """What is counted for the report."""

    rotations: Counter[str] = field(default_factory=Counter)
    rotation_reasons: Counter[str] = field(default_factory=Counter)
    revocations: Counter[str] = field(default_factory=Counter)
    alerts: Counter[str] = field(default_factory=Counter)
    ended_verdicts: Counter[str] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    overlaps: list[timedelta] = field(default_factory=list)
    longest_age: dict[str, timedelta] = field(default_factory=dict)
    longest_age_free: dict[str, timedelta] = field(default_factory=dict)
    orphans: list[timedelta] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Alert:
    """A verdict from its begin to its end, for the picture."""

    kind: str
    credential: str
    begin: datetime


class Judge:
    """Watches one run.

    Args:
        fleet: who takes part.
        clock: the run's.
    """

    def __init__(self, fleet: Fleet, clock: Clock) -> None:
        self.fleet = fleet
        self.clock = clock
        self.tally = Tally()
        self.broken: list[str] = []
        self.alerts: list[Alert] = []
        self._open: dict[str, set[_FlagKey]] = defaultdict(set)
        self._announced: Counter[tuple[str, str | None]] = Counter()
        self._begun: Counter[tuple[str, str | None]] = Counter()
        self._promoted: dict[str, str | None] = {}
        self._held_since: dict[str, datetime] = {}
        self._ended_by: dict[str, str] = {}
        self._vault: SimulatedVault | None = None

    def watch(self, vault: SimulatedVault) -> None:
        """Say where journals and paths are."""
        self._vault = vault

    def fail(self, promise: str) -> None:
        """Note a broken promise."""
        self.broken.append(f"{self.clock.now():%Y-%m-%d %H:%M} {promise}")

    # --- what the parts tell

    def on_journal(self, journal: Journal) -> None:
        """Hold each journal to at most one current token, and count promotions."""
        currents = [record for record in journal.ledger if record.state is RecordState.CURRENT]
        if len(currents) > 1:
            self.fail(f"{journal.credential} has {len(currents)} current tokens")
        current = currents[0] if currents else None
        before = self._promoted.get(journal.credential)
        if current is None or current.token_id == before:
            return
        self._promoted[journal.credential] = current.token_id
        policy = self.fleet.members[journal.credential].policy
        self.tally.rotations[policy] += 1
        if before is not None:
            self._judge_age(journal, journal.record_of(before))

    def _judge_age(self, journal: Journal, predecessor: TokenRecord | None) -> None:
        if predecessor is None or predecessor.derived_at is None:
            return
        held_since = self._held_since.pop(journal.credential, None)
        now = self.clock.now()
        age = now - predecessor.derived_at
        self.judge_age(journal.credential, age, now - held_since if held_since else timedelta())

    def judge_age(self, credential: str, age: timedelta, held_for: timedelta) -> None:
        """Hold a token's age to its policy's `max_age`, but for the time in which rotation was held back."""
        member, tally = self.fleet.members[credential], self.tally
        policy = self.fleet.settings.credential(credential).policy
        tally.longest_age[member.policy] = max(age, tally.longest_age.get(member.policy, timedelta()))
        if not held_for:
            tally.longest_age_free[member.policy] = max(age, tally.longest_age_free.get(member.policy, timedelta()))
        if age - held_for > policy.max_age:
            self.fail(f"{credential} grew {age} old, {held_for} of it held back; max_age is {policy.max_age}")

    def held_for(self, credential: str) -> timedelta:
        """How long the credential has been held back by now."""
        since = self._held_since.get(credential)
        return self.clock.now() - since if since else timedelta()

    def on_ledger(self, before: AccountLedger, after: AccountLedger) -> None:
        """Hold verdicts to begin and end in turn."""
        known, now_open = {flag.key for flag in before.flags}, {flag.key for flag in after.flags}
        of_account = self._open[after.account]
        for key in now_open - known:
            if key in of_account:
                self.fail(f"verdict {key} began twice")
            of_account.add(key)
            self._begun[(key[0], key[2])] += 1
        for key in known - now_open:
            if key not in of_account:
                self.fail(f"verdict {key} ended without having begun")
            of_account.discard(key)
            self.tally.ended_verdicts[key[0]] += 1

    def on_revoke(self, token: SimulatedToken) -> None:
        """Hold each revocation to grace, to what is served, and to what is ours."""
        now = self.clock.now()
        if not token.derived or token.label is None:
            self.fail(f"foreign token {token.token_id} ({token.label}) was revoked")
            return
        credential = self.fleet.settings.credential(token.label.split("/")[0])
        location = PathLocation(credential.mount, credential.path)
        if self._vault is None:
            return
        served = self._vault.consumers.peek(location).document
        if served is not None and served.token_id == token.token_id:
            self.fail(f"{token.label} is served and was revoked")
        journal = self._vault.journals.stored[location].journal
        record = journal.record_of(token.token_id)
        if record is None or record.revoking_reason is None:
            self.fail(f"{token.label} was revoked without a mark")
            return
        reason = record.revoking_reason
        self._ended_by[token.token_id] = reason
        self.tally.revocations[reason] += 1
        if not token.answered:
            self.tally.orphans.append(now - token.visible_at)
        if record.superseded_at is not None and reason not in ORDERED:
            overlap = now - record.superseded_at
            self.tally.overlaps.append(overlap)
            if overlap < credential.policy.grace:
                self.fail(f"{token.label} was revoked {overlap} after it was superseded, before its grace was over")

    def on_rejected(self, reader: Reader, token: SimulatedToken | None, token_id: str) -> None:
        """Hold rejections to those that people caused, and to readers that never look again until max_age."""
        why = self._ended_by.get(token_id, "unknown")
        if token is not None and token.revoked_by == "person":
            self.tally.rejected["revoked by hand"] += 1
        elif why in ORDERED:
            self.tally.rejected[f"ordered ({why})"] += 1
        elif reader.behaviour.reads_every is None:
            self.tally.rejected[f"reader that never looks again ({why})"] += 1
        else:
            self.fail(f"{reader.behaviour.name} reader of {reader.name} was rejected: {token_id} ended by {why}")

    def record(self, outcome: Outcome) -> None:
        """Take note of what the engine reports (`worker.ports.OutcomeSink`)."""
        if outcome.action is Action.FLAG and outcome.result is Result.DONE:
            self.tally.alerts[outcome.reason.value] += 1
            self._announced[(outcome.reason.value, outcome.token_id)] += 1
            self.alerts.append(Alert(outcome.reason.value, outcome.credential, outcome.at))
        elif outcome.action is Action.MINT and outcome.result is Result.DONE:
            self.tally.rotation_reasons[outcome.sentence.rsplit("(", 1)[-1].rstrip(").")] += 1
        elif outcome.severity is not Severity.INFO:
            self.tally.troubles[f"{outcome.reason.value} ({outcome.severity.value})"] += 1

    def note_holds(self, credential: str, outcomes: tuple[Outcome, ...], *, age_matters: bool) -> None:
        """Remember since when a due rotation has been held back by something that excuses age."""
        if age_matters and any(one.result is Result.HELD and one.reason in HELD_BACK for one in outcomes):
            self._held_since.setdefault(credential, self.clock.now())

    # --- at the end

    def finish(self, exchanges: dict[str, SimulatedExchange]) -> None:
        """Hold the whole run to what only its end shows."""
        if self._announced != self._begun:
            differing = (self._announced - self._begun) + (self._begun - self._announced)
            self.fail(f"verdicts were not announced exactly once: {differing}")
        for exchange in exchanges.values():
            for token in exchange.live.values():
                journal = token.label is not None and token.derived and self._journal_of(token.label)
                if journal and journal.current and journal.current.token_id == token.token_id and token.answered:
                    name = journal.credential
                    self.judge_age(name, self.clock.now() - token.created_at, self.held_for(name))

    def _journal_of(self, label: str) -> Journal | None:
        credential = self.fleet.settings.credential(label.split("/", maxsplit=1)[0])
        found = (
            self._vault.journals.stored.get(PathLocation(credential.mount, credential.path)) if self._vault else None
        )
        return found.journal if found else None
