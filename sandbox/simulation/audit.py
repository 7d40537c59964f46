"""Holds the promises about verdicts, and once a day those about secrets and dead services."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from config.schema import Credential
from sandbox.simulation.exchange import SimulatedToken
from sandbox.simulation.fleet import DAY, HOUR
from sandbox.simulation.judge import Judge
from sandbox.simulation.promises import Promise
from sandbox.simulation.services import Reader
from sandbox.simulation.tally import Told
from worker.journal import Journal, RecordState
from worker.models import PathLocation, Severity
from worker.policy.steps import Action, Outcome, Reason, Result

_Key = tuple[str, str, str, str | None]
_USE = frozenset({Reason.STALE.value, Reason.UNUSED.value})


class Audit:
    """`worker.ports.OutcomeSink` that knows what services really did.

    Args:
        judge: of the same run.
        readers: every reader.
    """

    def __init__(self, judge: Judge, readers: Sequence[Reader]) -> None:
        self._judge = judge
        self._readers: Mapping[str, list[Reader]] = defaultdict(list)
        for reader in readers:
            self._readers[reader.name].append(reader)
        self._open: dict[_Key, Told] = {}
        self._told_of: set[str | None] = set()
        self._promoted_first: dict[str, datetime] = {}

    # --- verdicts ---------------------------------------------------------------------------------------------------

    def record(self, outcome: Outcome) -> None:
        """Take note of what people are told."""
        tally = self._judge.tally
        if outcome.result is Result.DONE and outcome.action in {Action.FLAG, Action.UNFLAG}:
            self._verdict(outcome)
        elif outcome.severity is not Severity.INFO:
            tally.troubles[f"{outcome.reason.value} ({outcome.severity.value})"] += 1

    def _verdict(self, outcome: Outcome) -> None:
        kind = outcome.evidence.get("verdict", outcome.reason.value)
        key = (outcome.account, kind, outcome.credential, outcome.token_id)
        begins, is_open = outcome.action is Action.FLAG, key in self._open
        said = f"{key} {'begins' if begins else 'ends'}, and is {'open' if is_open else 'not open'}"
        self._judge.hold(Promise.VERDICTS, said, kept=begins is not is_open)
        if not begins:
            if is_open:
                self._open.pop(key).end = outcome.at
            return
        told = self._open[key] = Told(kind, outcome.account, outcome.credential, outcome.at)
        self._judge.tally.told.append(told)
        self._judge.tally.alerts[kind] += 1
        if kind == Reason.STILL_USED:
            self._told_of.add(outcome.token_id)
        if kind in _USE:
            self._hold_alive(kind, outcome)

    def _hold_alive(self, kind: str, outcome: Outcome) -> None:
        credential = self._judge.fleet.settings.credential(outcome.credential)
        readers = self._readers[credential.name]
        last = max((one.last_use for one in readers if one.last_use), default=None)
        first = min((one.first_use for one in readers if one.first_use), default=None)
        if kind == Reason.UNUSED:
            alive = first is not None and outcome.at - first > _SEEN_AFTER
        else:
            alive = last is not None and outcome.at - last <= credential.policy.stale_after
        said = f"{credential.name} was called {kind}, but its services used it first at {first}, last at {last}"
        self._judge.hold(Promise.ALIVE, said, kept=not alive)

    def on_rejected(self, reader: Reader, token: SimulatedToken | None, token_id: str) -> None:
        """Hold the end of a token that somebody never looks past to a warning before, if max_overlap was over."""
        if reader.behaviour.reads_every is not None or token is None or token.revoked_by != "worker":
            return
        life = self._judge.tally.lives[token_id]
        limit = self._judge.fleet.settings.credential(reader.name).policy.max_overlap
        if life.superseded_at is not None and life.ended_at is not None:
            if life.ended_at - life.superseded_at < limit + _FLAGGED_WITHIN:
                return  # older than max_age before max_overlap was over: grace alone protects a reader then
            said = f"the reader of {reader.name} that never looks again lost {token_id}, and nobody was told before"
            self._judge.hold(Promise.WARNED, said, kept=token_id in self._told_of)

    # --- once a day -------------------------------------------------------------------------------------------------

    def day(self) -> None:
        """Look at every credential's secrets, and at those that nobody uses any more."""
        for credential in self._judge.fleet.settings.credentials:
            journal = self._judge.journal_of(credential)
            if journal is not None:
                self._hold_secrets(credential, journal)
                self._hold_dead(credential, journal)

    def _hold_secrets(self, credential: Credential, journal: Journal) -> None:
        location, live = PathLocation(credential.mount, credential.path), self._judge.exchanges[credential.account].live
        consumers = self._judge.vault.consumers
        for record in journal.ledger:
            token = live.get(record.token_id or "")
            if token is None or record.state not in {RecordState.CURRENT, RecordState.SUPERSEDED}:
                continue
            found = consumers.peek_token(location, token.token_id)
            kept = found is not None and found.secret.get_secret_value() == token.secret
            self._judge.hold(Promise.SECRETS, f"the secret of {token.label} ({record.state}) is gone", kept=kept)
        staged = journal.intent.token if journal.intent else None
        if staged is not None and staged.token_id in live:
            kept = staged.secret.get_secret_value() == live[staged.token_id].secret
            self._judge.hold(Promise.SECRETS, f"the secret of staged {staged.token_id} is gone", kept=kept)

    def _hold_dead(self, credential: Credential, journal: Journal) -> None:
        name, now, policy = credential.name, self._judge.clock.now(), credential.policy
        if journal.current is None or journal.current.promoted_at is None:
            return
        first = self._promoted_first.setdefault(name, journal.current.promoted_at)
        last = max((one.last_use for one in self._readers[name] if one.last_use), default=None)
        since, limit = (first, policy.unused_after) if last is None else (last, policy.stale_after)
        quiet = now - since
        if quiet <= limit + _FLAGGED_WITHIN:
            return
        account, truth = credential.account, self._judge.truth
        away = (truth.exchange, truth.vault, truth.cut[account])
        blind = sum((one.within(since, now) for one in away), timedelta())
        if truth.is_obscured(account, name, since - HOUR, now):
            # What the list lacks or our own probe overwrote is unknown until that token has ended.
            blind += policy.max_age + policy.grace + DAY
        if quiet - blind <= limit + _FLAGGED_WITHIN:
            return
        kind = Reason.UNUSED if last is None else Reason.STALE
        said = f"nobody has used {name} for {quiet}, and it is not flagged as {kind.value}"
        self._judge.hold(Promise.DEAD, said, kept=(account, kind.value, name, None) in self._open)

    # --- at the end -------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Hold the whole run to what only its end shows."""
        judge = self._judge
        for account in judge.fleet.settings.accounts:
            flags = {flag.key for flag in judge.vault.accounts.peek(account.name).ledger.flags}
            told = {key[1:] for key in self._open if key[0] == account.name}
            judge.hold(
                Promise.VERDICTS,
                f"{account.name} keeps verdicts that were not told, or the other way round: {flags ^ told}",
                kept=flags == told,
            )
        for credential, token in judge.superseded():
            judge.judge_life(credential, token)
        for credential in judge.fleet.settings.credentials:
            journal = judge.journal_of(credential)
            current = journal.current if journal else None
            if current is not None and current.derived_at is not None:
                judge.judge_age(credential.name, current.derived_at)


_SEEN_AFTER = 2 * HOUR
_FLAGGED_WITHIN = DAY
"""The exchange shows a use late, and the simulated worker looks at use only some hours apart."""
