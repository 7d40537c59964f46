"""What the control API speaks of: calls, faults, options, profiles and the two ledgers. Nothing here is a secret."""

from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

Scope = Literal["trading", "account_creation", "delegated_signing", "withdrawal"]
SELF_SERVICE_SCOPES: tuple[Scope, ...] = ("trading", "account_creation", "delegated_signing", "withdrawal")


class Call(StrEnum):
    """The exchange's calls, as faults and the ledger name them."""

    CAPABILITIES = "capabilities"
    DERIVE = "derive"
    LIST = "list"
    REVOKE = "revoke"
    PROFILE = "profile"
    MAINTENANCE = "maintenance"
    ORDER = "order"
    UNKNOWN = "unknown"


class Fault(StrEnum):
    """What can go wrong with a call.

    The first seven decide how the answer ends, so at most one of them befalls a request (in this order). The last
    four go along with each other and with those.
    """

    CUT_BEFORE = "cut_before"  # the connection is reset, nothing was done
    THROTTLE = "throttle"  # 429 with Retry-After, nothing was done
    UNAVAILABLE = "unavailable"  # 503, nothing was done
    HTML_ERROR = "html_error"  # 502 with a proxy's HTML page, nothing was done
    LOSE_ANSWER = "lose_answer"  # done, then the connection closes without an answer
    CUT_ANSWER = "cut_answer"  # done, then the connection closes in the middle of the answer
    TRUNCATED_JSON = "truncated_json"  # done, and the answer is whole HTTP with half of the JSON
    SLOW = "slow"  # done, and the answer comes late
    HIDE_NEW_TOKENS = "hide_new_tokens"  # derive: this token is not listed yet; list: young tokens are left out
    LAG_LAST_USED = "lag_last_used"  # list: `lastUsedAt` as it was a while ago
    SKEW_CLOCK = "skew_clock"  # Date header and the HMAC window are judged by a shifted clock


ENDINGS = (
    Fault.CUT_BEFORE,
    Fault.THROTTLE,
    Fault.UNAVAILABLE,
    Fault.HTML_ERROR,
    Fault.LOSE_ANSWER,
    Fault.CUT_ANSWER,
    Fault.TRUNCATED_JSON,
)
"""The faults of which at most one befalls a request, in the order in which they are tried."""

_ONLY_FOR = {
    Fault.HIDE_NEW_TOKENS: {Call.DERIVE, Call.LIST},
    Fault.LAG_LAST_USED: {Call.LIST},
}

_SECONDS: dict[Fault, float] = {
    Fault.THROTTLE: 1.0,
    Fault.SLOW: 0.5,
    Fault.HIDE_NEW_TOKENS: 3.0,
    Fault.LAG_LAST_USED: 5.0,
    Fault.SKEW_CLOCK: 120.0,
}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _FaultOnCall(_Frozen):
    fault: Fault
    call: Call
    seconds: float | None = Field(default=None, allow_inf_nan=False, ge=-86_400, le=86_400)

    @model_validator(mode="after")
    def _means_something(self) -> "_FaultOnCall":
        allowed = _ONLY_FOR.get(self.fault)
        if allowed and self.call not in allowed:
            raise ValueError(f"{self.fault} means nothing for {self.call}; it is for {', '.join(sorted(allowed))}")
        if self.seconds is not None and self.seconds < 0 and self.fault is not Fault.SKEW_CLOCK:
            raise ValueError(f"only {Fault.SKEW_CLOCK} may go backwards")
        return self

    @property
    def effective_seconds(self) -> float | None:
        """The fault's amount: `seconds`, or the fault's own default (None: the fault has none)."""
        return self.seconds if self.seconds is not None else _SECONDS.get(self.fault)


class FaultRule(_FaultOnCall):
    """A fault that befalls `percent` of the requests of one call.

    `seconds`: Retry-After of throttle and unavailable, delay of slow, age of hide_new_tokens and lag_last_used, shift
    of skew_clock (negative: the exchange's clock is behind). None: the fault's default.
    """

    percent: float = Field(ge=0, le=100)


class PendingFault(_FaultOnCall):
    """A fault that befalls the next `count` requests of one call, whatever the percentages say."""

    count: int = Field(default=1, ge=1)


class Options(_Frozen):
    """What the exchange does not document, so that both can be shown. Durations in seconds.

    Attributes:
        id_style: "plain" token ids are UUIDs; "awkward" ones hold a slash, a space, a percent and a plus sign.
        list_delay: how old a token must be before it is listed.
        last_used_lag: how late a use shows in `lastUsedAt`.
        last_used_precision: `lastUsedAt` is rounded down to a multiple of this.
        retry_after: the form of the header, "seconds" or an HTTP "date".
    """

    id_style: Literal["plain", "awkward"] = "plain"
    list_delay: float = Field(default=0, ge=0)
    last_used_lag: float = Field(default=0, ge=0)
    last_used_precision: float = Field(default=0.001, ge=0.001)
    retry_after: Literal["seconds", "date"] = "seconds"


class Profile(_Frozen):
    """One profile of the exchange. `allowed_scopes` bounds what its tokens may ask for."""

    name: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    id: int = Field(default=0, ge=0, description="0: the exchange gives one")
    account: str = ""
    token_management_enabled: bool = True
    allowed_scopes: tuple[Scope, ...] = SELF_SERVICE_SCOPES


class AuthKind(StrEnum):
    """What a request authenticated with, as far as its headers say."""

    NONE = "none"
    IDENTITY = "identity"
    HMAC = "hmac"


class RequestEntry(_Frozen):
    """One request in the ledger.

    Attributes:
        seq: counts up from 1; `ControlClient.requests(after=…)` pages by it.
        at: when it arrived, by the exchange's clock.
        profile: who it was proved to come from; None when it was not.
        token_id: the token named in the HMAC headers, proved or not.
        target_token_id: the token that a derive made or a revoke named.
        status: what was (or would have been) answered; None when the connection was cut before.
        reason: why it was refused, in more detail than the answer says ("revoked_token", "bad_signature", …).
        faults: what befell it, in alphabetical order.
    """

    seq: int
    at: AwareDatetime
    call: Call
    method: str
    path: str
    auth: AuthKind
    profile: str | None
    token_id: str | None
    target_token_id: str | None
    status: int | None
    reason: str | None
    faults: tuple[Fault, ...]


class TokenEntry(_Frozen):
    """One token that was ever issued, without its secret. Times by the exchange's clock, uses exact (no lag).

    `revoked_by` is "identity", "person" (through the control API) or the id of the token that signed the revocation.
    """

    token_id: str
    label: str | None
    profile: str
    scopes: tuple[str, ...]
    created_at: AwareDatetime
    last_used_at: AwareDatetime | None = None
    uses: int = 0
    revoked_at: AwareDatetime | None = None
    revoked_by: str | None = None
    first_rejected_at: AwareDatetime | None = None
    last_rejected_at: AwareDatetime | None = None
    rejections: int = 0

    @property
    def live(self) -> bool:
        """Whether the exchange accepts it now."""
        return self.revoked_at is None
