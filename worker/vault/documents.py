"""What the worker writes to Vault and how it reads it back: pure translations between documents and facts."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from config.schema import FieldNames
from worker.account_ledger import AccountLedger
from worker.errors import VaultDocumentError
from worker.journal import Journal
from worker.models import PathContent, PathLocation, ServedDocument

WRITE_ID: Final = "write_id"
"""The field that names one attempt to write; the only proof that an attempt landed."""

_COPY: Final = "copy-"
"""What the write id of people's data begins with when we wrote it once more: it stays theirs."""

_OUR_WRITE_ID: Final = re.compile(r"[0-9a-f]{32}")
"""A random UUID in hex, as `worker.vault.kv` makes them."""

_TOMBSTONE: Final = "tombstone"
_JOURNAL: Final = "journal"
_LEDGER: Final = "ledger"


_LONGEST = 1_000
"""Characters of a text in a served document, far beyond what we write: it ends up in sentences and in the account
ledger, so whoever writes a consumers' path must not fill that with it."""


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time that is none in UTC") from None


_Text = Annotated[str, Field(max_length=_LONGEST)]
_Id = Annotated[str, Field(min_length=1, max_length=_LONGEST)]
_Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class _Served(BaseModel):
    # A person may add a field of their own to a served document: it stays ours.
    model_config = ConfigDict(frozen=True, extra="ignore")

    token_id: _Id
    secret: SecretStr = Field(min_length=1)
    scopes: tuple[_Text, ...] = Field(max_length=_LONGEST)
    label: _Text
    account: _Text
    api_url: _Text
    derived_at: _Moment
    promoted_at: _Moment
    rotation_id: _Text
    sequence: int = Field(ge=0, lt=2**53)
    write_id: str


class _Bare(BaseModel):
    # A secret that people put there: the two fields that services need, whatever else they keep beside them.
    model_config = ConfigDict(frozen=True, extra="ignore")

    token_id: _Id
    secret: SecretStr = Field(min_length=1)


_UNKNOWN_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)

_OTHER_FIELDS: Final = frozenset(_Served.model_fields) - {"token_id", "secret"} | {_TOMBSTONE}


def check_field_names(fields: FieldNames) -> None:
    """Raise ValueError when these names would make two fields of a served document one."""
    names = (fields.token_id, fields.secret)
    if names[0] == names[1] or _OTHER_FIELDS.intersection(names):
        raise ValueError(
            f"the field names {names[0]!r} and {names[1]!r} collide with each other or with our own fields"
        )


def served_data(document: ServedDocument, fields: FieldNames) -> dict[str, Any]:
    """Return the JSON-ready data of a served document, the secret in the clear: for Vault and nothing else."""
    return {
        fields.token_id: document.token_id,
        fields.secret: document.secret.get_secret_value(),
        "scopes": list(document.scopes),
        "label": document.label,
        "account": document.account,
        "api_url": document.api_url,
        "derived_at": _iso(document.derived_at),
        "promoted_at": _iso(document.promoted_at),
        "rotation_id": document.rotation_id,
        "sequence": document.sequence,
    }


def tombstone_data() -> dict[str, Any]:
    """Return the data that fences a path which had nothing to serve."""
    return {_TOMBSTONE: True}


def copied_data(data: Mapping[str, Any] | None, fresh: str) -> dict[str, Any]:
    """Return that data as it is written once more: unchanged but for its write id, which tells ours from people's.

    Args:
        data: None for a version that serves nothing any more; its copy is a tombstone.
        fresh: a write id that was never used.
    """
    if data is None:
        return {**tombstone_data(), WRITE_ID: fresh}
    return {**data, WRITE_ID: fresh if _is_write_id(data.get(WRITE_ID)) else f"{_COPY}{fresh}"}


def parse_served(data: Mapping[str, Any] | None, fields: FieldNames) -> tuple[PathContent, ServedDocument | None]:
    """Return what a version's data is, with the document when services can use it.

    One without a write id of our form was put there by people, and so was what a fence copied of theirs: its two fields
    alone count, its label and rotation id are empty and its sequence is 0, so that it can be adopted and is never
    mistaken for ours.

    Args:
        data: None for a deleted or destroyed version.
        fields: the names of the two fields that services feed to their client.
    """
    if data is None:
        return PathContent.FOREIGN, None
    ours = _is_write_id(data.get(WRITE_ID))
    if data.get(_TOMBSTONE) is True and ours:
        return PathContent.TOMBSTONE, None
    renamed = {
        **{name: value for name, value in data.items() if name in _OTHER_FIELDS},
        "token_id": data.get(fields.token_id),
        "secret": data.get(fields.secret),
    }
    if not ours:
        return _parse_bare(renamed)
    try:
        served = _Served.model_validate(renamed)
    except ValidationError:
        return PathContent.FOREIGN, None
    return PathContent.DOCUMENT, ServedDocument(
        token_id=served.token_id,
        secret=served.secret,
        scopes=served.scopes,
        label=served.label,
        account=served.account,
        api_url=served.api_url,
        derived_at=served.derived_at,
        promoted_at=served.promoted_at,
        rotation_id=served.rotation_id,
        sequence=served.sequence,
    )


def _is_write_id(value: object) -> bool:
    return isinstance(value, str) and _OUR_WRITE_ID.fullmatch(value) is not None


def _parse_bare(renamed: Mapping[str, Any]) -> tuple[PathContent, ServedDocument | None]:
    try:
        bare = _Bare.model_validate({name: renamed[name] for name in ("token_id", "secret")})
    except ValidationError:
        return PathContent.FOREIGN, None
    return PathContent.DOCUMENT, ServedDocument(
        token_id=bare.token_id,
        secret=bare.secret,
        scopes=(),
        label="",
        account="",
        api_url="",
        derived_at=_UNKNOWN_TIME,
        promoted_at=_UNKNOWN_TIME,
        rotation_id="",
        sequence=0,
    )


def holds(data: Mapping[str, Any] | None, value: str) -> bool:
    """Whether that version's data has that token id, or secret, in any field: field names may have been set anew."""
    return data is not None and value in data.values()


def journal_data(journal: Journal) -> dict[str, Any]:
    """Return the JSON-ready data of a journal, a staged secret in the clear: for Vault and nothing else.

    The journal is one string of JSON: OpenBao refuses a request of more than 1,000 strings (names count, too), which
    a ledger would reach within a year, and HashiCorp's Vault has similar bounds.
    """
    return {_JOURNAL: json.dumps(journal.to_document(), separators=(",", ":"))}


def parse_journal(data: Mapping[str, Any] | None, where: PathLocation) -> Journal:
    """Return the journal in a version's data.

    Args:
        data: None for a deleted or destroyed version.
        where: the journal's own path, for the message.

    Raises:
        VaultDocumentError: it was deleted, is damaged, or has a schema that this worker does not know.
    """
    if data is None:
        raise VaultDocumentError(
            f"The journal at {where} was deleted or destroyed. It alone knows which tokens are ours: undelete it or "
            "restore it from a backup; until then nothing is derived or revoked for its credential."
        )
    return _parse(Journal, data.get(_JOURNAL), f"journal at {where}", "credential")


def account_ledger_data(ledger: AccountLedger) -> dict[str, Any]:
    """Return the JSON-ready data of an account ledger: one string of JSON, as a journal's."""
    return {_LEDGER: json.dumps(ledger.to_document(), separators=(",", ":"))}


def parse_account_ledger(data: Mapping[str, Any] | None, where: PathLocation) -> AccountLedger:
    """Return the account ledger in a version's data; raises VaultDocumentError as `parse_journal` does."""
    if data is None:
        raise VaultDocumentError(
            f"The account ledger at {where} was deleted or destroyed. It knows pauses, freezes and the last list: "
            "undelete it; until then nothing is derived or revoked for its account."
        )
    return _parse(AccountLedger, data.get(_LEDGER), f"account ledger at {where}", "account")


D = TypeVar("D", bound=BaseModel)


def _parse(model: type[D], text: object, what: str, whose: str) -> D:
    document = _decoded(text)
    if isinstance(document, dict) and (schema := document.get("schema_version")) != 1:
        raise VaultDocumentError(
            f"The {what} has schema version {schema!r:.20}, and this worker knows only 1: it was written by another "
            f"release. Run that release; this one leaves the {whose} alone."
        )
    try:
        return model.model_validate(document)
    except ValidationError as exc:
        # The error's text quotes what it could not read, and that may be a staged secret.
        fields = sorted({".".join(str(part) for part in error["loc"]) or "document" for error in exc.errors()})
    raise VaultDocumentError(
        f"The {what} is damaged ({', '.join(fields[:5])}). Restore it from a backup; until then nothing is derived or "
        f"revoked for its {whose}."
    )


def _decoded(text: object) -> object:
    try:
        return json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
