"""`python -m sandbox.demo`: run, watch, judge. Exit code 0 when every condition of the summary holds, else 1."""

import json
import os
import sys
from contextlib import AbstractContextManager, nullcontext

import click
from rich.console import Console
from rich.live import Live

from sandbox.demo.frame import Frame
from sandbox.demo.run import Screen, run
from sandbox.demo.view import event_line, render, status_lines
from sandbox.servers import ServerError
from sandbox.signals import Signals
from sandbox.stack import Interrupted, Stack, StackError, StackOptions
from worker.policy.steps import Outcome

DEFAULT_SEED = 1
STATUS_EVERY = 5.0


class LiveScreen:
    """Redraws the picture in place."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, frame: Frame) -> None:
        """Show that moment."""
        self._live.update(render(frame, height=self._live.console.height))


class LineScreen:
    """Prints each event once, and now and then how things stand."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._printed: set[tuple[object, ...]] = set()
        self._status_at = 0.0

    def show(self, frame: Frame) -> None:
        """Print what is new."""
        for event in frame.events:
            if (key := _identity(event)) not in self._printed:
                self._printed.add(key)
                self._print(event_line(event))
        if frame.report and frame.elapsed >= self._status_at:
            self._status_at = frame.elapsed + STATUS_EVERY
            self._print(f"{frame.phase}, {frame.elapsed:.0f} s of {frame.total:.0f} s")
            for line in status_lines(frame):
                self._print(line)

    def _print(self, line: str) -> None:
        self._console.print(line, soft_wrap=True, markup=False, highlight=False)


class NoScreen:
    """Shows nothing."""

    def show(self, frame: Frame) -> None:
        """Show nothing."""


def _identity(event: Outcome) -> tuple[object, ...]:
    return (event.at, event.credential, event.action, event.reason, event.token_id)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", type=click.FloatRange(min=1), default=60.0, show_default=True, help="How long it runs.")
@click.option("--seed", default=DEFAULT_SEED, show_default=True, help="Of the exchange's faults.")
@click.option("--json", "as_json", is_flag=True, help="Show nothing but the summary, as JSON.")
def main(seconds: float, seed: int, as_json: bool) -> None:  # noqa: FBT001 - click passes a flag
    """Run the whole rotator on servers of its own and watch it for a minute.

    Exits with 0 when every credential was rotated twice, the trader was never rejected, no orphan lives and no secret
    was seen outside Vault; with 1 otherwise.
    """
    # Everything is on this machine; a proxy of the caller's is for elsewhere.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
    signals = Signals()
    console = Console(file=sys.stderr if as_json else None)
    try:
        with Stack(StackOptions(seed=seed), interrupted=signals.interrupted, hurry=signals.hurry) as stack:
            live, screen = _screen(console, as_json=as_json)
            with live:
                summary = run(stack, seconds=seconds, screen=screen, interrupted=signals.interrupted)
    except Interrupted:
        console.print("Ended before everything had started.")
        sys.exit(1)
    except (StackError, ServerError) as error:
        console.print(str(error), markup=False, highlight=False)
        sys.exit(1)
    if as_json:
        click.echo(json.dumps(summary.as_json(), indent=2))
    else:
        console.print("\n".join(summary.lines()), markup=False, highlight=False, soft_wrap=True)
    sys.exit(1 if summary.failed_conditions else 0)


def _screen(console: Console, *, as_json: bool) -> tuple[AbstractContextManager[object], Screen]:
    if as_json:
        return nullcontext(), NoScreen()
    if not console.is_terminal:
        return nullcontext(), LineScreen(console)
    live = Live(console=console, refresh_per_second=4)
    return live, LiveScreen(live)


if __name__ == "__main__":
    main()
