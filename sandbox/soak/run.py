"""One soak from the first token to the summary."""

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta

import httpx

from sandbox.exchange.records import RequestEntry, TokenEntry
from sandbox.inspection import VaultInspector, file_leaks, live_leaks
from sandbox.leaks import LeakScanner
from sandbox.soak.audit import Audit, audit
from sandbox.soak.blows import Blow
from sandbox.soak.chronicle import Chronicle
from sandbox.soak.measure import Promotion, Struck, rotations
from sandbox.soak.scene import ROTATION_PERIOD
from sandbox.soak.strike import Striker
from sandbox.soak.summary import Summary
from sandbox.stack import Stack, StackError

TICK_SECONDS = 0.1
TOLD_EVERY_SECONDS = 15.0
FIRST_TOKEN_SECONDS = 90.0
SETTLE_SECONDS = 120.0
SETTLE_PAUSE = 2.0

Say = Callable[[str], None]


class Soak:
    """One run on a started stack.

    Args:
        stack: started, with those faults in force.
        blows: what is done to it, in order of time.
        striker: carries them out.
        chronicle: takes down what happens.
        inspector: reads what Vault holds.
        say: is told what happens, a line at a time.
        interrupted: when it answers True, no more blows fall and the run is wound down.
        hurry: when it answers True, nothing is waited for any more.
    """

    def __init__(
        self,
        *,
        stack: Stack,
        blows: Iterable[Blow],
        striker: Striker,
        chronicle: Chronicle,
        inspector: VaultInspector,
        say: Say,
        interrupted: Callable[[], bool],
        hurry: Callable[[], bool],
    ) -> None:
        self._stack = stack
        self._waiting = sorted(blows, key=lambda blow: blow.at)
        self._lasting: list[tuple[Blow, datetime]] = []
        self._striker = striker
        self._chronicle = chronicle
        self._inspector = inspector
        self._say = say
        self._interrupted = interrupted
        self._hurry = hurry
        self._fallen: list[str] = []
        self._struck: list[Struck] = []

    def run(self, seconds: float) -> Summary:
        """Let it run for that long and return what came of it.

        Raises:
            StackError: a credential got no first token, so that there is nothing to soak; or a blow went wrong.
            httpx.HTTPError: exchange or Vault could not be asked at the end.
        """
        self._await_first_tokens()
        began = time.monotonic()
        self._strike(began, seconds)
        elapsed = time.monotonic() - began
        quiet_at = time.monotonic()
        self._say(f"{elapsed:6.1f} s  no more blows; the exchange's faults are off")
        self._stack.control.use_faults("none")
        wrong = self._settle()
        settled_after = timedelta(seconds=time.monotonic() - quiet_at) if wrong.clean else None
        self._stack.stop_trader()
        self._stack.stop_beats()
        self._stack.stop_workers()
        self._chronicle.close()
        self._chronicle.look()
        return self._summary(elapsed, wrong, settled_after)

    def _await_first_tokens(self) -> None:
        deadline = time.monotonic() + FIRST_TOKEN_SECONDS
        names = {one.name for one in self._stack.settings.credentials}
        while missing := names - {one.credential for one in self._chronicle.promotions}:
            self._stack.check()
            if self._interrupted() or time.monotonic() > deadline:
                raise StackError(f"Without a first token: {', '.join(sorted(missing))}")
            time.sleep(TICK_SECONDS)

    def _strike(self, began: float, seconds: float) -> None:
        told_at = 0.0
        while (elapsed := time.monotonic() - began) < seconds and not self._interrupted():
            for blow in [one for one, _ in self._lasting if one.over_at <= elapsed]:
                self._end(blow)
            while self._waiting and self._waiting[0].at <= elapsed:
                self._begin(self._waiting.pop(0), elapsed)
            self._raise_the_fallen(elapsed)
            if elapsed - told_at >= TOLD_EVERY_SECONDS:
                told_at = elapsed
                self._say(f"{elapsed:6.1f} s  {self._progress()}")
            time.sleep(TICK_SECONDS)
        for blow, _ in list(self._lasting):
            self._end(blow)

    def _begin(self, blow: Blow, elapsed: float) -> None:
        self._say(f"{elapsed:6.1f} s  {blow}")
        self._lasting.append((blow, datetime.now(UTC)))
        self._striker.begin(blow)

    def _end(self, blow: Blow) -> None:
        self._striker.end(blow)
        begun = next(at for one, at in self._lasting if one is blow)
        self._lasting = [pair for pair in self._lasting if pair[0] is not blow]
        self._struck.append(Struck(blow.kind, begun, datetime.now(UTC)))

    def _raise_the_fallen(self, elapsed: float) -> None:
        for child in self._striker.fallen():
            what = f"{child.name} ended with code {child.exit_code}"
            self._say(f"{elapsed:6.1f} s  {what}; it is started again")
            self._fallen.append(what)
            child.restart()

    def _progress(self) -> str:
        seen = self._chronicle
        return f"{len(seen.promotions)} promotions, {seen.requests} requests, {len(seen.refused)} rejected"

    def _settle(self) -> Audit:
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            wrong = self._look()
            if wrong.clean or self._hurry() or time.monotonic() > deadline:
                return wrong
            self._raise_the_fallen(0.0)
            time.sleep(SETTLE_PAUSE)

    def _look(self) -> Audit:
        try:
            tokens, secrets = self._stack.control.tokens(), self._stack.control.secrets().tokens
            return audit(tokens, secrets, self._inspector.holdings())
        except httpx.HTTPError as error:
            return Audit(untidy=(f"exchange or Vault does not answer ({type(error).__name__})",))

    def _summary(self, elapsed: float, wrong: Audit, settled_after: timedelta | None) -> Summary:
        stack, seen = self._stack, self._chronicle
        tokens = stack.control.tokens()
        scanner = LeakScanner(stack.needles())
        return Summary(
            seconds=elapsed,
            seed=stack.options.seed,
            names=tuple(one.name for one in stack.settings.credentials),
            rotations=rotations(seen.promotions, ROTATION_PERIOD),
            blows=tuple(self._struck),
            faults={fault.value: count for fault, count in seen.faults.items()},
            requests=seen.requests,
            refused=tuple(_refusal(entry, tokens) for entry in seen.refused),
            untraded=tuple(one.name for one in stack.consumers if not _traded(one.name, tokens, seen.traded)),
            strays=tuple(_lives_of_strays(tokens, seen.promotions)),
            audit=wrong,
            settled_after=settled_after,
            leaks=tuple(sorted(live_leaks(stack, scanner) | file_leaks(stack, scanner))),
            fallen=tuple(self._fallen),
        )


def _refusal(entry: RequestEntry, tokens: Iterable[TokenEntry]) -> str:
    label = next((one.label for one in tokens if one.token_id == entry.token_id), entry.token_id)
    return f"{entry.method} {entry.path} with {label} was answered {entry.status} ({entry.reason}) at {entry.at}"


def _traded(name: str, tokens: Iterable[TokenEntry], used: set[str]) -> bool:
    return any((one.label or "").startswith(f"{name}/") and one.token_id in used for one in tokens)


def _lives_of_strays(tokens: Iterable[TokenEntry], promotions: Iterable[Promotion]) -> Iterable[timedelta]:
    served = {one.rotation_id for one in promotions}
    for token in tokens:
        if (token.label or "").rsplit("/", 1)[-1] not in served:
            yield (token.revoked_at or datetime.now(UTC)) - token.created_at


def soak(
    stack: Stack,
    blows: Iterable[Blow],
    *,
    seconds: float,
    say: Say,
    interrupted: Callable[[], bool],
    hurry: Callable[[], bool],
) -> Summary:
    """Run a soak on a started stack; see `Soak.run`."""
    addr, token, settings = stack.vault.addr, stack.vault.root_token, stack.settings
    with (
        closing(VaultInspector(addr=addr, token=token, settings=settings)) as inspector,
        closing(VaultInspector(addr=addr, token=token, settings=settings)) as reader,
        closing(Chronicle(control=stack.control, inspector=reader)) as chronicle,
    ):
        return Soak(
            stack=stack,
            blows=blows,
            striker=Striker(stack, stack.options.rules or ()),
            chronicle=chronicle,
            inspector=inspector,
            say=say,
            interrupted=interrupted,
            hurry=hurry,
        ).run(seconds)
