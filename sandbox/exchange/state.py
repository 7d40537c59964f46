"""Everything the exchange remembers: profiles, tokens, the ledgers and the fault plan. In memory, thread-safe."""

import base64
import secrets
import threading
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Any

from sandbox.exchange.faults import DEFAULT_RULES, FaultPlan, Misfortune
from sandbox.exchange.identity import IdentityIssuer
from sandbox.exchange.records import Call, FaultRule, Options, PendingFault, Profile, RequestEntry, TokenEntry

KEPT_REQUESTS = 500_000
"""The request ledger forgets its oldest entries beyond this."""

KEPT_USES = 10_000
"""Uses remembered for each token; a lag can look back no further than they reach."""


def real_now() -> datetime:
    """Return the machine's clock."""
    return datetime.now(UTC)


@dataclass(slots=True)
class _Token:
    entry: TokenEntry
    secret: str
    visible_at: datetime
    dead: bool = False
    uses: deque[datetime] = field(default_factory=lambda: deque(maxlen=KEPT_USES))

    def change(self, **changes: object) -> TokenEntry:
        self.entry = self.entry.model_copy(update=changes)
        return self.entry

    def last_used_before(self, moment: datetime) -> datetime | None:
        return next((use for use in reversed(self.uses) if use <= moment), None)


@dataclass(frozen=True, slots=True)
class ListedRow:
    """One row of the public list."""

    entry: TokenEntry
    last_used_at: datetime | None


class ExchangeState:
    """The exchange behind its two ports.

    Args:
        seed: of the faults' random streams.
        profiles: those that exist at the start and after a reset.
        rules: the faults in force at the start and after a reset.
        options: likewise.
        clock: returns the present, timezone-aware; `shift` is added to it.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        profiles: Iterable[Profile] = (Profile(name="main"),),
        rules: Iterable[FaultRule] = DEFAULT_RULES,
        options: Options | None = None,
        clock: Callable[[], datetime] = real_now,
    ) -> None:
        self._lock = threading.RLock()
        self._clock = clock
        self._first = (seed, tuple(profiles), tuple(rules), options or Options())
        self._identities = IdentityIssuer()
        self.reset()

    def reset(self) -> None:
        """Return to the state right after the start; identity tokens stay valid, as their key stays."""
        seed, profiles, rules, options = self._first
        with self._lock:
            self.shift = timedelta(0)
            self._options = options
            self._faults = FaultPlan(seed=seed, rules=rules)
            self._tokens: dict[str, _Token] = {}
            self._dead_next: Counter[str] = Counter()
            self._cut_short: dict[str, int | None] = {}
            self._requests: deque[RequestEntry] = deque(maxlen=KEPT_REQUESTS)
            self._seq = 0
            self._profiles: dict[str, Profile] = {}
            for profile in profiles:
                self.put_profile(profile)

    def now(self) -> datetime:
        """Return the exchange's clock."""
        return self._clock() + self.shift

    # --- faults and options

    @property
    def options(self) -> Options:
        """How it behaves where its behaviour is not documented."""
        return self._options

    def change_options(self, changes: dict[str, Any]) -> Options:
        """Change the named options; raises pydantic's ValidationError for what is not one."""
        with self._lock:
            self._options = Options.model_validate({**self._options.model_dump(), **changes})
            return self._options

    def befall(self, call: Call) -> Misfortune:
        """Return what befalls the next request of that call."""
        with self._lock:
            return self._faults.befall(call)

    def fault_state(self) -> tuple[int, tuple[FaultRule, ...], tuple[PendingFault, ...]]:
        """Return the seed, the rules in force, and the pending faults."""
        with self._lock:
            return self._faults.seed, self._faults.rules, self._faults.pending

    def replace_rules(self, rules: Iterable[FaultRule]) -> None:
        """Put these rules in force; raises ValueError when two speak of the same fault and call."""
        with self._lock:
            self._faults.replace_rules(rules)

    def reseed(self, seed: int) -> None:
        """Start the faults' random streams anew."""
        with self._lock:
            self._faults.reseed(seed)

    def add_pending(self, pending: PendingFault) -> None:
        """Let a fault wait for the next requests of its call."""
        with self._lock:
            self._faults.add_pending(pending)

    # --- profiles and identities

    def put_profile(self, profile: Profile) -> Profile:
        """Create a profile, or change the one of that name, which keeps its id and account."""
        with self._lock:
            known = self._profiles.get(profile.name)
            number = known.id if known else profile.id or 1001 + len(self._profiles)
            account = known.account if known else profile.account or f"0x{number:040x}"
            stored = profile.model_copy(update={"id": number, "account": account})
            self._profiles[profile.name] = stored
            return stored

    def profile(self, name: str) -> Profile | None:
        """Return the profile of that name, or None."""
        return self._profiles.get(name)

    def profiles(self) -> tuple[Profile, ...]:
        """Return all profiles, oldest first."""
        with self._lock:
            return tuple(self._profiles.values())

    def issue_identity(self, profile: str, ttl: timedelta) -> str:
        """Return a fresh identity token of that profile, or raise KeyError when there is none of that name."""
        if profile not in self._profiles:
            raise KeyError(profile)
        return self._identities.issue(profile, now=self.now(), ttl=ttl)

    def profile_of_identity(self, token: str) -> Profile | None:
        """Return whom an identity token belongs to, or None when it is not accepted."""
        name = self._identities.profile_of(token, now=self.now())
        return self._profiles.get(name) if name is not None else None

    # --- tokens

    def issue_token(self, profile: Profile, *, label: str | None, scopes: tuple[str, ...], hide: float) -> TokenEntry:
        """Make a token that the list shows after `hide` seconds; `secret_of` has its secret."""
        now = self.now()
        token_id = str(uuid.uuid4())
        if self._options.id_style == "awkward":
            token_id = f"{profile.name}/{token_id[:8]} {token_id[9:13]}%2F+{token_id[-12:]}"
        entry = TokenEntry(token_id=token_id, label=label, profile=profile.name, scopes=scopes, created_at=now)
        secret = base64.b64encode(secrets.token_bytes(32)).decode()
        with self._lock:
            dead = self._dead_next[profile.name] > 0
            self._dead_next[profile.name] -= dead
            self._tokens[token_id] = _Token(entry, secret, visible_at=now + timedelta(seconds=hide), dead=dead)
        return entry

    def issue_dead_next(self, profile: str, count: int) -> None:
        """Let the next tokens of that profile be listed like any other, and never accepted; raises KeyError."""
        if profile not in self._profiles:
            raise KeyError(profile)
        with self._lock:
            self._dead_next[profile] = count

    def cut_list(self, profile: str, rows: int | None) -> None:
        """Let that profile's list show its oldest `rows` only (None: all of it); raises KeyError."""
        if profile not in self._profiles:
            raise KeyError(profile)
        with self._lock:
            self._cut_short[profile] = rows

    def is_dead(self, token_id: str) -> bool:
        """Whether that token is never accepted, although it was issued and is live."""
        return self._tokens[token_id].dead

    def token(self, token_id: str) -> TokenEntry | None:
        """Return the token of that id, live or revoked, or None."""
        token = self._tokens.get(token_id)
        return token.entry if token else None

    def secret_of(self, token_id: str) -> str:
        """Return a token's secret (base64), or raise KeyError."""
        return self._tokens[token_id].secret

    def note_use(self, token_id: str) -> None:
        """Remember that a signed call was accepted now."""
        with self._lock:
            token = self._tokens[token_id]
            now = self.now()
            token.uses.append(now)
            token.change(last_used_at=now, uses=token.entry.uses + 1)

    def note_rejection(self, token_id: str) -> None:
        """Remember that a call that named this token was refused authentication now."""
        with self._lock:
            token = self._tokens.get(token_id)
            if token is None:
                return
            now = self.now()
            token.change(
                first_rejected_at=token.entry.first_rejected_at or now,
                last_rejected_at=now,
                rejections=token.entry.rejections + 1,
            )

    def revoke(self, token_id: str, *, by: str) -> TokenEntry | None:
        """Revoke a live token at once and return it, or None when there is no live one of that id."""
        with self._lock:
            token = self._tokens.get(token_id)
            if token is None or not token.entry.live:
                return None
            return token.change(revoked_at=self.now(), revoked_by=by)

    def listed(self, profile: str, *, hide_younger: float, lag: float) -> tuple[ListedRow, ...]:
        """Return the live tokens of a profile as the public list shows them now.

        Args:
            profile: whose.
            hide_younger: leave out tokens younger than that many seconds (options and derive's fault come on top).
            lag: show `lastUsedAt` as it was that many seconds ago (the option comes on top).
        """
        with self._lock:
            now = self.now()
            options = self._options
            youngest = now - timedelta(seconds=max(hide_younger, options.list_delay))
            used_until = now - timedelta(seconds=max(lag, options.last_used_lag))
            rows = (
                ListedRow(token.entry, _round_down(token.last_used_before(used_until), options.last_used_precision))
                for token in self._tokens.values()
                if token.entry.profile == profile
                and token.entry.live
                and token.visible_at <= now
                and token.entry.created_at <= youngest
            )
            return tuple(islice(rows, self._cut_short.get(profile)))

    # --- ledgers

    def record(self, **fields: Any) -> None:
        """Write one request to the ledger; fields are those of RequestEntry but `seq`."""
        with self._lock:
            self._seq += 1
            self._requests.append(RequestEntry(seq=self._seq, **fields))

    def requests(self, *, after: int = 0) -> tuple[RequestEntry, ...]:
        """Return the request ledger beyond that `seq`, oldest first."""
        with self._lock:
            # From the young end: whoever polls a long run asks for little of it.
            young = list(takewhile(lambda entry: entry.seq > after, reversed(self._requests)))
        return tuple(reversed(young))

    def tokens(self) -> tuple[TokenEntry, ...]:
        """Return every token ever issued, oldest first."""
        with self._lock:
            return tuple(token.entry for token in self._tokens.values())

    def raw_secrets(self) -> dict[str, str]:
        """Return the secret of every token ever issued, by token id: for leak scanners only."""
        with self._lock:
            return {token_id: token.secret for token_id, token in self._tokens.items()}

    def raw_identities(self) -> tuple[str, ...]:
        """Return every identity token ever issued: for leak scanners only."""
        return tuple(self._identities.issued)


def _round_down(moment: datetime | None, precision: float) -> datetime | None:
    if moment is None:
        return None
    since = moment - datetime.fromtimestamp(0, UTC)
    return moment - since % timedelta(seconds=precision)
