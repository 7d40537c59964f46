"""Takes down, while the soak runs, what the exchange was asked and what the journals say was promoted."""

import threading
from collections import Counter
from collections.abc import Iterable

import httpx

from sandbox.client import ControlClient
from sandbox.exchange.records import Fault, RequestEntry
from sandbox.inspection import ORDERS, VaultInspector
from sandbox.soak.measure import Promotion

LOOK_SECONDS = 3.0
_REFUSED = frozenset({401, 403})


class Chronicle:
    """Looks every few seconds in a thread of its own, so that a server that hangs holds nobody up but itself.

    Whatever cannot be read now is read later: the exchange keeps its ledger, the journals theirs.

    Args:
        control: of the exchange.
        inspector: of Vault; used by nobody else.
    """

    def __init__(self, *, control: ControlClient, inspector: VaultInspector) -> None:
        self._control = control
        self._inspector = inspector
        self._seq = 0
        self._stop = threading.Event()
        self.requests = 0
        self.refused: list[RequestEntry] = []
        self.traded: set[str] = set()
        self.faults: Counter[Fault] = Counter()
        self.promotions: set[Promotion] = set()
        self._thread = threading.Thread(target=self._watch, name="chronicle", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()
        self._thread.join()

    def look(self) -> None:
        """Take down what is new; raises httpx.HTTPError when the exchange or Vault cannot say."""
        self._note(self._control.requests(after=self._seq))
        for name, journal in self._inspector.journals().items():
            self.promotions |= {
                Promotion(name, one.promoted_at, one.rotation_id)
                for one in (journal.ledger if journal else ())
                if one.promoted_at is not None
            }

    def _note(self, entries: Iterable[RequestEntry]) -> None:
        for entry in entries:
            self._seq = max(self._seq, entry.seq)
            self.faults.update(entry.faults)
            if entry.call in ORDERS:
                self.requests += 1
                if entry.status in _REFUSED:
                    self.refused.append(entry)
                elif entry.token_id is not None:
                    self.traded.add(entry.token_id)

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            try:
                self.look()
            except httpx.HTTPError:
                continue
