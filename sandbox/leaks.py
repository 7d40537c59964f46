"""Looks for secrets where none may be: in any bytes, in every form in which they usually travel.

A finding names the secret by its kind and id and says where it was seen; it never holds the secret.
"""

import base64
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from pydantic import SecretStr

MIN_NEEDLE = 16
"""Characters below which a secret cannot be told from chance (and the search below cannot find it)."""

_VAULT_TOKEN = re.compile(rb"(?<![\w.-])(?:hvs|hvb|s|b)\.[A-Za-z0-9_-]{24,}(?![\w-])")
"""What a token of Vault looks like: those that a worker logs in for are known to nobody else."""

_ANCHOR = 8
"""Bytes compared at once. Two of them side by side cover 15 bytes, so no needle can hide between."""


@dataclass(frozen=True, slots=True)
class Needle:
    """One secret to look for. `at_home` are the files in which it lives by design (a token file, say)."""

    name: str
    value: SecretStr
    at_home: frozenset[Path] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A secret that was seen where it must not be."""

    needle: str
    form: str
    where: str

    def __str__(self) -> str:
        return f"{self.needle} ({self.form}) in {self.where}"


def forms(value: str) -> dict[str, set[bytes]]:
    """Return every way the value may be written, by the form's name.

    Raw, URL-encoded (slashes kept or not, either case), JSON-escaped, and each of these inside base64, whose text
    depends on where the value begins: at one of three alignments.
    """
    written = {
        "raw": {value.encode()},
        "url-encoded": {one.encode() for one in _url_encoded(value)},
        "json-escaped": {one.encode() for one in _json_escaped(value)},
    }
    inside = {encoded for texts in written.values() for text in texts for encoded in _inside_base64(text)}
    return {**written, "base64": inside}


def _url_encoded(value: str) -> Iterator[str]:
    for safe in ("", "/", "/+", "="):
        encoded = quote(value, safe=safe)
        yield encoded
        # Hexadecimal digits of escapes may be lower case.
        parts = encoded.split("%")
        yield "%".join([parts[0], *(part[:2].lower() + part[2:] for part in parts[1:])])


def _json_escaped(value: str) -> Iterator[str]:
    plain = json.dumps(value)[1:-1]
    yield plain
    yield plain.replace("/", "\\/")
    yield json.dumps(plain)[1:-1]


def _inside_base64(text: bytes) -> Iterator[bytes]:
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + text).rstrip(b"=")
        # Characters that share bits with a neighbour before or behind the text say nothing certain.
        first = (0, 2, 3)[shift]
        last = len(encoded) - (1 if (shift + len(text)) % 3 else 0)
        certain = encoded[first:last]
        yield certain
        yield certain.translate(bytes.maketrans(b"+/", b"-_"))


class LeakScanner:
    """Searches bytes for any of the needles in any of their forms, and for what is shaped like a token of Vault.

    Args:
        needles: each at least `MIN_NEEDLE` characters long; raises ValueError for a shorter one.
    """

    def __init__(self, needles: Iterable[Needle]) -> None:
        self._needles = tuple(needles)
        # Every form is known by each of its first offsets, so that it is enough to look at every eighth byte.
        self._anchors: Mapping[bytes, set[tuple[Needle, str, bytes, int]]] = defaultdict(set)
        for needle in self._needles:
            value = needle.value.get_secret_value()
            if len(value) < MIN_NEEDLE:
                raise ValueError(f"{needle.name} is too short to be told from chance")
            for form, patterns in forms(value).items():
                for pattern in patterns:
                    for offset in range(_ANCHOR):
                        anchor = pattern[offset : offset + _ANCHOR]
                        self._anchors[anchor].add((needle, form, pattern, offset))

    def scan(self, data: bytes, where: str, *, path: Path | None = None) -> set[Finding]:
        """Return what is seen in the data; needles that are at home in `path` are not reported.

        Text that is shaped like a token of Vault is reported too, wherever no needle is at home.
        """
        found: set[Finding] = set()
        if not any(path in needle.at_home for needle in self._needles) and _VAULT_TOKEN.search(data):
            found.add(Finding("something shaped like a Vault token", "raw", where))
        for start in range(0, len(data) - _ANCHOR + 1, _ANCHOR):
            for needle, form, pattern, offset in self._anchors.get(data[start : start + _ANCHOR], ()):
                begin = start - offset
                if begin >= 0 and path not in needle.at_home and data.startswith(pattern, begin):
                    found.add(Finding(needle.name, form, where))
        return found

    def scan_files(self, folder: Path, *, without: Iterable[Path] = ()) -> set[Finding]:
        """Return what is seen in the names and contents of all files below the folder, leaving out those subtrees."""
        left_out = tuple(without)
        found: set[Finding] = set()
        for path in sorted(folder.rglob("*")):
            if any(path.is_relative_to(one) for one in left_out):
                continue
            where = f"file {path.relative_to(folder)}"
            found |= self.scan(str(path).encode(), f"the name of {where}")
            if path.is_file() and not path.is_symlink():
                found |= self.scan(_content(path), where, path=path)
        return found


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:  # a temporary file that was renamed meanwhile
        return b""
