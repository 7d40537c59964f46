"""A client of the sandbox exchange's control API, for the demo, tests and whoever plays with it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
from pydantic import SecretStr, TypeAdapter

from sandbox.exchange.records import Call, Fault, FaultRule, Options, PendingFault, Profile, RequestEntry, TokenEntry

_RULES = TypeAdapter(tuple[FaultRule, ...])
_PENDING = TypeAdapter(tuple[PendingFault, ...])
_PROFILES = TypeAdapter(tuple[Profile, ...])
_REQUESTS = TypeAdapter(tuple[RequestEntry, ...])
_TOKENS = TypeAdapter(tuple[TokenEntry, ...])


@dataclass(frozen=True, slots=True)
class FaultState:
    """The seed, the rules in force and the faults still waiting for their calls."""

    seed: int
    rules: tuple[FaultRule, ...]
    pending: tuple[PendingFault, ...]


@dataclass(frozen=True, slots=True)
class Secrets:
    """Every raw secret the exchange ever gave out, for leak scanners and nothing else."""

    tokens: Mapping[str, SecretStr]
    identities: tuple[SecretStr, ...]

    def values(self) -> tuple[str, ...]:
        """Return all of them in the clear."""
        return tuple(secret.get_secret_value() for secret in (*self.tokens.values(), *self.identities))


class ControlClient:
    """Steers and inspects a running sandbox exchange. Every method raises httpx.HTTPError when it cannot.

    Args:
        control_url: the `control_url` of the ports file.
        timeout: seconds for each request.
    """

    def __init__(self, control_url: str, *, timeout: float = 10.0) -> None:
        # A proxy named in the environment is not for a loopback address.
        self._http = httpx.Client(base_url=control_url, timeout=timeout, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # --- faults

    def faults(self) -> FaultState:
        """Return the seed, the rules in force and what is pending."""
        return _fault_state(self._get("/faults"))

    def set_faults(self, rules: Iterable[FaultRule]) -> FaultState:
        """Replace all rules by these; an empty iterable switches every fault off."""
        return _fault_state(self._send("PUT", "/faults", {"rules": [rule.model_dump(mode="json") for rule in rules]}))

    def use_faults(self, preset: str) -> FaultState:
        """Replace all rules by a preset, "default" or "none"."""
        return _fault_state(self._send("PUT", "/faults", {"preset": preset}))

    def next_calls(
        self, call: Call | str, fault: Fault | str, *, count: int = 1, seconds: float | None = None
    ) -> FaultState:
        """Let that fault befall the next `count` requests of that call, before any percentage is drawn."""
        pending = PendingFault(call=Call(call), fault=Fault(fault), count=count, seconds=seconds)
        return _fault_state(self._send("POST", "/faults/next", pending.model_dump(mode="json")))

    def set_seed(self, seed: int) -> FaultState:
        """Start the faults' random streams anew from that seed, with all call counters at zero."""
        return _fault_state(self._send("PUT", "/seed", {"seed": seed}))

    # --- behaviour

    def options(self) -> Options:
        """Return how the exchange behaves where its behaviour is not documented."""
        return Options.model_validate(self._get("/options"))

    def set_options(self, **changes: Any) -> Options:
        """Change the named fields of `Options` and return all of them."""
        return Options.model_validate(self._send("PUT", "/options", changes))

    def shift_clock(self, by: timedelta) -> timedelta:
        """Set the exchange's clock that far ahead of the machine's (zero: back to it) and return the shift."""
        answer = self._send("PUT", "/clock", {"shift_seconds": by.total_seconds()})
        return timedelta(seconds=answer["shift_seconds"])

    # --- profiles and identities

    def profiles(self) -> tuple[Profile, ...]:
        """Return every profile."""
        return _PROFILES.validate_python(self._get("/profiles"))

    def put_profile(
        self, name: str, *, token_management_enabled: bool = True, allowed_scopes: Sequence[str] | None = None
    ) -> Profile:
        """Create that profile, or change the one of that name (its id, account and tokens stay)."""
        body: dict[str, object] = {"name": name, "token_management_enabled": token_management_enabled}
        if allowed_scopes is not None:
            body["allowed_scopes"] = list(allowed_scopes)
        return Profile.model_validate(self._send("POST", "/profiles", body))

    def issue_identity(self, profile: str, *, ttl: timedelta = timedelta(hours=1)) -> SecretStr:
        """Return a fresh identity token of that profile, valid that long by the exchange's clock."""
        return SecretStr(
            self._send("POST", f"/identity/{quote(profile, safe='')}", {"ttl": ttl.total_seconds()})["token"]
        )

    def issue_dead_tokens(self, profile: str, *, count: int = 1) -> None:
        """Let the next `count` tokens of that profile be issued and listed, but answer 401 to whatever they sign."""
        self._send("PUT", f"/dead/{quote(profile, safe='')}", {"count": count})

    def cut_list(self, profile: str, rows: int | None) -> None:
        """Let that profile's list show its oldest `rows` only, complete as it looks; None makes it whole again."""
        self._send("PUT", f"/list/{quote(profile, safe='')}", {"rows": rows})

    # --- ledgers

    def requests(
        self,
        *,
        after: int = 0,
        call: Call | str | None = None,
        profile: str | None = None,
        token_id: str | None = None,
    ) -> tuple[RequestEntry, ...]:
        """Return the requests with a `seq` above `after`, oldest first, narrowed by what is given."""
        wanted = {"after": after, "call": call, "profile": profile, "token_id": token_id}
        return _REQUESTS.validate_python(
            self._get("/requests", {key: value for key, value in wanted.items() if value is not None})
        )

    def tokens(self, *, profile: str | None = None) -> tuple[TokenEntry, ...]:
        """Return every token ever issued, oldest first (of one profile, if given); never a secret."""
        return _TOKENS.validate_python(self._get("/tokens", {"profile": profile} if profile else None))

    def secrets(self) -> Secrets:
        """Return every raw secret and identity token ever given out: for leak scanners only."""
        answer = self._get("/secrets")
        return Secrets(
            tokens={token_id: SecretStr(secret) for token_id, secret in answer["tokens"].items()},
            identities=tuple(SecretStr(one) for one in answer["identities"]),
        )

    # --- a person's hand

    def revoke_token(self, token_id: str) -> TokenEntry:
        """Revoke a token as a person would at the exchange's web site, beside everything the worker knows."""
        return TokenEntry.model_validate(self._send("POST", f"/tokens/{quote(token_id, safe='')}/revoke", None))

    def reset(self) -> None:
        """Return to the state right after the start: no tokens, no ledger, first faults, options and profiles.

        Identity tokens given out before stay valid until they expire.
        """
        self._send("POST", "/reset", None)

    def _get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        return self._http.get(path, params=params).raise_for_status().json()

    def _send(self, method: str, path: str, body: object) -> Any:
        return self._http.request(method, path, json=body).raise_for_status().json()


def _fault_state(answer: Mapping[str, Any]) -> FaultState:
    return FaultState(
        seed=answer["seed"],
        rules=_RULES.validate_python(answer["rules"]),
        pending=_PENDING.validate_python(answer["pending"]),
    )
