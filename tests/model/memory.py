"""What the observer remembers beside the fakes: asked labels, orders, marks that were made, pauses, and restores."""

import json
from dataclasses import dataclass, field
from typing import Any

from config.schema import Guards
from tests.model.clocks import START
from tests.model.scheduler import Task
from tests.model.world import ACCOUNTS, CREDENTIALS, About, World, journal_location, ledger_location
from worker.models import PathLocation

ENDING = frozenset({"emergency", "revoke all", "retire"})
ORDERED = frozenset({"compromised", "retired", "ordered"})
_CONFIRM_AFTER = Guards().confirm_after.total_seconds()
_LONGEST_SKEW = 31.0


@dataclass
class Asked:
    """A label that an intent of ours asked for."""

    credential: str
    kind: str
    reason: str
    at: float


@dataclass
class Given:
    """An order of a person, from the moment at which it was given."""

    kind: str
    credential: str
    at: float
    task: Task
    about: About
    over_forgery: bool
    """Whether the path was forged, and the journal as it should be, when it was given."""

    def is_over(self, now: float) -> bool:
        return self.task.done and now > self.about.acted_until

    def reached_until(self, now: float) -> float:
        """Return until when a token may have been issued and still be meant."""
        ended = self.task.ended if self.task.ended is not None else now
        return max(ended, self.about.acted_until)


@dataclass
class Memory:
    """What was seen so far of one run."""

    world: World
    asked: dict[str, Asked] = field(default_factory=dict)
    adopted: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Tokens that a credential took over: which one, and since when."""
    given: list[Given] = field(default_factory=list)
    marked: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Tokens that a durable order ends: of which credential, and since when."""
    verified: set[tuple[str, str]] = field(default_factory=set)
    by_hand: set[str] = field(default_factory=set)
    """Tokens that people issued."""
    revoked_by_hand: set[str] = field(default_factory=set)
    held: dict[str, dict[str, float]] = field(default_factory=lambda: {one: {} for one in ACCOUNTS})
    """What holds each account back now (a pause, a freeze, a doubt, as text), and since when that is true."""
    baseline: dict[str, tuple[list[str] | None, float]] = field(
        default_factory=lambda: dict.fromkeys(ACCOUNTS, (None, 0.0))
    )
    """What each account's last believed list had, and since when that is known."""
    wiped: set[PathLocation] = field(default_factory=set)
    """Paths that people removed with all versions: what was copied there before, nobody can know."""
    restored: dict[str, float] = field(default_factory=dict)
    """Credentials whose journal was restored: how old the backup was at most."""
    emergencies: dict[str, float] = field(default_factory=dict)
    emergency_spans: list[tuple[str, float, float]] = field(default_factory=list)
    """Emergencies that are over: of which credential, from when, and until when."""

    def journal(self, credential: str) -> dict[str, Any]:
        """Return the journal as Vault holds it, or an empty one."""
        return self._document(journal_location(credential), "journal")

    def ledger(self, account: str) -> dict[str, Any]:
        return self._document(ledger_location(account), "ledger")

    def _document(self, where: Any, field_name: str) -> dict[str, Any]:
        latest = self.world.kv.read(where)
        if latest is None or latest.data is None:
            return {}
        found: dict[str, Any] = json.loads(latest.data[field_name])
        return found

    def owner(self, token_id: str) -> str | None:
        """Return whose token it is: of the credential whose intent asked for its label, or that adopted it."""
        if token_id in self.adopted:
            return self.adopted[token_id][0]
        found = self.world.token(token_id)
        label = found[0].token(token_id).label if found and token_id not in self.by_hand else None
        return self.asked[label].credential if label in self.asked else None

    def label_of(self, token_id: str) -> str | None:
        found = self.world.token(token_id)
        return found[0].token(token_id).label if found else None

    def is_ordered(self, token_id: str, credential: str) -> bool:
        """Whether a person ordered that this token should end, whoever holds it."""
        now, born = self.world.now, self.world.born(token_id)
        for order in self.given:
            if order.credential != credential or order.kind not in ENDING:
                continue
            if order.kind == "retire" or born <= order.reached_until(now):
                return True
        return False

    def was_born_in_emergency(self, token_id: str, credential: str) -> bool:
        """Whether the token came into being while an emergency was open, which ends all but the one that it mints."""
        born = self.world.born(token_id)
        return any(whose == credential and since <= born <= until for whose, since, until in self.emergency_spans)

    def note_journal(self, credential: str, document: dict[str, Any]) -> None:
        """Learn from a journal that has just been written by a worker."""
        now = self.world.now
        intent = document.get("intent")
        if intent is not None and intent["kind"] != "rollback" and intent["label"] not in self.asked:
            self.asked[intent["label"]] = Asked(credential, intent["kind"], intent["reason"], now)
        adopting = any(one.credential == credential and one.kind in {"adopt", "reclaim"} for one in self.given)
        for record in document.get("ledger", ()):
            token_id = record.get("token_id")
            if token_id is None:
                continue
            if record.get("adopted_as") is not None or (adopting and token_id in self.by_hand):
                self.adopted.setdefault(token_id, (credential, now))
            if record["state"] == "revoking" and record.get("revoking_reason") in ORDERED:
                self.marked.setdefault(token_id, (credential, now))
        if document.get("emergency_at") is not None and credential not in self.emergencies:
            self.emergencies[credential] = now
            for record in document.get("ledger", ()):
                if record.get("token_id") and record["state"] not in {"revoked"}:
                    self.marked.setdefault(record["token_id"], (credential, now))
        elif document.get("emergency_at") is None and credential in self.emergencies:
            self.emergency_spans.append((credential, self.emergencies.pop(credential), now))

    def note_ledger(self, account: str) -> None:
        """Learn what holds an account back from now on."""
        document = self.ledger(account)
        present = {json.dumps(["pause", one], sort_keys=True) for one in document.get("pauses", ())}
        freezes = [one for one in document.get("freezes", ()) if one.get("lifted_at") is None]
        present |= {json.dumps(["freeze", one], sort_keys=True) for one in freezes}
        if document.get("suspicion") is not None:
            present.add(json.dumps(["doubt", None, document["suspicion"]["first_at"]]))
        baseline = (document.get("baseline") or {}).get("token_ids")
        if baseline != self.baseline[account][0]:
            self.baseline[account] = (baseline, self.world.now)
        before = self.held[account]
        self.held[account] = {one: before.get(one, self.world.now) for one in present}

    def age(self, token_id: str) -> float:
        """Return a token's age; as the exchange dates it when its clock was behind, as an emergency does not mind."""
        found = self.world.token(token_id)
        if found is None:
            return 0.0
        dated = found[0].token(token_id).created_at - START
        return self.world.now - min(self.world.born(token_id), dated.total_seconds())

    def is_used_in_the_future(self, token_id: str) -> bool:
        """Whether the exchange dates its last use ahead, because its clock was off: it waits until `max_age` then."""
        found = self.world.token(token_id)
        used = found[0].token(token_id).last_used_at if found else None
        return used is not None and (used - START).total_seconds() > self.world.now

    def records(self, credential: str) -> list[dict[str, Any]]:
        """Return the records of a credential's journal."""
        found: list[dict[str, Any]] = self.journal(credential).get("ledger", [])
        return found

    def is_ended(self, token_id: str) -> bool:
        """Whether a journal says that the token is revoked, or about to be."""
        owner = self.owner(token_id)
        records = self.records(owner) if owner else []
        return any(one.get("token_id") == token_id and one["state"] in {"revoking", "revoked"} for one in records)

    def is_confirmed(self, account: str, lacks: set[str]) -> bool:
        """Whether a list that lacked the same was read, and doubted, long enough ago: then it is believed."""
        ledger = self.ledger(account)
        doubted = ledger.get("suspicion")
        since = next((at for text, at in self.held[account].items() if json.loads(text)[0] == "doubt"), None)
        if doubted is None or since is None or self.world.now - since < _CONFIRM_AFTER - _LONGEST_SKEW:
            return False
        before = ledger["baseline"]["token_ids"]
        return lacks == {one for one in before if one not in doubted["token_ids"] and not self.is_ended(one)}

    def forget_since(self, credential: str, backup: float) -> None:
        """A person restored the journal: what came after the backup is nobody's promise."""
        self.restored[credential] = min(backup, self.restored.get(credential, backup))
        self.marked = {
            token: (whose, at) for token, (whose, at) in self.marked.items() if whose != credential or at <= backup
        }

    def is_excused_by_restore(self, token_id: str, credential: str) -> bool:
        """Whether a restored journal may not know this token."""
        backup = self.restored.get(credential)
        _, since = self.adopted.get(token_id, (credential, self.world.born(token_id)))
        return backup is not None and since >= backup


def credential_of(where_path: str) -> str | None:
    """Return whose consumers' path or journal that is."""
    name = where_path.rsplit("/", 1)[-1]
    return name if name in CREDENTIALS else None
