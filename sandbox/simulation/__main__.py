"""`python -m sandbox.simulation`: a year in a minute. Exit code 0 when every promise was kept."""

import json
import sys
from pathlib import Path

import click

from sandbox.simulation.report import Report
from sandbox.simulation.run import Scenario, Simulation
from sandbox.simulation.timeline import Timeline

_USUAL = Scenario()


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--days", type=click.IntRange(min=1), default=_USUAL.days, help="How long.")
@click.option("--credentials", type=click.IntRange(min=1), default=_USUAL.credentials, help="Credentials.")
@click.option("--accounts", type=click.IntRange(min=1), default=_USUAL.accounts, help="Accounts they are on.")
@click.option("--seed", default=_USUAL.seed, help="Of everything that is drawn; the same one gives the same run.")
@click.option(
    "--picture", type=click.Path(dir_okay=False, path_type=Path), help="Draw some weeks of one account as SVG there."
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def main(*, days: int, credentials: int, accounts: int, seed: int, picture: Path | None, as_json: bool) -> None:
    """Let the real plans and the real engine rotate a fleet for a year of virtual time.

    Services adopt at once, late, never or die; Vault and the exchange go away; the exchange loses answers, hides new
    tokens, shows use late and cuts lists short; people pause, freeze, revoke by hand, and make tokens of their own.

    Exits with 0 when every promise was kept, otherwise with 1, saying which was not.
    """
    simulation = Simulation(Scenario(days=days, credentials=credentials, accounts=accounts, seed=seed))
    simulation.run()
    report = Report(simulation)
    click.echo(json.dumps(report.as_json(), indent=2) if as_json else "\n".join(report.lines()))
    if picture is not None:
        picture.write_text(Timeline(simulation).svg(), encoding="utf-8")
    sys.exit(1 if report.broken else 0)


if __name__ == "__main__":
    main()
