"""The exchange's documents: tolerant of what we do not know, strict about what we need.

A body can hold a secret, so nothing here quotes one: errors name fields only, and are raised outside of `except`, for
the libraries' exceptions carry the body.
"""

import json
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError
from pydantic.functional_validators import WrapValidator

from worker.models import Capabilities, DerivedToken, ListedToken, Profile

T = TypeVar("T")


class WireFormatError(ValueError):
    """A body is not the document that the interface promises; the text says where it differs."""


def _as_utc(moment: datetime) -> datetime:
    # The interface promises UTC, so a time without a zone is one in UTC.
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("a time that is none in UTC") from None


def _none_if_invalid(value: Any, handler: Any) -> Any:
    try:
        return handler(value)
    except ValidationError:
        return None


_Utc = Annotated[datetime, AfterValidator(_as_utc)]
_Id = Annotated[str, Field(min_length=1)]
_Dispensable = WrapValidator(_none_if_invalid)


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class _WireToken(_Wire):
    token_id: _Id = Field(alias="tokenId")
    label: str | None = None
    scopes: tuple[str, ...]
    created_at: _Utc = Field(alias="createdAt")
    last_used_at: _Utc | None = Field(default=None, alias="lastUsedAt")


class _WireProfile(_Wire):
    profile_id: Annotated[int | None, _Dispensable] = Field(default=None, alias="id")
    address: Annotated[str | None, _Dispensable] = Field(default=None, alias="account")


class _WireDerived(_Wire):
    # The secret is shown this once: whatever can be done without must not cost us the token.
    token_id: _Id = Field(validation_alias=AliasChoices("tokenId", "apiKey"))
    secret: Annotated[SecretStr, Field(min_length=1)]
    scopes: Annotated[tuple[str, ...] | None, _Dispensable] = None
    created_at: Annotated[_Utc | None, _Dispensable] = Field(default=None, alias="createdAt")
    profile: Annotated[_WireProfile | None, _Dispensable] = None


class _WireCapabilities(_Wire):
    partner_profile_id: int = Field(alias="partnerProfileId")
    token_management_enabled: bool = Field(alias="tokenManagementEnabled")
    allowed_scopes: tuple[str, ...] = Field(alias="allowedScopes")


_TOKENS = TypeAdapter(tuple[_WireToken, ...], config=ConfigDict(hide_input_in_errors=True))
_DERIVED = TypeAdapter(_WireDerived)
_CAPABILITIES = TypeAdapter(_WireCapabilities)
_OBJECT = TypeAdapter(dict[str, Any], config=ConfigDict(hide_input_in_errors=True))


def read_tokens(body: bytes) -> tuple[ListedToken, ...]:
    """Return the tokens of a list answer, or raise WireFormatError: half a list is no list."""
    return tuple(
        ListedToken(
            token_id=one.token_id,
            label=one.label,
            scopes=one.scopes,
            created_at=one.created_at,
            last_used_at=one.last_used_at,
        )
        for one in _read(_TOKENS, body)
    )


def read_derived(body: bytes, *, asked_scopes: tuple[str, ...], received_at: datetime) -> DerivedToken:
    """Return the derived token, or raise WireFormatError when its id or its secret is not there.

    Args:
        body: of the 201 answer.
        asked_scopes: stand in for scopes that the answer does not state.
        received_at: stands in for a creation time that the answer does not state.
    """
    derived = _read(_DERIVED, body)
    profile = derived.profile or _WireProfile()
    return DerivedToken(
        token_id=derived.token_id,
        secret=derived.secret,
        scopes=asked_scopes if derived.scopes is None else derived.scopes,
        created_at=derived.created_at or received_at,
        profile=Profile(profile_id=profile.profile_id, address=profile.address or None),
    )


def read_capabilities(body: bytes) -> Capabilities:
    """Return the capabilities, or raise WireFormatError."""
    wire = _read(_CAPABILITIES, body)
    return Capabilities(
        partner_profile_id=wire.partner_profile_id,
        token_management_enabled=wire.token_management_enabled,
        allowed_scopes=wire.allowed_scopes,
    )


def read_object(body: bytes) -> dict[str, Any]:
    """Return a JSON object whatever its fields, or raise WireFormatError."""
    return _read(_OBJECT, body)


def write_json(document: object) -> bytes:
    """Return a body as the official clients serialise it: no spaces, non-ASCII characters as they are."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def _read(adapter: TypeAdapter[T], body: bytes) -> T:
    try:
        return adapter.validate_json(body)
    except ValidationError as exc:
        problem = _describe(exc)
    raise WireFormatError(problem)


def _describe(exc: ValidationError) -> str:
    errors = exc.errors(include_url=False, include_context=False, include_input=False)
    first = errors[0]
    if first["type"] == "json_invalid":
        return "the body is not JSON, or only part of it"
    # Only names of our own fields and positions are in a location: unknown fields are never looked at.
    where = ".".join(str(part) for part in first["loc"]) or "the body"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{where} is missing or not what it should be ({first['type']}){more}"
