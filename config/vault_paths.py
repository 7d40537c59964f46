"""Which Vault paths may be used, and which collide."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from config.mistakes import shown
from config.schema import VaultLayout
from config.tables import Place

_SEGMENT = re.compile(r"[A-Za-z0-9._-]+")


def check_path(path: str, place: Place) -> bool:
    """Return whether a mount or path may be used, else False with the mistake added to the place."""
    segments = path.split("/")
    if all(_SEGMENT.fullmatch(one) and one.strip(".") for one in segments):
        return True
    place.add(
        "is not a Vault path",
        "Write segments of letters, digits, '.', '_' and '-' joined by '/', without a '/' at either end",
    )
    return False


def check_layout(layout: VaultLayout, place: Place) -> None:
    """Add a mistake for each mount or prefix of the layout that may not be used."""
    for key in ("mount", "path_prefix", "journal_mount", "journal_prefix", "account_prefix"):
        check_path(getattr(layout, key), place.at(key))
    if _overlap(layout.account_prefix, layout.journal_prefix):
        place.at("account_prefix").add(
            f"{shown(layout.account_prefix)} overlaps journal_prefix, {shown(layout.journal_prefix)}",
            "Give the account ledgers a folder of their own",
        )


@dataclass(frozen=True, slots=True)
class Claim:
    """A consumers' path that a credential lays claim to, and where the file says so."""

    owner: str
    full_path: str
    place: Place


def check_collisions(claims: Iterable[Claim], layout: VaultLayout) -> None:
    """Add a mistake for each path that two credentials share, and for each that a folder of the worker's overlaps.

    A path that lies below another (`desk` and `desk/one`) is fine: in KV v2 these are two secrets.

    Args:
        claims: in the file's order.
        layout: says where journals and account ledgers are.
    """
    owners: dict[str, str] = {}
    folders = {
        "journals": f"{layout.journal_mount}/{layout.journal_prefix}",
        "account ledgers": f"{layout.journal_mount}/{layout.account_prefix}",
    }
    for claim in claims:
        owner = owners.setdefault(claim.full_path, claim.owner)
        # Who repeats a whole entry has made one mistake, and it is told at the name.
        if owner != claim.owner:
            claim.place.at("path").add(
                f"{claim.full_path} belongs to credential {owner} already", "Give each credential a path of its own"
            )
        what = next((one for one, folder in folders.items() if _overlap(claim.full_path, folder)), None)
        if what is not None:
            claim.place.at("path").add(
                f"{claim.full_path} overlaps the {what} at {folders[what]}, which the trading services must not read",
                "Choose another path, or set vault.journal_mount to a mount of its own",
            )


def _overlap(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")
