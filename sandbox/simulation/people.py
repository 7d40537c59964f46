"""What people do in a year: revoke by hand, pause, make tokens of their own; and exchanges that cut their lists."""

from datetime import datetime, timedelta
from random import Random

from tests.simulation.exchange import SimulatedExchange
from tests.simulation.vault import SimulatedVault
from worker.account_ledger import Pause, changed
from worker.models import PathLocation


class People:
    """Acts drawn once a day for each account.

    Args:
        random: draws them.
        exchanges: by account.
        vault: holds the account ledgers, in which pauses are written as the command line does.
        names: credentials of each account, with their consumers' paths.
    """

    def __init__(
        self,
        *,
        random: Random,
        exchanges: dict[str, SimulatedExchange],
        vault: SimulatedVault,
        names: dict[str, list[tuple[str, PathLocation]]],
    ) -> None:
        self._random = random
        self._exchanges = exchanges
        self._vault = vault
        self._names = names
        self.acts: dict[str, int] = {}

    def day(self, now: datetime) -> None:
        """Let a day's acts happen."""
        for account, exchange in self._exchanges.items():
            draw = self._random.random()
            if draw < 0.01:
                self._revoke_current(account, exchange)
            elif draw < 0.03:
                self._pause(account, now)
            elif draw < 0.05:
                self._count("a token made by hand")
                label = self._random.choice([None, "by hand", f"{self._names[account][0][0]}/someone"])
                exchange.issue_by_person(label)
            elif draw < 0.06:
                self._count("a list cut short")
                exchange.cut_until = now + timedelta(hours=self._random.uniform(1, 8))

    def _revoke_current(self, account: str, exchange: SimulatedExchange) -> None:
        _, location = self._random.choice(self._names[account])
        document = self._vault.consumers.peek(location).document
        if document is not None:
            self._count("a current token revoked by hand")
            exchange.revoke_by_person(document.token_id)

    def _pause(self, account: str, now: datetime) -> None:
        version, ledger = self._vault.accounts.peek(account)
        names = [name for name, _ in self._names[account]]
        whole = self._random.random() < 0.3
        pause = Pause(
            credential=None if whole else self._random.choice(names),
            since=now,
            until=now + timedelta(hours=self._random.choice([4, 12, 60])),
            by="operator",
            reason="simulated",
        )
        kept = tuple(one for one in ledger.pauses if one.until is not None and one.until > now)
        if self._vault.away():
            return
        self._vault.accounts.put(changed(ledger, pauses=(*kept, pause)), cas=version)
        self._count("a pause of an account" if whole else "a pause of a credential")

    def _count(self, what: str) -> None:
        self.acts[what] = self.acts.get(what, 0) + 1
