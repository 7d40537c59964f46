"""A trading service in small: reads its credential from Vault, trades without pause, and counts how it is answered.

It stands for the services that the rotator must never hurt, so it shares no code with the worker: it signs by itself,
knows nothing but Vault and the exchange, and hides nothing. A refused request is counted before anything else is done
about it.
"""

import argparse
import base64
import hashlib
import hmac
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

import httpx
from pydantic import SecretStr

from sandbox.trader_status import Counts, Rejection, Status, read_status, write_status

__all__ = [
    "Counts",
    "Key",
    "Rejection",
    "Source",
    "Status",
    "Trader",
    "VaultReader",
    "main",
    "parse_source",
    "read_status",
    "sign",
    "write_status",
]

log = logging.getLogger("trader")

ORDER = b'{"market":"BTC-UP","side":"BUY","size":1,"note":"na\xc3\xafve"}'
CALLS = (("POST", "/orders", ORDER), ("GET", "/profiles/me", b""), ("POST", "/orders", ORDER))
HTTP_SECONDS = 5.0
WAIT_SECONDS = 0.5
REFUSED = {401, 403}


@dataclass(frozen=True, slots=True)
class Source:
    """Where one credential is read: `mount/path` in Vault, with the token in a file, under these field names."""

    name: str
    mount: str
    path: str
    token_file: Path
    token_id_field: str = "token_id"  # noqa: S105 - a field's name
    secret_field: str = "secret"  # noqa: S105 - a field's name


@dataclass(frozen=True, slots=True)
class Key:
    """A credential as read from Vault."""

    token_id: str
    secret: SecretStr


def sign(secret: SecretStr, timestamp: str, method: str, path: str, body: bytes) -> str:
    """Return the base64 HMAC-SHA256 over the exact bytes that are sent; `secret` is base64."""
    message = b"\n".join((timestamp.encode(), method.encode(), path.encode(), body))
    return base64.b64encode(hmac.digest(base64.b64decode(secret.get_secret_value()), message, hashlib.sha256)).decode(
        "ascii"
    )


def headers(key: Key, method: str, path: str, body: bytes, now: datetime) -> dict[str, str]:
    """Return the headers of a signed request."""
    timestamp = now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    signed = {
        "lmts-api-key": key.token_id,
        "lmts-timestamp": timestamp,
        "lmts-signature": sign(key.secret, timestamp, method, path, body),
    }
    return {**signed, "content-type": "application/json"} if body else signed


class VaultReader:
    """Reads one credential from KV v2 with a consumer's token.

    Args:
        http: with Vault's address as its base URL.
        source: which one.
    """

    def __init__(self, *, http: httpx.Client, source: Source) -> None:
        self._http = http
        self._source = source

    def read(self) -> Key | None:
        """Return what is served now, None while nothing is; raises httpx.HTTPError or OSError when Vault cannot say."""
        token = self._source.token_file.read_text(encoding="ascii").strip()
        answer = self._http.get(f"/v1/{self._source.mount}/data/{self._source.path}", headers={"X-Vault-Token": token})
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        answer.raise_for_status()
        data = answer.json()["data"]["data"]
        try:
            return Key(data[self._source.token_id_field], SecretStr(data[self._source.secret_field]))
        except (KeyError, TypeError):
            return None


class Trader:
    """One credential at work: cached between reads, re-read every few seconds and after a refusal.

    Args:
        read: returns the credential that Vault serves now, or None.
        http: with the exchange's address as its base URL.
        reread_seconds: how long a credential is used before Vault is asked again.
        monotonic: seconds that never jump.
        now: the time for the signatures.
    """

    def __init__(
        self,
        *,
        read: Callable[[], Key | None],
        http: httpx.Client,
        reread_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._read = read
        self._http = http
        self._reread_seconds = reread_seconds
        self._monotonic = monotonic
        self._now = now
        self._key: Key | None = None
        self._read_at: float | None = None
        self._calls = cycle(CALLS)
        self.counts = Counts()

    def trade(self) -> bool:
        """Send one signed request and count the answer; return False when there is no credential to sign with yet."""
        key = self._credential()
        if key is None:
            return False
        method, path, body = next(self._calls)
        signed = headers(key, method, path, body, self._now())
        try:
            status = self._http.request(method, path, content=body or None, headers=signed).status_code
        except httpx.HTTPError:
            self.counts.failed += 1
            return True
        if status in REFUSED:
            self.counts.rejected += 1
            log.warning("%s %s with token %s was refused: %s", method, path, key.token_id, status)
            self.counts.last_rejection = Rejection(self._now().isoformat(), key.token_id, status, f"{method} {path}")
            self._read_at = None
        elif httpx.codes.is_success(status):
            self.counts.accepted += 1
        else:
            self.counts.failed += 1
        return True

    def _credential(self) -> Key | None:
        now = self._monotonic()
        if self._read_at is not None and now - self._read_at < self._reread_seconds:
            return self._key
        try:
            fresh = self._read()
        except (httpx.HTTPError, OSError, ValueError, KeyError):
            # As a service would: what it holds is good until the exchange says otherwise.
            self.counts.vault_failures += 1
            return self._key
        self.counts.vault_reads += 1
        if fresh is None:
            return self._key
        self._read_at = now
        if self._key is not None and fresh.token_id != self._key.token_id:
            self.counts.token_switches += 1
            log.info("token %s is replaced by %s", self._key.token_id, fresh.token_id)
        self._key = fresh
        self.counts.token_id = fresh.token_id
        return self._key


def parse_source(text: str) -> Source:
    """Return the source in `NAME:MOUNT/PATH:TOKEN_FILE[:TOKEN_ID_FIELD:SECRET_FIELD]`, or raise ArgumentTypeError."""
    name, _, rest = text.partition(":")
    location, *others = rest.split(":")
    mount, _, path = location.partition("/")
    if not (name and mount and path and len(others) in {1, 3} and all(others)):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME:MOUNT/PATH:TOKEN_FILE[:TOKEN_ID_FIELD:SECRET_FIELD]")
    return Source(name, mount, path, Path(others[0]), *others[1:])


def _work(trader: Trader, stop: threading.Event, seconds_between: float) -> None:
    due = time.monotonic()
    while not stop.is_set():
        sent = trader.trade()
        # A request that took longer than its turn is not made up for: a service does not burst either.
        due = max(due + seconds_between, time.monotonic())
        stop.wait(max(0.0, due - time.monotonic()) if sent else WAIT_SECONDS)


def _asked_to_stop() -> list[int]:
    """Return a list to which the signals that ask us to end are appended; handlers do nothing more, on purpose."""
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: asked.append(received))
    return asked


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.trader",
        description="Reads credentials from Vault as a service would and sends signed requests until told to stop.",
    )
    parser.add_argument("--vault-addr", default=os.environ.get("VAULT_ADDR"), help="default: VAULT_ADDR")
    parser.add_argument("--api-url", default=os.environ.get("LIMITLESS_API_URL"), help="default: LIMITLESS_API_URL")
    parser.add_argument(
        "--credential",
        action="append",
        required=True,
        type=parse_source,
        metavar="NAME:MOUNT/PATH:TOKEN_FILE[:TOKEN_ID_FIELD:SECRET_FIELD]",
        help="what to read, and the file with the Vault token that may read it; repeat for more credentials",
    )
    parser.add_argument("--status-file", type=Path, help="where to write the counts, once a second and at the end")
    parser.add_argument("--reread", type=float, default=5.0, metavar="SECONDS", help="re-read Vault this often (5)")
    parser.add_argument("--rate", type=float, default=20.0, help="requests a second for each credential (20)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Trade until SIGTERM or SIGINT, then write the final counts; return 0, or 1 when something in here broke."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if not options.vault_addr or not options.api_url or options.rate <= 0 or options.reread <= 0:
        parser.error("--vault-addr (VAULT_ADDR) and --api-url (LIMITLESS_API_URL) are needed; rates are above zero")
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    asked = _asked_to_stop()
    with (
        httpx.Client(base_url=options.vault_addr, timeout=HTTP_SECONDS, trust_env=False) as vault,
        httpx.Client(base_url=options.api_url, timeout=HTTP_SECONDS, trust_env=False) as exchange,
    ):
        traders = {
            source.name: Trader(
                read=VaultReader(http=vault, source=source).read, http=exchange, reread_seconds=options.reread
            )
            for source in options.credential
        }
        stop = threading.Event()
        threads = [
            threading.Thread(target=_work, args=(trader, stop, 1 / options.rate), name=name)
            for name, trader in traders.items()
        ]
        for thread in threads:
            thread.start()
        while not asked and all(thread.is_alive() for thread in threads):
            time.sleep(WAIT_SECONDS)
            _report(options.status_file, traders)
        stop.set()
        for thread in threads:
            thread.join()
        _report(options.status_file, traders)
    return 0 if asked else 1


def _report(status_file: Path | None, traders: dict[str, Trader]) -> None:
    counts = {name: trader.counts for name, trader in traders.items()}
    if status_file is not None:
        write_status(status_file, counts, datetime.now(UTC))


if __name__ == "__main__":
    sys.exit(main())
