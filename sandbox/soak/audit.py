"""Whether everything is as it must be at one moment, judged from the exchange's ledger and what Vault holds. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from sandbox.exchange.records import TokenEntry
from sandbox.inspection import Holding, orphans
from worker.journal import Journal, RecordState


@dataclass(frozen=True, slots=True)
class Audit:
    """What is wrong, in sentences; all empty when nothing is.

    Attributes:
        lost: live tokens that the journal counts on, although their secret is nowhere in Vault.
        orphans: other live tokens whose secret is nowhere in Vault.
        untidy: what is not closed, not served, not live, or one too many.
    """

    lost: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()
    untidy: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.orphans or self.untidy)

    @property
    def sentences(self) -> tuple[str, ...]:
        """Everything that is wrong."""
        return (*self.lost, *self.orphans, *self.untidy)


def audit(tokens: Iterable[TokenEntry], secrets: Mapping[str, SecretStr], holdings: Mapping[str, Holding]) -> Audit:
    """Return what is wrong.

    Args:
        tokens: every token ever issued, read before the holdings.
        secrets: the secret of each.
        holdings: what Vault holds, by credential.
    """
    known = tuple(tokens)
    nowhere = orphans(known, secrets, holdings.values())
    counted_on = {token_id for one in holdings.values() for token_id in _counted_on(one.journal)}
    return Audit(
        lost=tuple(
            f"the secret of {_name(one)} is lost while its token is live"
            for one in nowhere
            if one.token_id in counted_on
        ),
        orphans=tuple(f"orphan {_name(one)} is alive" for one in nowhere if one.token_id not in counted_on),
        untidy=tuple(sentence for name, holding in holdings.items() for sentence in _untidy(name, holding, known)),
    )


def _counted_on(journal: Journal | None) -> Iterator[str]:
    if journal is None:
        return
    if journal.intent is not None and journal.intent.token is not None:
        yield journal.intent.token.token_id
    for record in journal.ledger:
        if record.state in {RecordState.CURRENT, RecordState.SUPERSEDED} and record.token_id is not None:
            yield record.token_id


def _untidy(name: str, holding: Holding, tokens: Iterable[TokenEntry]) -> Iterator[str]:
    journal = holding.journal
    if journal is None or journal.current is None:
        yield f"{name} has no current token"
        return
    if journal.intent is not None:
        yield f"{name}: rotation {journal.intent.rotation_id} is still open"
    current = journal.current
    if f'"{current.token_id}"' not in holding.served:
        yield f"{name}: the path does not serve the journal's current token"
    live = {token.token_id for token in tokens if token.live and (token.label or "").startswith(f"{name}/")}
    if current.token_id not in live:
        yield f"{name}: the token that services are served is not live"
    superseded = {one.token_id for one in journal.ledger if one.state is RecordState.SUPERSEDED}
    if len(live & superseded) > 1:
        yield f"{name}: {len(live & superseded)} superseded tokens are live, not at most one"
    for token_id in live - superseded - {current.token_id}:
        yield f"{name}: token {token_id} is live, and neither current nor superseded"


def _name(token: TokenEntry) -> str:
    return token.label or token.token_id
