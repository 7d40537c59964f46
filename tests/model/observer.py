"""The observer: holds the worker to its promises at every call that lands, by what is true at exchange and Vault."""

import json
from datetime import datetime, timedelta
from typing import Any

from tests.model.clocks import START
from tests.model.memory import ORDERED, Memory, credential_of
from tests.model.scheduler import Task
from tests.model.violations import Promise, Violation
from tests.model.world import ACCOUNTS, CREDENTIALS, LAYOUT, About, World, location
from worker.errors import RotatorError
from worker.models import PathLocation, RevokeResult, TokenList
from worker.policy.steps import Action, Outcome, Reason, Result

_SLACK = 120.0
_LONGEST_SKEW = 31.0
_REFUSALS = {Reason.DERIVE_REFUSED, Reason.VERIFY_REFUSED, Reason.SCOPES_DIFFER, Reason.FENCED}


class Observer:
    """Sees every call of every worker land, and what people do."""

    def __init__(self, world: World, past: frozenset[str] = frozenset()) -> None:
        self.world = world
        self._past = past
        self.memory = Memory(world)
        self.violations: list[Violation] = []
        self.promotions = 0
        self.late = 0
        self._refusals: dict[str, int] = dict.fromkeys(CREDENTIALS, 0)
        self.readers_hold = world.policy.grace.total_seconds() / 2
        """As docs/consumers.md says: a service reads its path again at least every half grace."""
        world.on_outcome = self._outcome

    def violated(self, promise: Promise, what: str) -> None:
        if promise.name in self._past:
            return
        self.violations.append(Violation(promise, self.world.now, what))
        self.world.tell("observer", f"VIOLATION {promise.name}: {what}")

    # --- calls

    def leaving(self, about: About, port: str, method: str, arguments: dict[str, Any]) -> None:
        """A call leaves its worker."""
        if method == "list_tokens_as" and about.kind in {"rotate", "request", "emergency", "rollback"}:
            self._is_read_back(about, arguments["token_id"], arguments["secret"].get_secret_value())
        if method == "derive_token":
            self._may_derive(about, port.removeprefix("exchange "), arguments["label"])

    def before(self, about: About, port: str, method: str, arguments: dict[str, Any]) -> Any:
        """Return what must be known from before the call lands."""
        if port == "vault" and method == "write":
            latest = self.world.kv.read(arguments["location"])
            return latest.data if latest else None
        return None

    def landed(self, about: About, port: str, method: str, arguments: dict[str, Any], answer: Any, before: Any) -> None:
        """A call has done its work."""
        if port == "vault":
            if method == "read" and arguments.get("version") is None:
                self._was_read(about, arguments["location"], answer)
            elif method == "write":
                self._was_written(about, arguments["location"], dict(arguments["data"]), before)
            return
        account = port.removeprefix("exchange ")
        if isinstance(answer, TokenList):
            if method == "list_tokens":
                self._was_listed(about, account, frozenset(one.token_id for one in answer.tokens))
            else:
                self.memory.verified.add((arguments["token_id"], arguments["secret"].get_secret_value()))
        elif method == "revoke_token" and answer is RevokeResult.REVOKED:
            self._was_revoked(about, account, arguments["token_id"])
        elif method == "derive_token":
            self._was_derived(arguments["label"])

    def ended(self, task: Task) -> None:
        """A task is over."""
        if task.error is not None and not isinstance(task.error, RotatorError):
            self.violated(Promise.ERROR, f"{task.name}: {task.error!r}")

    def _outcome(self, task: Task | None, outcome: Outcome) -> None:
        name = outcome.credential
        if outcome.reason in _REFUSALS and name in self._refusals and outcome.result is not Result.DONE:
            self._refusals[name] += 1
        if outcome.reason is Reason.FENCED and name in self._refusals:
            self._refusals[name] += 1
        if outcome.reason is Reason.PARKED and self._refusals[name] < self.world.policy.park_after:
            self.violated(Promise.PARKED, f"{name} after {self._refusals[name]} refusals: {outcome.sentence[:120]}")
        order = next((one for one in self.memory.given if one.task is task), None)
        if outcome.result is Result.DONE and outcome.action in {Action.RETIRE, Action.REVOKE_ALL}:
            self._is_done(name, outcome.action)
        if (
            order is not None
            and order.over_forgery
            and outcome.result is Result.HELD
            and outcome.reason is Reason.JOURNAL_BEHIND
        ):
            self.violated(Promise.REFUSED_ORDER, f"{order.kind} of {order.credential}: {outcome.sentence[:120]}")

    def _is_done(self, credential: str, action: Action) -> None:
        """Check that an order that is said to be done is durable."""
        journal = self.memory.journal(credential)
        left = [one["state"] for one in journal.get("ledger", ()) if one["state"] in {"current", "superseded"}]
        forgot = action is Action.RETIRE and journal.get("retired_at") is None
        if credential not in self.memory.restored and (forgot or (action is Action.RETIRE and left)):
            self.violated(Promise.ORDER_UNDONE, f"{action.value} of {credential} was said to be done")

    # --- Vault

    def _was_read(self, about: About, where: PathLocation, answer: Any) -> None:
        if where.mount != LAYOUT.journal_mount:
            about.path_read[where] = self.world.now
        elif answer is not None and answer.data is not None and "journal" in answer.data:
            about.read_back.append(answer.data["journal"])

    def _was_written(
        self, about: About, where: PathLocation, data: dict[str, Any], before: dict[str, Any] | None
    ) -> None:
        if where.mount != LAYOUT.journal_mount:
            self._path_written(about, where, data, before)
            return
        if "journal" in data:
            about.read_back.clear()
            credential = credential_of(where.path)
            if credential is not None:
                self._journal_written(about, credential, json.loads(data["journal"]), before)
        else:
            self.memory.note_ledger(where.path.rsplit("/", 1)[-1])

    def _journal_written(
        self, about: About, credential: str, document: dict[str, Any], before: dict[str, Any] | None
    ) -> None:
        current = [one for one in document.get("ledger", ()) if one["state"] == "current"]
        if len(current) > 1:
            self.violated(Promise.ONE_CURRENT, f"{credential}: {[one.get('token_id') for one in current]}")
        intent = document.get("intent")
        if intent is not None and intent["label"] not in self.memory.asked and intent["kind"] == "rotation":
            self._is_due(credential, intent["reason"])
        self.memory.note_journal(credential, document)

    def _is_due(self, credential: str, reason: str) -> None:
        policy, served = self.world.policy, self.world.holdings.at(location(credential))
        if reason not in {"period_reached", "overdue"}:
            return
        # Both, since a person may have changed the path at this very moment.
        current = [one.get("token_id") for one in self.memory.records(credential) if one["state"] == "current"]
        tokens = [one for one in (*current, served.token_id if served else None) if one is not None]
        age = max((self.memory.age(one) for one in tokens), default=float("inf"))
        if age < policy.nominal_period.total_seconds() * (1 - policy.spread) - _SLACK:
            self.violated(Promise.EARLY, f"{credential} ({reason}): its token is {age / 3600:.1f} h old")

    def _path_written(
        self, about: About, where: PathLocation, data: dict[str, Any], before: dict[str, Any] | None
    ) -> None:
        credential = credential_of(where.path) or ""
        served = self.world.holdings.at(where)
        token_id, secret = data.get("token_id"), data.get("secret")
        same = before is not None and (before.get("token_id"), before.get("secret")) == (token_id, secret)
        if same and token_id is not None:
            was = before or {}
            changed = {one for one in {*data, *was} - {"write_id"} if data.get(one) != was.get(one)}
            if changed:
                self.violated(Promise.FENCE, f"{where}: {', '.join(sorted(changed))}")
        else:
            self._is_a_persons(about, where, served, before)
            if token_id is not None:
                self._may_serve(about, credential, token_id, secret or "")
        self.world.place(where, data, by_person=False)

    def _is_a_persons(self, about: About, where: PathLocation, served: Any, before: dict[str, Any] | None) -> None:
        if served is None or not served.by_person or before is None or before.get("tombstone"):
            return
        if about.kind == "emergency" and served.token_id is not None and not self.world.is_live(served.token_id):
            return  # a forgery that serves nobody is replaced, as a person ordered
        if served.token_id is None or self.memory.owner(served.token_id) is None:
            self.violated(Promise.OVERWROTE, f"{where}: {served.token_id or 'what people wrote'}")

    def _may_serve(self, about: About, credential: str, token_id: str, secret: str) -> None:
        memory, world = self.memory, self.world
        found = world.token(token_id)
        if found is None or found[0] is not world.profiles[CREDENTIALS[credential]]:
            self.violated(Promise.SERVED_FOREIGN, f"{credential}: {token_id}")
            return
        self.promotions += 1
        self._refusals[credential] = 0
        record = next((one for one in self.memory.records(credential) if one.get("token_id") == token_id), None)
        if record is not None and record["state"] in {"revoking", "revoked"}:
            self.violated(Promise.SERVED_MARKED, f"{credential}: {token_id} ({record['state']})")
        if not world.is_live(token_id) and token_id not in memory.revoked_by_hand:
            self.violated(Promise.SERVED_DEAD, f"{credential}: {token_id}")
        if (token_id, secret) not in memory.verified:
            self.violated(Promise.SERVED_UNVERIFIED, f"{credential}: {token_id}")
        if about.kind in {"rotate", "request", "rollback"} and not self._is_urgent(memory.label_of(token_id)):
            self._is_not_held_back(about, credential, f"{token_id} was promoted", doubt=False)

    # --- the exchange

    def _is_read_back(self, about: About, token_id: str, secret: str) -> None:
        intent = self.memory.journal(about.name).get("intent") or {}
        if (intent.get("token") or {}).get("token_id") != token_id:
            return
        if not any(secret in one for one in about.read_back):
            self.violated(Promise.SERVED_UNVERIFIED, f"{about.name}: {token_id} was verified with a copy in memory")

    def _is_urgent(self, label: str | None) -> bool:
        """Whether an emergency asked for that token, or services that are rejected: whoever goes on with it."""
        asked = self.memory.asked.get(label or "")
        return asked is not None and (asked.kind == "emergency" or asked.reason in {"dangling", "compromised"})

    def _may_derive(self, about: About, account: str, label: str) -> None:
        asked = self.memory.asked.get(label)
        if asked is None or self._is_urgent(label):
            return
        self._is_not_held_back(about, asked.credential, f"{label} was derived", doubt=True)
        if account in about.shrunk:
            self.violated(Promise.SHORT_LIST, f"{label}: {about.shrunk[account]}")

    def _was_listed(self, about: About, account: str, listed: frozenset[str]) -> None:
        about.listed.setdefault(account, listed)  # what a sweep's cap is a share of; further ones follow a 404
        about.shrunk.pop(account, None)
        about.confirmed.discard(account)
        baseline, since = self.memory.baseline[account]
        begun = self.world.scheduler.current.begun if self.world.scheduler.current else self.world.now
        if baseline is None or since > begun:
            return  # what a sweep learns meanwhile is for whoever begins after it
        known = [one for one in baseline if not self.memory.is_ended(one)]
        lost = [one for one in known if one not in listed and self.world.is_live(one)]
        if self.memory.is_confirmed(account, {one for one in known if one not in listed}):
            about.confirmed.add(account)
        elif len(lost) > self.world.shrink_limit * len(known):
            about.shrunk[account] = f"the list lacked {len(lost)} of {len(known)}"

    def _was_derived(self, label: str) -> None:
        asked = self.memory.asked.get(label)
        text = json.dumps(self.memory.journal(asked.credential)) if asked else ""
        if f'"{label}"' not in text and not (asked and asked.credential in self.memory.restored):
            self.violated(Promise.LABEL, label)

    def _was_revoked(self, about: About, account: str, token_id: str) -> None:
        memory, world = self.memory, self.world
        credential = memory.owner(token_id)
        if credential is None:
            self.violated(Promise.FOREIGN, f"{token_id} ({memory.label_of(token_id)})")
            return
        record = next((one for one in self.memory.records(credential) if one.get("token_id") == token_id), {})
        ordered = record.get("revoking_reason") in ORDERED
        if memory.is_ordered(token_id, credential):
            return
        if ordered and memory.is_excused_by_restore(token_id, credential):
            return  # a restored journal may hold an emergency that was over, and asks for all that it finds
        if ordered and memory.was_born_in_emergency(token_id, credential):
            return
        for placement in world.holdings.of(token_id):
            found = world.token(token_id)
            if not placement.may_be_held(world.now, self.readers_hold) or not found or found[1] != placement.secret:
                continue
            if placement.by_person and about.path_read.get(placement.location, -1.0) < placement.since:
                continue  # a person put it there after this worker had looked
            age = world.now - world.born(token_id)
            if placement.location != location(credential) and (
                age >= world.policy.max_age.total_seconds() or placement.location in memory.wiped
            ):
                continue  # a copy is honoured no longer, or left no trace
            gone = "is there" if placement.until is None else f"left {(world.now - placement.until) / 60:.0f} min ago"
            self.violated(Promise.READER, f"{token_id} of {credential} at {placement.location}: {gone}")
            return
        if about.kind != "revoke":
            return
        if ordered:
            return
        self._is_not_held_back(about, credential, f"{token_id} was revoked", doubt=True)
        about.deleted += 1
        listed = about.listed.get(account, frozenset())
        if about.deleted > max(1, min(10, len(listed) // 2)):
            self.violated(Promise.CAP, f"{about.deleted} of {len(listed)} in one sweep")

    def _is_not_held_back(self, about: About, credential: str, what: str, *, doubt: bool) -> None:
        """Check that nothing held the credential back since before this run began, and still does."""
        account, now = CREDENTIALS[credential], START + timedelta(seconds=self.world.now)
        skew = timedelta(seconds=_LONGEST_SKEW)  # a worker's clock may be that far off, either way
        begun = self.world.scheduler.current.begun if self.world.scheduler.current else 0.0
        for text, since in self.memory.held[account].items():
            kind, one, *_ = json.loads(text)
            if since >= begun or (kind == "doubt" and (not doubt or account in about.confirmed)):
                continue
            if kind == "freeze" and doubt is False and self._was_rejected(credential):
                continue
            if one is not None:
                scope, until = one.get("credential"), one.get("until")
                if scope not in {None, credential} or (until and datetime.fromisoformat(until) < now + skew):
                    continue
                if datetime.fromisoformat(one["since"]) > now - skew:
                    continue
            self.violated(Promise.HELD_BACK, f"{credential} ({kind}): {what}")
            return

    def _was_rejected(self, credential: str) -> bool:
        served = self.world.holdings.at(location(credential))
        return served is not None and served.token_id is not None and not self.world.is_live(served.token_id)


__all__ = ["ACCOUNTS", "Observer"]
