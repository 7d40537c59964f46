"""When each account is swept: regularly, and whenever something can have changed; and what a sweep must have ended."""

from collections.abc import Callable
from datetime import datetime, timedelta

from config.schema import Credential
from sandbox.simulation.fleet import BEGIN, HOUR, MINUTE
from sandbox.simulation.intervals import Intervals
from sandbox.simulation.judge import Judge
from sandbox.simulation.promises import Promise
from worker.engine import Engine
from worker.journal import RecordState
from worker.policy.steps import Outcome, Result

REGULARLY = 8 * HOUR
_GRID = timedelta(minutes=20)
"""Sweeps that are wanted for revocations are put together on a grid; a real worker sweeps every minute."""


class Sweeper:
    """Sweeps accounts: revoke, and at times flag.

    Args:
        judge: holds the promises about sweeps.
        engine: the real one.
        at: lets something happen at a later moment.
        wake: lets the worker look at a credential then.
    """

    def __init__(
        self,
        judge: Judge,
        engine: Engine,
        *,
        at: Callable[[datetime, Callable[[str], None], str], None],
        wake: Callable[[str, datetime], None],
    ) -> None:
        self._judge = judge
        self._engine = engine
        self._at = at
        self._wake = wake
        self._wanted: set[tuple[str, datetime]] = set()
        self.calls = 0

    def start(self, account: str, moment: datetime, outages: Intervals) -> None:
        """Begin to sweep the account at that moment, and whenever the exchange goes away and comes back."""
        self._at(moment, self._regular, account)
        for start, until in outages.all:
            self._at(start + MINUTE, self._sweep, account)
            self._at(until + MINUTE, self._sweep, account)

    def soon(self, account: str) -> None:
        """Sweep the account in a minute."""
        self._want(account, self._judge.clock.now() + MINUTE)

    def promoted(self, credential: Credential, promoted_at: datetime) -> None:
        """Sweep when the grace of that promotion's predecessor is over, if it is not already."""
        over = promoted_at + credential.policy.grace
        if over > self._judge.clock.now():
            self._want(credential.account, over + _GRID - (over - BEGIN) % _GRID)

    def _want(self, account: str, moment: datetime) -> None:
        if (account, moment) not in self._wanted:
            self._wanted.add((account, moment))
            self._at(moment, self._wished, account)

    def _wished(self, account: str) -> None:
        now = self._judge.clock.now()
        self._wanted = {one for one in self._wanted if one[1] > now or one[0] != account}
        self._sweep(account)

    def _regular(self, account: str) -> None:
        self._sweep(account)
        self._engine.flag(account)
        self.calls += 1
        self._at(self._judge.clock.now() + REGULARLY, self._regular, account)

    def _sweep(self, account: str) -> None:
        judge, doomed = self._judge, self._doomed(account)
        with judge.counting(account):
            outcomes = self._engine.revoke(account)
        self.calls += 1
        self._hold_orphans(account, doomed, outcomes)
        ledger, now = judge.vault.accounts.peek(account).ledger, judge.clock.now()
        for proof in ledger.dangling:
            if judge.truth.free_at(account, proof.credential, now) <= now or judge.truth.is_frozen(account, now):
                self._wake(proof.credential, now)
        if judge.truth.exchange.at(now) or judge.truth.vault.at(now):
            return
        if judge.is_broken(account) or any(one.result is Result.FAILED for one in outcomes):
            self._want(account, now + MINUTE)
        elif ledger.suspicion is not None:
            self._want(account, now + 6 * MINUTE)
        elif ledger.missing:
            self._want(account, now + 20 * MINUTE)

    def _doomed(self, account: str) -> set[str]:
        """The orphans that this sweep can see and must end: their attempt is given up and no intent is open."""
        judge, now, doomed = self._judge, self._judge.clock.now(), set()
        exchange = judge.exchanges[account]
        for token in exchange.live.values():
            if token.by_person or token.label is None or token.visible_at > now:
                continue
            journal = judge.journal_of(judge.credential_of(token.label))
            if journal is None or journal.intent is not None:
                continue
            record = journal.record_of(token.token_id)
            if record is None or record.state is RecordState.ABANDONED:
                doomed.add(token.token_id)
        return doomed

    def _hold_orphans(self, account: str, doomed: set[str], outcomes: tuple[Outcome, ...]) -> None:
        live = self._judge.exchanges[account].live
        for token_id in doomed:
            if token_id not in live:
                self._judge.scales.test(Promise.ORPHANS)
                continue
            label = live[token_id].label or ""
            names = {"", self._judge.credential_of(label).name}
            told = any(one.result is not Result.DONE and one.credential in names for one in outcomes)
            cut = self._judge.truth.cut[account].at(self._judge.clock.now())
            said = f"orphan {label} survived a sweep that saw it, and nothing was said"
            self._judge.hold(Promise.ORPHANS, said, kept=told or cut)
