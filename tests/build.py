"""Facts for tests of pure decisions: one credential at a fixed noon, healthy unless a test says otherwise."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from config.schema import Account, Credential, Freeze, Policy
from worker.account_ledger import AccountLedger, VersionedLedger
from worker.journal import Intent, Journal, RecordState, StagedToken, TokenRecord, VerifyWindow, VersionedJournal
from worker.models import ConsumersPath, ListedToken, PathContent, ServedDocument, TokenList
from worker.policy.facts import AccountFacts, AccountState, CredentialFacts

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
MOUNT, PATH = "trading", "limitless/mm"


def ago(**span: float) -> datetime:
    """Return the moment that long before noon."""
    return NOON - timedelta(**span)


def credential(policy: Policy | None = None, name: str = "mm") -> Credential:
    return Credential(name=name, account="main", mount=MOUNT, path=f"limitless/{name}", policy=policy or Policy())


def record(
    number: int,
    state: RecordState,
    *,
    promoted: datetime | None = None,
    superseded: datetime | None = None,
    derived: datetime | None = None,
    **more: object,
) -> TokenRecord:
    born = derived or promoted or ago(days=1)
    window = VerifyWindow(opened_at=born, closed_at=born + timedelta(seconds=2))
    fields: dict[str, object] = {
        "rotation_id": f"r{number}",
        "label": f"mm/r{number}",
        "state": state,
        "token_id": f"t{number}",
        "derived_at": born,
        "promoted_at": promoted,
        "superseded_at": superseded,
        "windows": (window,),
    }
    return TokenRecord.model_validate({**fields, **more})


def journal(*records: TokenRecord, intent: Intent | None = None, sequence: int = 40, **more: object) -> Journal:
    base = Journal(credential="mm", account="main", mount=MOUNT, path=PATH, sequence=sequence, intent=intent)
    return base.model_copy(update={"ledger": records, **more})


def intent(
    number: int = 9, *, opened: datetime | None = None, staged: bool = False, expected_version: int = 5
) -> Intent:
    opened = opened or ago(seconds=30)
    token = StagedToken(
        token_id=f"t{number}", secret=SecretStr("c3RhZ2Vk"), scopes=("trading",), derived_at=opened, staged_at=opened
    )
    return Intent(
        rotation_id=f"r{number}",
        label=f"mm/r{number}",
        reason="period_reached",
        opened_at=opened,
        expected_version=expected_version,
        scopes=("trading",),
        token=token if staged else None,
        windows=(VerifyWindow(opened_at=opened),) if staged else (),
    )


def served(number: int, *, version: int = 5, sequence: int = 39) -> ConsumersPath:
    document = ServedDocument(
        token_id=f"t{number}",
        secret=SecretStr("c3RhZ2Vk"),
        scopes=("trading",),
        label=f"mm/r{number}",
        account="main",
        api_url="https://api.limitless.exchange",
        derived_at=ago(days=1),
        promoted_at=ago(days=1),
        rotation_id=f"r{number}",
        sequence=sequence,
    )
    return ConsumersPath(version, ago(days=1), PathContent.DOCUMENT, document)


AHEAD_ID = "newer" * 4
"""A rotation id of the form that real ones have, which no journal here knows."""


def ahead(number: int, *, sequence: int = 90, version: int = 5) -> ConsumersPath:
    """Return a path that serves that token by a rotation which the journal does not know: it was restored, or lost."""
    at_path = served(number, version=version, sequence=sequence)
    assert at_path.document is not None
    document = replace(at_path.document, label=f"mm/{AHEAD_ID}", rotation_id=AHEAD_ID)
    return replace(at_path, document=document)


def path(content: PathContent, version: int = 0) -> ConsumersPath:
    return ConsumersPath(version, None, content)


def state(ledger: AccountLedger | None = None, *freezes: Freeze) -> AccountState:
    return AccountState(VersionedLedger(3, ledger or AccountLedger(account="main")), freezes)


def facts(
    of_journal: Journal | None,
    at_path: ConsumersPath | None,
    *,
    policy: Policy | None = None,
    unreadable: str | None = None,
) -> CredentialFacts:
    versioned = VersionedJournal(7, of_journal) if of_journal else None
    return CredentialFacts(credential(policy), versioned, at_path, unreadable, None if unreadable else state())


def listed(
    number: int, *, used: datetime | None = None, label: str | None = None, token_id: str | None = None
) -> ListedToken:
    return ListedToken(
        token_id=token_id or f"t{number}",
        label=label or f"mm/r{number}",
        scopes=("trading",),
        created_at=ago(days=1),
        last_used_at=used,
    )


def account(
    *credentials: CredentialFacts,
    tokens: tuple[ListedToken, ...] | None = (),
    exchange_time: datetime | None = NOON,
    vault_time: datetime | None = NOON,
    ledger: AccountLedger | None = None,
    settings: Account | None = None,
) -> AccountFacts:
    state_now = state(ledger)
    credentials = tuple(one if one.unreadable else replace(one, state=state_now) for one in credentials)
    return AccountFacts(
        settings=settings or Account(name="main"),
        state=state_now,
        tokens=None if tokens is None else TokenList(tokens, exchange_time),
        list_error="the exchange is away" if tokens is None else None,
        listed_at=NOON,
        vault_time=vault_time,
        vault_read_at=NOON,
        credentials=credentials,
    )
