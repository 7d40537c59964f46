"""One demo run from start to summary."""

import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from typing import Protocol

import httpx

from config.logs import configure_logging
from sandbox.demo.frame import Frame, Watcher
from sandbox.demo.summary import Summary
from sandbox.inspection import VaultInspector, file_leaks, find_orphans, live_leaks, refusals
from sandbox.leaks import LeakScanner
from sandbox.stack import Stack, StackError
from worker.redis import RedisEvents, connect
from worker.views import Report
from worker.wiring import Container, build_container

FRAME_SECONDS = 0.25
SETTLE_SECONDS = 20.0
SETTLE_PAUSE = 0.5


class Screen(Protocol):
    """Where frames are shown."""

    def show(self, frame: Frame) -> None:
        """Show that moment."""
        ...


def run(stack: Stack, *, seconds: float, screen: Screen, interrupted: Callable[[], bool]) -> Summary:
    """Watch a started stack for that long, wind it down and return what came of it.

    Args:
        stack: started; its trader, beats and workers are stopped on the way, its servers are not.
        seconds: how long it runs.
        screen: shows what happens.
        interrupted: when it answers True, the run is wound down at once.

    Raises:
        StackError: the run cannot be judged, because exchange or Vault cannot be asked.
    """
    with (
        (stack.logs / "demo.log").open("a", encoding="utf-8") as log,
        closing(
            VaultInspector(addr=stack.vault.addr, token=stack.vault.root_token, settings=stack.settings)
        ) as inspector,
        build_container(stack.settings) as container,
    ):
        # The worker's code runs in this process too, to look and to clean up; what it logs is searched like the rest.
        configure_logging("INFO", log)
        began = time.monotonic()
        trouble, last = _watch(stack, container, seconds, screen, interrupted)
        elapsed = time.monotonic() - began
        screen.show(replace(last, elapsed=elapsed, phase="winding down"))
        stack.stop_trader()
        stack.stop_beats()
        stack.stop_workers()
        try:
            # Counted before this process lends a hand: only what the workers did is theirs.
            rotations = {name: max(0, one.promotions - 1) for name, one in inspector.holdings().items()}
            settle(stack, container, inspector)
            return _summary(stack, inspector, elapsed, rotations, trouble, last.report)
        except httpx.HTTPError as error:
            raise StackError(trouble or f"Exchange or Vault could not be asked at the end: {error}") from error


def _watch(
    stack: Stack, container: Container, seconds: float, screen: Screen, interrupted: Callable[[], bool]
) -> tuple[str | None, Frame]:
    """Return what broke, if anything did, and the last frame."""
    began = time.monotonic()
    with (
        closing(connect(stack.settings.infrastructure.redis_url)) as client,
        closing(
            Watcher(
                container=container,
                events=RedisEvents(client=client, clock=container.clock),
                traders=lambda: stack.trader_status().credentials,
            )
        ) as watcher,
    ):
        while True:
            elapsed = time.monotonic() - began
            frame = replace(watcher.latest, elapsed=elapsed, total=seconds, seed=stack.options.seed, phase="running")
            screen.show(frame)
            try:
                stack.check()
            except StackError as error:
                return str(error), frame
            if elapsed >= seconds or interrupted():
                return None, frame
            time.sleep(FRAME_SECONDS)


def settle(stack: Stack, container: Container, inspector: VaultInspector) -> None:
    """Finish what the stopped workers left half done, as the next one to start would: at most `SETTLE_SECONDS`.

    A derive whose answer was lost just before the end is no orphan yet: its deadline is waited out, as always. No
    new rotation is begun.
    """
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline and not stack.hurry():
        for credential in stack.settings.credentials:
            if container.gatherer.credential(credential.name).intent is not None:
                container.engine.rotate(credential.name)
        for account in stack.settings.accounts:
            container.engine.revoke(account.name)
        with suppress(httpx.HTTPError):
            if not find_orphans(stack, inspector):
                return
        time.sleep(SETTLE_PAUSE)


def _summary(
    stack: Stack,
    inspector: VaultInspector,
    elapsed: float,
    rotations: Mapping[str, int],
    trouble: str | None,
    report: Report | None,
) -> Summary:
    tokens = stack.control.tokens()
    scanner = LeakScanner(stack.needles())
    leaks = live_leaks(stack, scanner) | file_leaks(stack, scanner)
    return Summary(
        seconds=elapsed,
        seed=stack.options.seed,
        rotations=rotations,
        revocations=sum(1 for token in tokens if not token.live),
        traders=stack.trader_status().credentials,
        refused=refusals(stack),
        tokens_live=sum(1 for token in tokens if token.live),
        orphans=tuple(token.label or token.token_id for token in find_orphans(stack, inspector)),
        leaks=tuple(sorted(leaks)),
        flagged=tuple(one.name for one in report.credentials if one.stale) if report else (),
        trouble=trouble,
    )
