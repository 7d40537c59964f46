"""`rotator config check`: lists every mistake in the configuration, and touches nothing."""

import json
import os
from dataclasses import asdict

import click

from config.mistakes import Mistake
from config.settings import check_settings, config_path

EXIT_MISTAKES = 2
"""The exit code when something is wrong; 0 means that the worker can start."""


@click.group("config")
def config_group() -> None:
    """Look at the configuration."""


@config_group.command("check")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the file, and a list of mistakes.")
def check(*, as_json: bool) -> None:
    """List every mistake in the file that ROTATOR_CONFIG names and in the environment.

    Exit codes: 0 nothing is wrong, 2 mistakes were found.
    """
    path = str(config_path(os.environ))
    mistakes = check_settings(os.environ)
    click.echo(_as_json(path, mistakes) if as_json else _as_text(path, mistakes))
    if mistakes:
        raise SystemExit(EXIT_MISTAKES)


def _as_json(path: str, mistakes: list[Mistake]) -> str:
    return json.dumps({"file": path, "mistakes": [asdict(mistake) for mistake in mistakes]}, indent=2)


def _as_text(path: str, mistakes: list[Mistake]) -> str:
    if not mistakes:
        return f"{path}: nothing is wrong."
    lines = []
    for mistake in mistakes:
        lines += [f"{mistake.file}: {mistake.key}" if mistake.key else mistake.file]
        lines += [f"  wrong: {mistake.wrong}", f"  right: {mistake.right}", ""]
    count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
    return "\n".join([*lines, f"{count}."])
