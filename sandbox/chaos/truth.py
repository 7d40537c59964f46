"""What was read of one credential: its journal, what is served, and the exchange's ledger. Pure."""

from dataclasses import dataclass

from sandbox.exchange.records import TokenEntry
from worker.journal import Journal


@dataclass(frozen=True, slots=True)
class Truth:
    """What was read of one credential.

    Attributes:
        journal: the worker's record, if there is one.
        served: the id of the token at the consumers' path, if there is one.
        tokens: every token that the exchange ever issued to the account, oldest first.
        paused: whether the account's ledger has a pause of the credential.
        doubted: whether it has a list that is not believed.
    """

    journal: Journal | None
    served: str | None
    tokens: tuple[TokenEntry, ...]
    paused: bool = False
    doubted: bool = False

    @property
    def promotions(self) -> int:
        """How many tokens were ever promoted, by the journal."""
        return sum(1 for record in self.journal.ledger if record.promoted_at) if self.journal else 0

    @property
    def live(self) -> frozenset[str]:
        """The ids of the tokens that the exchange accepts now."""
        return frozenset(token.token_id for token in self.tokens if token.live)
