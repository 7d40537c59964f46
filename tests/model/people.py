"""What people do: to the paths, to tokens at the exchange, with orders, and with backups."""

from collections.abc import Callable
from typing import Any

from tests.model.memory import ENDING, Given
from tests.model.observer import Observer
from tests.model.scheduler import Task
from tests.model.weather import DAY, HOUR
from tests.model.world import (
    ACCOUNTS,
    CREDENTIALS,
    Process,
    World,
    journal_location,
    ledger_location,
    location,
)
from worker.engine import Engine
from worker.engine.pausing import freezes, pauses, trusts, unfreezes
from worker.models import PathLocation
from worker.policy.steps import Order

BY = Order(by="ann", why="model")
Data = dict[str, Any]
_FORGED = (2**53 - 1, 2**53, 2**52 + 1, 10**6)


class People:
    """Everybody who is not a worker. Which of them is about in a run, the weather says."""

    def __init__(self, world: World, observer: Observer) -> None:
        self.world = world
        self.observer = observer
        self.memory = observer.memory
        self._backups: list[tuple[float, PathLocation, Data]] = []

    def act(self) -> None:
        """Do one thing that somebody may do at any moment, between any two calls."""
        weather, kinds = (
            self.world.weather,
            {
                "paths": self.write_a_path,
                "copies": self.copy_a_token,
                "forgeries": self.forge,
                "tokens": self.go_to_the_exchange,
                "restores": self.restore_a_journal,
                "account restores": self.restore_a_ledger,
                "orders": self.order_something,
                "account orders": self.order_for_the_account,
            },
        )
        about = [kind for kind in kinds if kind in weather.often]
        if about:
            kinds[self.world.random.choices(about, weights=[weather.often[one] for one in about])[0]]()

    def begin_by_hand(self, credential: str) -> None:
        """Let a credential begin with a token that people issued and put at its path, and hand it over."""
        self.put_own_token(credential)
        self.order("adopt", credential)

    # --- paths

    def _any(self) -> str:
        return self.world.random.choice(list(CREDENTIALS))

    def _versions(self, credential: str) -> list[tuple[int, Data]]:
        return [(one.version, one.data) for one in self.world.kv.versions(location(credential)) if one.data is not None]

    def _put(self, credential: str, data: Data, what: str, *, forged: bool = False) -> None:
        self.world.tell("a person", f"{what} at {location(credential)}: {data.get('token_id')}")
        self.world.put(location(credential), data, forged=forged)

    def write_a_path(self) -> None:
        """Roll back as `vault kv rollback` does, write something of their own, or delete the latest version."""
        credential, random = self._any(), self.world.random
        match random.choice(["rollback", "rollback", "rollback", "garbage", "own token", "delete"]):
            case "rollback":
                versions = self._versions(credential)
                if versions:
                    number, data = random.choice(versions)
                    self._put(credential, data, f"rolls back to version {number}")
            case "garbage":
                self._put(credential, {"endpoint": "wss://x", "desk": "7"}, "writes something else")
            case "own token":
                self.put_own_token(credential)
            case _:
                if self._versions(credential):
                    self.world.tell("a person", f"deletes the latest version of {location(credential)}")
                    self.world.kv.delete_latest(location(credential))
                    self.world.place(location(credential), None, by_person=True)

    def put_own_token(self, credential: str) -> None:
        """Put a token of their own at a path, beside fields that the worker knows nothing of."""
        token = self.world.profiles[CREDENTIALS[credential]].issue_by_person("by hand")
        self.memory.by_hand.add(token.token_id)
        data = {"token_id": token.token_id, "secret": token.secret.get_secret_value(), "desk": "7", "limits": {"a": 1}}
        self._put(credential, data, "puts a token of their own")

    def copy_a_token(self) -> None:
        """Put a token of another credential (of the same account) at a path, with its secret or without."""
        credential, random = random_of_main(self.world), self.world.random
        other = next(one for one in ("mm", "taker") if one != credential)
        versions = [data for _, data in self._versions(other) if data.get("token_id")]
        if versions:
            data = random.choice(versions)
            secret = data["secret"] if random.random() < 0.7 else "bm90aGluZw=="
            self._put(credential, {"token_id": data["token_id"], "secret": secret}, f"copies a token of {other}")

    def forge(self) -> None:
        """Write what is served once more, with a sequence far ahead of the journal's."""
        credential = self._any()
        versions = self._versions(credential)
        if versions and "sequence" in versions[-1][1]:
            sequence = self.world.random.choice(_FORGED)
            self._put(credential, {**versions[-1][1], "sequence": sequence}, f"forges {sequence}", forged=True)

    # --- the exchange

    def go_to_the_exchange(self) -> None:
        """Issue a token for another deployment, or revoke any token by hand."""
        random = self.world.random
        profile = self.world.profiles[random.choice(ACCOUNTS)]
        if random.random() < 0.6:
            label = random.choice([None, "laptop", "mm", "mm/of-another-deployment"])
            token = profile.issue_by_person(label)
            self.memory.by_hand.add(token.token_id)
            self.world.tell("a person", f"issues {token.token_id} ({label})")
        elif profile.live:
            token = random.choice(profile.live)
            self.world.tell("a person", f"revokes {token.token_id} by hand")
            profile.revoke_by_person(token.token_id)
            self.memory.revoked_by_hand.add(token.token_id)

    # --- backups

    def back_up(self) -> None:
        """Keep what a backup of Vault would hold now."""
        places = [*map(journal_location, CREDENTIALS), *map(ledger_location, ACCOUNTS)]
        for where in places:
            latest = self.world.kv.read(where)
            if latest is not None and latest.data is not None:
                self._backups.append((self.world.now, where, dict(latest.data)))

    def restore_a_journal(self) -> None:
        """Put a credential's journal back as some backup has it."""
        credential = self._any()
        found = [one for one in self._backups if one[1] == journal_location(credential)]
        if found:
            at, where, data = self.world.random.choice(found)
            self.world.tell("a person", f"restores the journal of {credential} as of {at:.0f} s")
            self.world.kv.put(where, data)
            self.memory.forget_since(credential, at)

    def restore_a_ledger(self) -> None:
        """Put an account's document back as some backup has it."""
        account = self.world.random.choice(ACCOUNTS)
        found = [one for one in self._backups if one[1] == ledger_location(account)]
        if found:
            at, where, data = self.world.random.choice(found)
            self.world.tell("a person", f"restores the ledger of {account} as of {at:.0f} s")
            self.world.kv.put(where, data)
            self.memory.note_ledger(account)

    # --- orders

    def order_something(self) -> None:
        """Give any order for one credential."""
        random = self.world.random
        kinds = ("request", "emergency", "revoke all", "retire", "rollback", "adopt", "reclaim", "resume")
        self.order(random.choices(kinds, weights=(4, 4, 2, 1, 4, 1, 3, 1))[0], self._any())

    def order(self, kind: str, credential: str, process: Process | None = None) -> Task:
        """Give that order now, on the machine of that worker (any, unless told otherwise)."""
        process = process or self.world.random.choice(self.world.processes)
        work = order_of(process.engine, kind, credential)
        task = self.world.start(kind, credential, process, work)
        served = self.world.holdings.at(location(credential))
        forged = served is not None and served.forged and credential not in self.memory.restored
        given = Given(kind, credential, self.world.now, task, self.world.about[task], forged and kind in ENDING)
        self.memory.given.append(given)
        self.world.tell("a person", f"orders {kind} of {credential} on {process.name}")
        return task

    def order_for_the_account(self) -> None:
        """Pause, resume, freeze, unfreeze, or trust a list."""
        world, random = self.world, self.world.random
        account, settings = random.choice(ACCOUNTS), world.settings
        name = random.choice([one for one, whose in CREDENTIALS.items() if whose == account] + [account])
        process = random.choice(world.processes)
        now, engine = process.clock.now(), process.engine
        length = random.choice([HOUR, 30 * HOUR, 10 * DAY])
        until = now.fromtimestamp(now.timestamp() + length, now.tzinfo)
        kind = random.choice(["pause", "pause", "resume", "freeze", "unfreeze", "trust"])
        edits = {
            "pause": lambda: pauses(settings, name, since=now, until=random.choice([until, None]), order=BY),
            "freeze": lambda: freezes(settings, account, since=now, until=until, order=BY),
            "unfreeze": lambda: unfreezes(settings, account),
            "trust": lambda: trusts(settings, account),
        }
        work: Callable[[], object] = lambda: engine.resume(name)  # noqa: E731
        if kind in edits:
            made = edits[kind]()
            work = lambda: engine.edit(made, BY)  # noqa: E731
        world.tell("a person", f"orders {kind} of {name} on {process.name}")
        world.start(kind, name, process, work)


def random_of_main(world: World) -> str:
    """Return one of the two credentials that share an account."""
    return world.random.choice(["mm", "taker"])


def order_of(engine: Engine, kind: str, credential: str) -> Callable[[], object]:
    """Return what a person's command does."""
    orders = engine.ordered_by(BY)
    known: dict[str, Callable[[], object]] = {
        "request": lambda: engine.rotate(credential, requested=True),
        "emergency": lambda: orders.emergency(credential),
        "revoke all": lambda: orders.revoke_all(credential),
        "retire": lambda: orders.retire(credential),
        "rollback": lambda: orders.rollback(credential),
        "adopt": lambda: orders.adopt(credential),
        "reclaim": lambda: orders.adopt(credential, reclaim=True),
        "resume": lambda: engine.resume(credential),
    }
    return known[kind]
