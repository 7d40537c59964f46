"""Which Vault paths may be used, and which collide."""

import re
from collections.abc import Sequence

from config.schema import Credential, VaultLayout
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


def check_layout(layout: VaultLayout, place: Place) -> bool:
    """Return whether every mount and prefix of the layout may be used, having added each mistake."""
    keys = ("mount", "path_prefix", "journal_mount", "journal_prefix")
    usable = [check_path(getattr(layout, key), place.at(key)) for key in keys]
    return all(usable)


def check_collisions(credentials: Sequence[tuple[Credential, Place]], layout: VaultLayout) -> None:
    """Add a mistake for each path that two credentials share, and for each that the journals' folder overlaps.

    A path that lies below another (`desk` and `desk/one`) is fine: in KV v2 these are two secrets.
    """
    journal = f"{layout.journal_mount}/{layout.journal_prefix}"
    owners: dict[str, str] = {}
    for credential, place in credentials:
        full = f"{credential.mount}/{credential.path}"
        if full in owners:
            place.at("path").add(
                f"{full} belongs to credential {owners[full]} already", "Give each credential a Vault path of its own"
            )
        owners.setdefault(full, credential.name)
        if _overlap(full, journal):
            place.at("path").add(
                f"{full} overlaps the journals at {journal}, which the trading services must not read",
                "Choose another path, or set vault.journal_mount to a mount of its own",
            )


def _overlap(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")
