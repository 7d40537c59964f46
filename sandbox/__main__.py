"""`python -m sandbox`: the sandbox exchange alone, on two ports."""

import asyncio
import json
import os
import secrets
import signal
from collections.abc import Awaitable
from datetime import timedelta
from pathlib import Path

import click

from sandbox.exchange.faults import PRESETS
from sandbox.exchange.records import Profile
from sandbox.exchange.server import LOOPBACK, ExchangePorts
from sandbox.exchange.state import ExchangeState


def write_privately(path: Path, text: str) -> None:
    """Write a file that only its owner may read, so that a reader sees the old content or the new, never half."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def write_identities(state: ExchangeState, directory: Path, ttl: timedelta) -> None:
    """Write a fresh identity token of every profile to `<directory>/<profile>.jwt`."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for profile in state.profiles():
        write_privately(directory / f"{profile.name}.jwt", state.issue_identity(profile.name, ttl) + "\n")


async def _keep_identities(state: ExchangeState, directory: Path, ttl: timedelta) -> None:
    while True:
        await asyncio.sleep(ttl.total_seconds() / 2)
        write_identities(state, directory, ttl)


async def _run(ports: ExchangePorts, ports_file: Path | None, beside: list[Awaitable[None]]) -> None:
    def announce() -> None:
        line = json.dumps({"api_url": ports.api_url, "control_url": ports.control_url})
        if ports_file is not None:
            write_privately(ports_file, line + "\n")
        click.echo(line)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ports.stop)
    await ports.serve(ready=announce, beside=beside)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--host", default=LOOPBACK, help="Address of the exchange's port; the control port is loopback only.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the exchange; 0 takes a free one.")
@click.option("--control-port", type=click.IntRange(0, 65535), default=0, help="Port of the control API; likewise.")
@click.option("--seed", type=int, default=0, help="Of the faults: the same seed and calls, the same faults.")
@click.option("--profile", "profiles", multiple=True, default=["main"], help="A profile to begin with; repeatable.")
@click.option(
    "--identity-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep a fresh identity token of each profile in DIR/<profile>.jwt (mode 0600).",
)
@click.option(
    "--identity-ttl",
    type=click.FloatRange(min=2),
    default=3600.0,
    help="Life of these tokens in seconds; they are renewed at half of it.",
)
@click.option("--faults", type=click.Choice(sorted(PRESETS)), default="default", help="Faults to begin with.")
@click.option(
    "--ports-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help='Write {"api_url", "control_url"} there once both ports answer; it is printed as well.',
)
def main(
    *,
    host: str,
    port: int,
    control_port: int,
    seed: int,
    profiles: tuple[str, ...],
    identity_dir: Path | None,
    identity_ttl: float,
    faults: str,
    ports_file: Path | None,
) -> None:
    """Run a stand-in for the Limitless Exchange's API-token interface until SIGTERM or Ctrl-C.

    It is for tests and demonstrations: everything is in memory, and its control API hands out every secret.
    """
    try:
        first = [Profile(name=name) for name in dict.fromkeys(profiles)]
    except ValueError as error:
        raise click.BadParameter(
            "a profile's name is 1 to 64 letters, digits, dots, underscores and dashes", param_hint="--profile"
        ) from error
    state = ExchangeState(seed=seed, profiles=first, rules=PRESETS[faults])
    try:
        ports = ExchangePorts(state, host=host, port=port, control_port=control_port)
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}: {error}") from error
    beside: list[Awaitable[None]] = []
    if identity_dir is not None:
        ttl = timedelta(seconds=identity_ttl)
        write_identities(state, identity_dir, ttl)
        beside.append(_keep_identities(state, identity_dir, ttl))
    asyncio.run(_run(ports, ports_file, beside))


if __name__ == "__main__":
    main()
