"""Reads the TOML file; whatever can be wrong with a file becomes a mistake."""

import tomllib
from pathlib import Path
from typing import Any

from config.tables import Place


def read_toml(path: Path, place: Place) -> dict[str, Any] | None:
    """Return the file's content, or None having added why it cannot be read to the place."""
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except tomllib.TOMLDecodeError as exc:
        place.at("syntax").add(str(exc), "Correct the TOML there; keys below it were not looked at")
    except UnicodeDecodeError as exc:
        place.add(f"is not UTF-8 text (byte {exc.start})", "Name a TOML file in ROTATOR_CONFIG")
    except FileNotFoundError:
        place.add("does not exist", "Copy config/rotator.example.toml there, or name another file in ROTATOR_CONFIG")
    except IsADirectoryError:
        place.add("is a folder", "Name the TOML file itself in ROTATOR_CONFIG")
    except (OSError, ValueError, RecursionError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else "its path or content is malformed"
        place.add(f"cannot be read: {reason}", "Let the worker's user read it, or name another file in ROTATOR_CONFIG")
    return None
