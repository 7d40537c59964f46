"""What people do in a year: revoke by hand, pause, freeze, ask, resume, make tokens; and exchanges that cut lists."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random

from config.schema import Credential
from sandbox.simulation.exchange import SimulatedExchange
from sandbox.simulation.fleet import DAY, HOUR
from sandbox.simulation.judge import Judge
from sandbox.simulation.truth import Halt
from sandbox.simulation.vault import SimulatedVault
from worker.account_ledger import AccountLedger, OrderedFreeze, Pause, changed
from worker.models import PathLocation
from worker.policy.steps import Reason

_CHANCES = (
    ("revoke a current token by hand", 0.01),
    ("pause", 0.02),
    ("pause and forget", 0.004),
    ("make a token by hand", 0.02),
    ("freeze", 0.004),
    ("ask for a rotation", 0.02),
    ("(the exchange) cut a list short", 0.01),
)
"""What happens on a day, and how likely that is for each account; at most one of them."""


class People:
    """Acts drawn once a day for each account.

    Args:
        random: draws them.
        exchanges: by account.
        vault: holds the account ledgers, in which pauses are written as the command line does.
        judge: told of what they do; its truth keeps it.
        rotate: asks the worker for a rotation of that credential now.
        resume: tells the worker to try that credential again.
    """

    def __init__(
        self,
        *,
        random: Random,
        exchanges: dict[str, SimulatedExchange],
        vault: SimulatedVault,
        judge: Judge,
        rotate: Callable[[str], None],
        resume: Callable[[str], None],
    ) -> None:
        self._random = random
        self._exchanges = exchanges
        self._vault = vault
        self._judge = judge
        self._rotate = rotate
        self._resume = resume
        self._credentials = {name: list(judge.fleet.settings.credentials_of(name)) for name in exchanges}
        self._forgotten: list[Halt] = []
        self._made_by_hand: list[tuple[str, str]] = []
        self.acts: Counter[str] = Counter()

    def morning(self, now: datetime) -> None:
        """Let people look at what they were told in the night, and let a day's acts happen."""
        for account in self._exchanges:
            self._look(account, now)
            draw = self._random.random()
            for act, chance in _CHANCES:
                if draw < chance:
                    self._act(act, account, now)
                    break
                draw -= chance

    def _look(self, account: str, now: datetime) -> None:
        for flag in self._vault.accounts.peek(account).ledger.flags:
            if flag.kind == Reason.PARKED:
                self._resume(flag.credential)
                self.acts["resume what is parked"] += 1
            elif flag.kind == Reason.PAUSE_FORGOTTEN and self._random.random() < _WAKES_UP:
                self._end_pauses(account, now)
        for owner, token_id in self._made_by_hand:
            if owner == account and self._random.random() < _CLEANS_UP:
                self._exchanges[account].revoke_by_person(token_id)
        live = self._exchanges[account].live
        self._made_by_hand = [one for one in self._made_by_hand if one[0] != account or one[1] in live]

    def _act(self, act: str, account: str, now: datetime) -> None:
        credential = self._random.choice(self._credentials[account])
        done = {
            "revoke a current token by hand": self._revoke_current,
            "pause": self._pause,
            "pause and forget": self._pause_and_forget,
            "make a token by hand": self._make_token,
            "freeze": self._freeze,
            "ask for a rotation": self._ask,
            "(the exchange) cut a list short": self._cut,
        }[act](credential, now)
        self.acts[act] += done

    def _revoke_current(self, credential: Credential, _: datetime) -> bool:
        document = self._vault.consumers.peek(PathLocation(credential.mount, credential.path)).document
        exchange = self._exchanges[credential.account]
        if document is None or document.token_id not in exchange.live:
            return False
        exchange.revoke_by_person(document.token_id)
        self._judge.on_revoked_by_hand(credential, document.token_id)
        return True

    def _pause(self, credential: Credential, now: datetime) -> bool:
        hours = self._random.choice([4, 12, 60])
        return self._write_pause(credential, now, now + timedelta(hours=hours))

    def _pause_and_forget(self, credential: Credential, now: datetime) -> bool:
        return self._write_pause(credential, now, None)

    def _write_pause(self, credential: Credential, now: datetime, until: datetime | None) -> bool:
        account, whole = credential.account, self._random.random() < _OF_THE_ACCOUNT
        name = None if whole else credential.name
        ledger = self._vault.accounts.peek(account).ledger
        kept = tuple(one for one in ledger.pauses if one.until is None or one.until > now)
        pause = Pause(credential=name, since=now, until=until, by="operator", reason="simulated")
        if not self._write(ledger, pauses=(*kept, pause)):
            return False
        self._judge.truth.pauses.append(Halt(account, name, now, until))
        return True

    def _end_pauses(self, account: str, now: datetime) -> None:
        ledger = self._vault.accounts.peek(account).ledger
        if self._write(ledger, pauses=()):
            self.acts["end a pause"] += 1
            for halt in self._judge.truth.pauses:
                if halt.account == account and (halt.until is None or halt.until > now):
                    halt.until = now

    def _make_token(self, credential: Credential, _: datetime) -> bool:
        label = self._random.choice([None, "by hand", f"{credential.name}/someone"])
        token = self._exchanges[credential.account].issue_by_person(label)
        self._made_by_hand.append((credential.account, token.token_id))
        return True

    def _freeze(self, credential: Credential, now: datetime) -> bool:
        account, until = credential.account, now + DAY * self._random.uniform(0.2, 2)
        ledger = self._vault.accounts.peek(account).ledger
        freeze = OrderedFreeze(since=now, until=until, by="operator", reason="simulated")
        if not self._write(ledger, freezes=(*ledger.freezes, freeze)):
            return False
        self._judge.truth.frozen[account].add(now, until)
        return True

    def _ask(self, credential: Credential, _: datetime) -> bool:
        self._rotate(credential.name)
        return True

    def _cut(self, credential: Credential, now: datetime) -> bool:
        until = now + HOUR * self._random.uniform(0.5, 8)
        self._exchanges[credential.account].cut_until = until
        self._judge.truth.cut[credential.account].add(now, until)
        return True

    def _write(self, ledger: AccountLedger, **changes: object) -> bool:
        """Write the ledger as the command line does; not while Vault is away."""
        if self._vault.away():
            return False
        self._vault.accounts.put(changed(ledger, **changes), cas=self._vault.accounts.peek(ledger.account).version)
        return True


_WAKES_UP, _CLEANS_UP, _OF_THE_ACCOUNT = 0.6, 0.1, 0.3
