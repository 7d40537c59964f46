"""The work behind each call: from an authenticated request to an answer, without faults and without a network."""

import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

from sandbox.exchange.auth import Caller, SignedRequest, authenticate, authenticate_identity
from sandbox.exchange.errors import Refusal, forbidden, invalid, not_found
from sandbox.exchange.faults import Misfortune
from sandbox.exchange.records import SELF_SERVICE_SCOPES, AuthKind, Call, Fault
from sandbox.exchange.state import ExchangeState, ListedRow

MAX_LABEL_LENGTH = 128

_TOKENS = "/auth/api-tokens"
_FIXED = {
    ("GET", f"{_TOKENS}/capabilities"): Call.CAPABILITIES,
    ("POST", f"{_TOKENS}/derive"): Call.DERIVE,
    ("GET", _TOKENS): Call.LIST,
    ("GET", "/profiles/me"): Call.PROFILE,
    ("GET", "/maintenance/status"): Call.MAINTENANCE,
    ("POST", "/orders"): Call.ORDER,
}
_REVOKE = re.compile(rf"{_TOKENS}/([^/]+)")


@dataclass(slots=True)
class Work:
    """One request being worked on; the last two fields are filled in for the ledger as they become known."""

    state: ExchangeState
    request: SignedRequest
    misfortune: Misfortune
    caller: Caller | None = None
    target_token_id: str | None = None

    def authenticated(self) -> Caller:
        """Return the proved caller, by identity or signature, or raise a 401 Refusal."""
        skew = timedelta(seconds=self.misfortune.seconds(Fault.SKEW_CLOCK))
        self.caller = authenticate(self.state, self.request, skew=skew)
        return self.caller

    def identified(self) -> Caller:
        """Return the caller proved by an identity token, or raise a 401 Refusal."""
        self.caller = authenticate_identity(self.state, self.request)
        return self.caller


@dataclass(frozen=True, slots=True)
class Answer:
    """What is to be answered, as JSON."""

    status: HTTPStatus
    content: Any


def match(method: str, raw_path: str) -> tuple[Call, str | None]:
    """Return which call a request is, and the token id in its path when it is a revoke.

    Args:
        method: in upper case.
        raw_path: as sent, percent-encoded, without the query: an encoded slash is part of a token id.
    """
    call = _FIXED.get((method, raw_path))
    if call:
        return call, None
    found = _REVOKE.fullmatch(raw_path) if method == "DELETE" else None
    return (Call.REVOKE, unquote(found[1])) if found else (Call.UNKNOWN, None)


def work(call: Call, job: Work) -> Answer:
    """Do what the call asks for, or raise a Refusal."""
    return _HANDLERS[call](job)


def _capabilities(job: Work) -> Answer:
    profile = job.identified().profile
    return Answer(
        HTTPStatus.OK,
        {
            "partnerProfileId": profile.id,
            "tokenManagementEnabled": profile.token_management_enabled,
            "allowedScopes": list(profile.allowed_scopes),
        },
    )


def _derive(job: Work) -> Answer:
    profile = job.identified().profile
    _require_management(job)
    body = _json_object(job.request, empty_is_fine=True)
    label = _label(body.get("label"))
    scopes = _scopes(body.get("scopes"), profile.allowed_scopes)
    hide = job.misfortune.seconds(Fault.HIDE_NEW_TOKENS)
    entry = job.state.issue_token(profile, label=label, scopes=scopes, hide=hide)
    job.target_token_id = entry.token_id
    return Answer(
        HTTPStatus.CREATED,
        {
            "apiKey": entry.token_id,
            "tokenId": entry.token_id,
            "secret": job.state.secret_of(entry.token_id),
            "createdAt": iso(entry.created_at),
            "scopes": list(entry.scopes),
            "profile": {"id": profile.id, "account": profile.account},
        },
    )


def _list(job: Work) -> Answer:
    profile = job.authenticated().profile
    _require_management(job)
    rows = job.state.listed(
        profile.name,
        hide_younger=job.misfortune.seconds(Fault.HIDE_NEW_TOKENS),
        lag=job.misfortune.seconds(Fault.LAG_LAST_USED),
    )
    return Answer(HTTPStatus.OK, [_row(row) for row in rows])


def _row(row: ListedRow) -> dict[str, Any]:
    return {
        "tokenId": row.entry.token_id,
        "label": row.entry.label,
        "scopes": list(row.entry.scopes),
        "createdAt": iso(row.entry.created_at),
        "lastUsedAt": iso(row.last_used_at) if row.last_used_at else None,
    }


def _revoke(job: Work) -> Answer:
    caller = job.authenticated()
    _require_management(job)
    token_id = job.target_token_id or ""
    token = job.state.token(token_id)
    by = caller.token.token_id if caller.token else AuthKind.IDENTITY.value
    if token is None or token.profile != caller.profile.name or job.state.revoke(token_id, by=by) is None:
        raise not_found("API token not found", reason="unknown_target" if token is None else "gone_target")
    return Answer(HTTPStatus.OK, {"message": "API token revoked successfully"})


def _profile(job: Work) -> Answer:
    profile = job.authenticated().profile
    return Answer(
        HTTPStatus.OK,
        {
            "id": profile.id,
            "account": profile.account,
            "client": "eoa",
            "displayName": profile.name,
            "rank": {"id": 1, "name": "Bronze", "feeRateBps": 300},
        },
    )


def _maintenance(job: Work) -> Answer:  # noqa: ARG001 - it is the same for everybody
    return Answer(HTTPStatus.OK, {"active": [], "scheduled": []})


def _order(job: Work) -> Answer:
    caller = job.authenticated()
    if caller.token is not None and "trading" not in caller.token.scopes:
        raise forbidden("Insufficient scope: trading is required", reason="scope")
    body = _json_object(job.request, empty_is_fine=False)
    order = {
        "id": str(uuid.uuid4()),
        "createdAt": iso(job.state.now()),
        "ownerId": caller.profile.id,
        "marketSlug": body.get("marketSlug"),
        "status": "LIVE",
    }
    return Answer(HTTPStatus.CREATED, {"order": order})


def _unknown(job: Work) -> Answer:
    path = job.request.target
    raise not_found(f"Cannot {job.request.method} {path}", reason="no_such_call")


_HANDLERS: Mapping[Call, Callable[[Work], Answer]] = MappingProxyType(
    {
        Call.CAPABILITIES: _capabilities,
        Call.DERIVE: _derive,
        Call.LIST: _list,
        Call.REVOKE: _revoke,
        Call.PROFILE: _profile,
        Call.MAINTENANCE: _maintenance,
        Call.ORDER: _order,
        Call.UNKNOWN: _unknown,
    }
)


def iso(moment: datetime) -> str:
    """Return a time as the exchange writes it: ISO 8601 in UTC, milliseconds, Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _require_management(job: Work) -> None:
    if job.caller is None or not job.caller.profile.token_management_enabled:
        raise forbidden("Token management is not enabled for this profile", reason="management_disabled")


def _json_object(request: SignedRequest, *, empty_is_fine: bool) -> dict[str, Any]:
    if not request.body and empty_is_fine:
        return {}
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json", reason="media_type")
    try:
        body = json.loads(request.body)
    except ValueError:
        raise Refusal(HTTPStatus.BAD_REQUEST, "The body is not valid JSON", reason="bad_json") from None
    if not isinstance(body, dict):
        raise invalid("the body must be an object")
    return body


def _label(label: object) -> str | None:
    if label is not None and not isinstance(label, str):
        raise invalid("label must be a string")
    if label is not None and len(label) > MAX_LABEL_LENGTH:
        raise invalid(f"label must be shorter than or equal to {MAX_LABEL_LENGTH} characters")
    return label


def _scopes(wanted: object, allowed: tuple[str, ...]) -> tuple[str, ...]:
    if wanted is None:
        wanted = ["trading"]
    if not isinstance(wanted, list) or not all(isinstance(one, str) for one in wanted):
        raise invalid("each value in scopes must be a string", "scopes must be an array")
    if not wanted:
        raise invalid("scopes should not be empty")
    unknown = [scope for scope in wanted if scope not in (*SELF_SERVICE_SCOPES, "admin")]
    if unknown:
        raise invalid(f"each value in scopes must be one of the following values: {', '.join(SELF_SERVICE_SCOPES)}")
    if "delegated_signing" in wanted and "trading" not in wanted:
        raise invalid("delegated_signing requires trading")
    denied = [scope for scope in wanted if scope not in allowed]
    if denied:
        raise forbidden(f"Scopes not allowed for this profile: {', '.join(denied)}", reason="scopes_not_allowed")
    return tuple(dict.fromkeys(wanted))
