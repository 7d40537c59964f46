"""The end of a run: all is quiet; first nobody helps, then people follow the runbook, and all must come right."""

from collections.abc import Callable
from functools import partial

from tests.model.observer import Observer
from tests.model.people import People
from tests.model.violations import Promise
from tests.model.weather import DAY, HOUR, MINUTE
from tests.model.world import ACCOUNTS, CREDENTIALS, World, location
from worker.engine.pausing import trusts, unfreezes
from worker.policy.plan import plan_rotation
from worker.policy.steps import Order, Reason

_OPEN_FOR = 15 * MINUTE


class Ending:
    """Ends one run."""

    def __init__(self, world: World, observer: Observer, people: People) -> None:
        self.world = world
        self.observer = observer
        self.memory = observer.memory
        self.people = people

    def run(self, is_broken: Callable[[], bool]) -> None:
        """Let it be quiet, and check what must come right."""
        patient = self.world.random.random() < 0.3
        self._calm()
        self._sweep(6, 20 * MINUTE)
        if is_broken():
            return
        self._goes_on_alone()
        if patient:
            limit = (self.world.policy.max_age + self.world.policy.grace).total_seconds()
            self._sweep(12, limit / 11)
            if is_broken():
                return
            self._copies_are_gone()
        self._follow_the_runbook()
        if is_broken():
            return
        self._sweep(6, 16 * HOUR)
        self._follow_the_runbook()
        for task in self.world.scheduler.running:
            task.killed = True  # what slept until now has had its chance to wake up
        self._sweep(4, 16 * HOUR)
        for _ in range(3):
            self.world.scheduler.sleep(2 * DAY)
            self._sweep(3, MINUTE, rotate=False)
        if not is_broken():
            self._has_come_right()

    def _calm(self) -> None:
        """Let every disturbance end."""
        world = self.world
        world.tell("the world", "all is quiet from here on")
        world.weather.often.clear()
        for clock in (world.vault_clock, world.exchange_clock, *(one.clock for one in world.processes)):
            clock.offset = 0.0
        world.identity = {one: one for one in ACCOUNTS}
        world.cut.clear()
        world.mute_until.clear()
        world.exchange_away = dict.fromkeys(ACCOUNTS, 0.0)
        world.redis_away_until = 0.0
        world.unknown_until.clear()
        for process in world.processes:
            process.vault_away = 0.0
        for profile in world.profiles.values():
            profile.reveal()
        for task in world.scheduler.running:
            # A worker that stands still may wake up whenever it likes; a command that does is given up by its person.
            task.killed = task.killed or world.about[task].kind not in {"rotate", "revoke", "flag"}
        world.scheduler.sleep(MINUTE)
        self._lift_everything()

    def _lift_everything(self) -> None:
        world, engine = self.world, self.world.processes[0].engine
        world.start("unfreeze", "all", world.processes[0], lambda: engine.edit(unfreezes(world.settings, None), _ANN))
        world.start("resume", "all", world.processes[0], lambda: engine.resume("all"))
        world.scheduler.sleep(MINUTE)

    def _sweep(self, rounds: int, gap: float, *, rotate: bool = True) -> None:
        world = self.world
        for number in range(rounds):
            if self.observer.violations:
                return
            process = world.processes[number % len(world.processes)]
            engine = process.engine
            works: list[tuple[str, str, Callable[[], object]]] = []
            for name in CREDENTIALS if rotate else ():
                works.append(("rotate", name, partial(engine.rotate, name)))
            works.extend(("revoke", account, partial(engine.revoke, account)) for account in ACCOUNTS)
            for kind, name, work in works:
                world.start(kind, name, process, work)
                world.scheduler.sleep(MINUTE / 10)
            world.scheduler.sleep(max(gap - MINUTE, 0.0))

    # --- without people

    def _goes_on_alone(self) -> None:
        """Check what needs nobody: open rotations go on, and what was ordered to end has ended."""
        for name in CREDENTIALS:
            journal = self.memory.journal(name)
            intent = journal.get("intent")
            asked = self.memory.asked.get(intent["label"]) if intent else None
            opened = asked.at if asked else 0.0
            if intent and self._is_clean(name) and self.world.now - opened > _OPEN_FOR:
                self.observer.violated(Promise.STUCK, f"{name}: {intent['rotation_id']} is open")
        for token_id, (name, _) in self.memory.marked.items():
            if self._is_marked(name, token_id) and self.world.is_live(token_id) and name not in self.memory.restored:
                self.observer.violated(Promise.ORDER_UNDONE, f"{token_id} of {name}")

    def _is_marked(self, name: str, token_id: str) -> bool:
        ledger = self.memory.journal(name).get("ledger", ())
        return any(one.get("token_id") == token_id and one["state"] == "revoking" for one in ledger)

    def _is_clean(self, name: str) -> bool:
        """Whether nobody but workers wrote that path last, and its journal was never restored."""
        served = self.world.holdings.at(location(name))
        return name not in self.memory.restored and (served is None or not served.by_person)

    def _copies_are_gone(self) -> None:
        limit = (self.world.policy.max_age + self.world.policy.grace).total_seconds() + DAY
        for placement in self.world.holdings.every():
            token_id = placement.token_id
            name = self.memory.owner(token_id) if token_id else None
            if token_id is None or name is None or placement.until is not None or not self._is_clean(name):
                continue
            if placement.location == location(name) or not self.world.is_live(token_id):
                continue
            current = self.world.holdings.at(location(name))
            if (current is None or current.token_id != token_id) and self.world.now - self.world.born(token_id) > limit:
                self.observer.violated(Promise.COPY_LIVES, f"{token_id} of {name} at {placement.location}")

    # --- with people

    def _follow_the_runbook(self) -> None:
        """Do for each credential what `rotator plan` and the runbook say, as a person does."""
        self._lift_everything()  # a pause whose write was late may have come since
        for account in ACCOUNTS:
            engine = self.world.processes[0].engine
            edits = trusts(self.world.settings, account)
            self.world.start("trust", account, self.world.processes[0], partial(engine.edit, edits, _ANN))
        self.world.scheduler.sleep(MINUTE)
        for name in CREDENTIALS:
            for attempt in range(4):
                reason = self._what_is_wrong(name)
                if reason is None:
                    break
                self.world.tell("a person", f"finds {name} {reason.value}")
                self._put_right(name, attempt)

    def _what_is_wrong(self, name: str) -> Reason | None:
        gatherer = self.world.processes[0].gatherer
        found: list[Reason] = []

        def look() -> None:
            plan = plan_rotation(gatherer.credential(name), self.world.processes[0].clock.now())
            found.extend(one.reason for one in plan.holds)

        self.world.start("plan", name, self.world.processes[0], look)
        self.world.scheduler.sleep(MINUTE)
        broken = {Reason.DRIFTED, Reason.JOURNAL_BEHIND, Reason.NOT_ADOPTED, Reason.MOVED, Reason.PARKED}
        return next((one for one in found if one in broken), None)

    def _put_right(self, name: str, attempt: int) -> None:
        if attempt in {0, 2}:
            self._order("resume", name)
            self._order("reclaim", name)
            return
        if attempt == 1:
            current = [one for one in self.memory.journal(name).get("ledger", ()) if one["state"] == "current"]
            wanted = current[0].get("promoted_version") if current else None
            stored = [one for one in self.world.kv.versions(location(name)) if one.version == wanted]
            if stored and stored[0].data is not None:
                self.world.tell("a person", f"rolls {name} back to version {wanted}")
                self.world.put(location(name), stored[0].data)
            return
        self._order("revoke all", name)
        self.world.tell("a person", f"removes {location(name)} with all its versions")
        self.world.kv.forget(location(name))
        self.memory.wiped.add(location(name))
        self.world.place(location(name), None, by_person=True)

    def _order(self, kind: str, name: str) -> None:
        self.people.order(kind, name, self.world.processes[0])
        self.world.scheduler.sleep(10 * MINUTE)

    # --- all must be right

    def _has_come_right(self) -> None:
        for name in CREDENTIALS:
            self._is_right(name)
        for account in ACCOUNTS:
            ledger = self.memory.ledger(account)
            if ledger.get("suspicion") or ledger.get("dangling"):
                what = f"{account}: {ledger.get('suspicion')}, {ledger.get('dangling')} when all is quiet"
                self.observer.violated(Promise.NOT_RIGHT, what)
        for token_id, (name, _) in self.memory.marked.items():
            if self.world.is_live(token_id):
                self.observer.violated(Promise.ORDER_UNDONE, f"{token_id} of {name} is alive at the end")

    def _is_right(self, name: str) -> None:
        observer, journal = self.observer, self.memory.journal(name)
        served = self.world.holdings.at(location(name))
        token_id = served.token_id if served else None
        profile = self.world.profiles[CREDENTIALS[name]]
        ours = [one.token_id for one in profile.live if self.memory.owner(one.token_id) == name]
        others = [one for other in self.world.profiles.values() if other is not profile for one in other.live]
        astray = [one.token_id for one in others if self.memory.owner(one.token_id) == name]
        if journal.get("retired_at") is not None:
            left = [one for one in ours if not self.memory.is_excused_by_restore(one, name)]
            if left or (token_id is not None and not (served and served.by_person)):
                observer.violated(Promise.NOT_RIGHT, f"{name} is retired: {left} live, {token_id} served")
            return
        if self._what_is_wrong(name) is not None or journal.get("intent") is not None:
            observer.violated(Promise.NOT_RIGHT, f"{name}: {self._what_is_wrong(name)}, {journal.get('intent')}")
            return
        states = [one["state"] for one in journal.get("ledger", ())]
        if journal.get("emergency_at") or "revoking" in states:
            observer.violated(Promise.NOT_RIGHT, f"{name}: {journal.get('emergency_at')}, {states}")
            return
        current = [one.get("token_id") for one in journal.get("ledger", ()) if one["state"] == "current"]
        if current != [token_id] or token_id is None or not self.world.is_live(token_id):
            observer.violated(Promise.NOT_RIGHT, f"{name}: current {current}, served {token_id}")
            return
        left = [one for one in (*ours, *astray) if one != token_id]
        left = [one for one in left if not self.memory.is_excused_by_restore(one, name)]
        left = [one for one in left if not self.memory.is_used_in_the_future(one)]
        if left:
            observer.violated(Promise.LEFT_ALIVE, f"{name}: {left} beside {token_id}")


_ANN = Order(by="ann", why="all is quiet")
