"""Names for the shell's completion, read from the configuration file alone: no server is asked."""

import os
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

DEFAULT = "config/rotator.toml"


def credentials(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the configured credentials that begin so."""
    return _beginning(incomplete, _names("credentials"))


def accounts(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the configured accounts that begin so."""
    return _beginning(incomplete, _names("accounts"))


def anything(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return what can be paused and begins so: credentials, accounts, and "all"."""
    return _beginning(incomplete, (*_names("credentials"), *_names("accounts"), "all"))


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted({name for name in names if name.startswith(incomplete)})


def _names(table: str) -> Iterator[str]:
    entries = _document().get(table, [])
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("name"), str):
            yield entry["name"]


def _document() -> dict[str, Any]:
    # Whatever is wrong with the file, `rotator config check` says it; a shell that completes is no place for that.
    try:
        text = Path(os.environ.get("ROTATOR_CONFIG", "").strip() or DEFAULT).read_text(encoding="utf-8")
        return tomllib.loads(text)
    except (OSError, ValueError):
        return {}
