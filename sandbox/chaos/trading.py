"""One cell's trader: a thread that reads Vault as a service does and never stops signing."""

import threading
import time
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

import httpx

from config.schema import Credential
from sandbox.stack import Stack
from sandbox.trader import Counts, Source, Trader, VaultReader

REREAD_SECONDS: Final = 1.8
"""Below half of the cells' grace, as the worker's documents ask of services; not more, so that a token that goes early
is missed by somebody."""
PAUSE_SECONDS: Final = 0.1
EMPTY_PAUSE_SECONDS: Final = 0.2
HTTP_SECONDS: Final = 10.0


class Desk:
    """The connections that the traders of a run share, to Vault and to the exchange, past all proxies.

    Args:
        stack: started.
        most: how many traders run at once.
    """

    def __init__(self, stack: Stack, *, most: int) -> None:
        limits = httpx.Limits(max_connections=most + 4, max_keepalive_connections=most + 4)
        self._vault, self._exchange = (
            httpx.Client(base_url=url, timeout=HTTP_SECONDS, trust_env=False, limits=limits)
            for url in (stack.vault.addr, stack.api_url)
        )
        self._private = stack.private

    def close(self) -> None:
        """Close the connections."""
        self._vault.close()
        self._exchange.close()

    def trader(self, credential: Credential) -> "CellTrader":
        """Return a trader of that credential; enter it to let it begin."""
        return CellTrader(self._make(credential))

    def accepts(self, credential: Credential) -> bool:
        """Whether a request signed with what Vault serves right now is accepted."""
        trader = self._make(credential)
        trader.trade()
        return trader.counts.accepted == 1

    def served(self, credential: Credential) -> str | None:
        """Return the id of the token that Vault serves right now, or None; raises httpx.HTTPError."""
        key = self._reader(credential).read()
        return key.token_id if key else None

    def _make(self, credential: Credential) -> Trader:
        read = self._reader(credential).read
        return Trader(read=read, http=self._exchange, reread_seconds=REREAD_SECONDS)

    def _reader(self, credential: Credential) -> VaultReader:
        source = Source(
            credential.name,
            credential.mount,
            credential.path,
            self._private / f"consumer-{credential.name}",
            credential.fields.token_id,
            credential.fields.secret,
        )
        return VaultReader(http=self._vault, source=source)


class CellTrader:
    """Trades in a thread of its own from entering the context until leaving it.

    Args:
        trader: whose turn it is.
    """

    def __init__(self, trader: Trader) -> None:
        self._trader = trader
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="trader", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def counts(self) -> Counts:
        """How it was answered so far."""
        return replace(self._trader.counts)

    def stop(self) -> None:
        """End it, its last request included."""
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            sent = self._trader.trade()
            due = max(due + PAUSE_SECONDS, time.monotonic())
            self._stop.wait(max(0.0, due - time.monotonic()) if sent else EMPTY_PAUSE_SECONDS)
