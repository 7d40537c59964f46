"""`python -m sandbox.soak`: break something every few seconds, then judge. Exit code 0 when every promise was kept."""

import json
import os
import sys
import tempfile
from pathlib import Path

import click

from sandbox.servers import ServerError
from sandbox.signals import Signals
from sandbox.soak.blows import plan_blows
from sandbox.soak.run import soak
from sandbox.soak.scene import REREAD_SECONDS, Scene, config_text, fault_rules
from sandbox.stack import Interrupted, Stack, StackError, StackOptions

SCENE = Scene()


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--seconds", type=click.FloatRange(min=1), default=600.0, help="How long blows fall.")
@click.option("--seed", default=1, help="Of the blows and of the exchange's faults.")
@click.option("--every", type=click.FloatRange(min=0.2), default=4.0, help="Seconds between two blows, on average.")
@click.option("--accounts", type=click.IntRange(min=1), default=SCENE.accounts, help="Accounts.")
@click.option("--credentials", type=click.IntRange(min=1), default=SCENE.credentials, help="Credentials on them.")
@click.option("--workers", type=click.IntRange(min=1), default=SCENE.workers, help="Workers.")
@click.option("--beats", type=click.IntRange(min=1), default=SCENE.beats, help="Beats; one of them leads.")
@click.option("--traders", type=click.IntRange(min=1), default=SCENE.traders, help="Traders.")
@click.option("--rate", type=click.FloatRange(min=0.1), default=SCENE.rate, help="Requests a second per credential.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON on standard output.")
def main(*, seconds: float, seed: int, every: float, as_json: bool, **counts: float) -> None:
    """Run the whole rotator with everything many times over, and break something every few seconds.

    Workers, beats and traders are killed, stopped and restarted; Vault is sealed, hung and killed; Redis is killed,
    emptied, cut off and hung; the exchange fails as a bad network does, hangs, and goes into maintenance.

    Exits with 0 when no trader was ever rejected, no secret was lost, no orphan is alive in the end, nothing was
    rotated twice for one due date, and everything came right by itself; otherwise with 1, saying what did not.
    """
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
    signals = Signals()
    scene = Scene(**counts)  # type: ignore[arg-type]  # click has made each of the right type
    blows = plan_blows(scene, seed=seed, seconds=seconds, every=every)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        config = Path(folder) / "rotator.toml"
        config.write_text(config_text(scene), encoding="utf-8")
        options = StackOptions(
            config=config,
            seed=seed,
            rules=fault_rules(),
            workers=scene.workers,
            beats=scene.beats,
            traders=scene.traders,
            unread=frozenset(),
            reread_seconds=REREAD_SECONDS,
            rate=scene.rate,
            durable_vault=True,
        )
        _say(f"seed {seed}: {len(blows)} blows in {seconds:.0f} s on {scene.credentials} credentials")
        try:
            with Stack(options, interrupted=signals.interrupted, hurry=signals.hurry) as stack:
                summary = soak(
                    stack,
                    blows,
                    seconds=seconds,
                    say=_say,
                    interrupted=signals.interrupted,
                    hurry=signals.hurry,
                )
        except Interrupted:
            _say("Ended before everything had started.")
            sys.exit(1)
        except (StackError, ServerError) as error:
            _say(str(error))
            sys.exit(1)
    click.echo(json.dumps(summary.as_json(), indent=2) if as_json else "\n".join(summary.lines()))
    sys.exit(1 if summary.broken_promises else 0)


def _say(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    main()
