"""The observer itself: what it takes for a broken promise, and what excuses it."""

import json
from random import Random
from typing import Any

import pytest

from config.schema import Policy
from tests.fakes.exchange import IssuedToken
from tests.model.clocks import START
from tests.model.memory import Asked, Given
from tests.model.observer import Observer
from tests.model.scheduler import Task
from tests.model.violations import Promise
from tests.model.weather import DAY, HOUR, Weather
from tests.model.world import About, World, journal_location, ledger_location, location
from worker.models import ListedToken, RevokeResult, TokenList

LABEL = "mm/id0001"


class Scene:
    """A world in which one token of ours was issued, verified and put at its path."""

    def __init__(self) -> None:
        random = Random(1)  # noqa: S311 - it is to be repeatable
        self.world = World(random, Weather(random), Policy())
        self.observer = Observer(self.world)
        self.memory = self.observer.memory
        self.memory.asked[LABEL] = Asked("mm", "rotation", "requested", 0.0)
        self.token = self.world.profiles["main"].issue_by_person(LABEL)
        self.serve(self.token)

    def about(self, kind: str = "revoke") -> About:
        return About(kind, "mm", self.world.processes[0])

    def data(self, token: IssuedToken) -> dict[str, Any]:
        return {"token_id": token.token_id, "secret": token.secret.get_secret_value(), "label": token.label}

    def serve(self, token: IssuedToken, **more: object) -> None:
        self.world.place(location("mm"), {**self.data(token), **more}, by_person=False)

    def revoke(self, token: IssuedToken, about: About | None = None) -> None:
        arguments = {"token_id": token.token_id}
        about = about or self.about()
        self.observer.landed(about, "exchange main", "revoke_token", arguments, RevokeResult.REVOKED, None)

    def write(self, before: dict[str, Any] | None, data: dict[str, Any], about: About | None = None) -> None:
        arguments = {"location": location("mm"), "data": data}
        self.observer.landed(about or self.about("rotate"), "vault", "write", arguments, None, before)

    def pass_time(self, seconds: float) -> None:
        self.world.scheduler.sleep(seconds)

    def order(self, kind: str) -> None:
        task = Task(kind, lambda: None, self.world.now)
        self.memory.given.append(Given(kind, "mm", self.world.now, task, self.about(kind), over_forgery=False))
        task.ended = self.world.now

    @property
    def broken(self) -> list[Promise]:
        return [one.promise for one in self.observer.violations]

    def successor(self) -> IssuedToken:
        self.memory.asked["mm/id0002"] = Asked("mm", "rotation", "requested", 0.0)
        return self.world.profiles["main"].issue_by_person("mm/id0002")


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_token_that_a_path_serves_may_not_be_revoked(scene: Scene) -> None:
    scene.revoke(scene.token)
    assert scene.broken == [Promise.READER]


def test_a_token_that_left_its_path_may_not_be_revoked_while_a_service_may_hold_it(scene: Scene) -> None:
    scene.serve(scene.successor())
    scene.pass_time(11 * HOUR)
    scene.revoke(scene.token)
    assert scene.broken == [Promise.READER]


def test_a_token_that_left_its_path_long_ago_may_be_revoked(scene: Scene) -> None:
    scene.serve(scene.successor())
    scene.pass_time(13 * HOUR)
    scene.revoke(scene.token)
    assert scene.broken == []


@pytest.mark.parametrize("kind", ["emergency", "revoke all", "retire"])
def test_an_order_to_end_them_excuses_the_tokens_that_there_were(scene: Scene, kind: str) -> None:
    scene.pass_time(HOUR)
    scene.order(kind)
    scene.revoke(scene.token)
    assert scene.broken == []


def test_an_emergency_excuses_no_token_that_came_after_it(scene: Scene) -> None:
    scene.order("emergency")
    scene.pass_time(HOUR)
    successor = scene.successor()
    scene.serve(successor)
    scene.revoke(successor)
    assert scene.broken == [Promise.READER]


def test_what_a_person_put_there_after_the_worker_had_looked_is_excused(scene: Scene) -> None:
    scene.serve(scene.successor())
    scene.pass_time(DAY)
    about = scene.about()
    about.path_read[location("mm")] = scene.world.now
    scene.pass_time(1.0)
    scene.world.place(location("mm"), scene.data(scene.token), by_person=True)
    scene.revoke(scene.token, about)
    assert scene.broken == []


def test_what_a_person_put_there_before_the_worker_looked_is_not(scene: Scene) -> None:
    scene.serve(scene.successor())
    scene.pass_time(DAY)
    scene.world.place(location("mm"), scene.data(scene.token), by_person=True)
    scene.pass_time(1.0)
    about = scene.about()
    about.path_read[location("mm")] = scene.world.now
    scene.revoke(scene.token, about)
    assert scene.broken == [Promise.READER]


def test_a_copy_at_another_path_is_honoured_until_max_age(scene: Scene) -> None:
    scene.serve(scene.successor())
    scene.world.place(location("taker"), scene.data(scene.token), by_person=True)
    about = scene.about()
    about.path_read[location("taker")] = 1e9
    scene.pass_time(2 * DAY)
    scene.revoke(scene.token, about)
    assert scene.broken == [Promise.READER]
    scene.observer.violations.clear()
    scene.pass_time(13 * DAY)
    scene.revoke(scene.token, about)
    assert scene.broken == []


def test_an_id_with_a_secret_that_does_not_sign_is_held_by_nobody(scene: Scene) -> None:
    scene.serve(scene.successor())
    scene.pass_time(DAY)
    scene.world.place(location("taker"), {**scene.data(scene.token), "secret": "x"}, by_person=True)
    about = scene.about()
    about.path_read[location("taker")] = 1e9
    scene.revoke(scene.token, about)
    assert scene.broken == []


def test_a_token_that_no_intent_asked_for_is_foreign(scene: Scene) -> None:
    scene.revoke(scene.world.profiles["main"].issue_by_person("mm/of-another-deployment"))
    assert scene.broken == [Promise.FOREIGN]


def test_a_rewrite_may_change_the_write_id_alone(scene: Scene) -> None:
    before = {**scene.data(scene.token), "desk": "7", "write_id": "a"}
    scene.write(before, {**before, "write_id": "b"})
    assert scene.broken == []
    scene.write(before, {**scene.data(scene.token), "write_id": "c"})
    assert scene.broken == [Promise.FENCE]


def test_an_unverified_token_may_not_be_served(scene: Scene) -> None:
    scene.write(scene.data(scene.token), scene.data(scene.successor()))
    assert scene.broken == [Promise.SERVED_UNVERIFIED]


def test_a_verified_token_may_be_served(scene: Scene) -> None:
    successor = scene.successor()
    scene.memory.verified.add((successor.token_id, successor.secret.get_secret_value()))
    scene.write(scene.data(scene.token), scene.data(successor))
    assert scene.broken == []


def test_a_dead_token_may_not_be_served(scene: Scene) -> None:
    successor = scene.successor()
    scene.memory.verified.add((successor.token_id, successor.secret.get_secret_value()))
    scene.world.profiles["main"].revoke_by_person(successor.token_id)
    scene.write(scene.data(scene.token), scene.data(successor))
    assert scene.broken == [Promise.SERVED_DEAD]


def test_another_profiles_token_may_not_be_served(scene: Scene) -> None:
    stranger = scene.world.profiles["alt"].issue_by_person("mm/id0002")
    scene.memory.verified.add((stranger.token_id, stranger.secret.get_secret_value()))
    scene.write(scene.data(scene.token), scene.data(stranger))
    assert scene.broken == [Promise.SERVED_FOREIGN]


def test_what_people_wrote_may_not_be_overwritten(scene: Scene) -> None:
    scene.world.place(location("mm"), {"desk": "7"}, by_person=True)
    scene.write({"desk": "7"}, {"tombstone": True})
    assert scene.broken == [Promise.OVERWROTE]


# --- what a restore, an emergency and a confirmed list excuse


FORGED = {"token_id": "nil", "secret": "bm9uZQ==", "label": LABEL}


def test_a_forgery_that_serves_nobody_may_be_overwritten_by_an_emergency(scene: Scene) -> None:
    scene.world.place(location("mm"), FORGED, by_person=True)
    scene.write(FORGED, {"tombstone": True}, scene.about("emergency"))
    assert scene.broken == []


def test_a_forgery_that_serves_nobody_may_not_be_overwritten_by_a_sweep(scene: Scene) -> None:
    scene.world.place(location("mm"), FORGED, by_person=True)
    scene.write(FORGED, {"tombstone": True}, scene.about("rotate"))
    assert scene.broken == [Promise.OVERWROTE]


def write_journal(scene: Scene, **document: Any) -> None:
    """Put mm's journal where the observer reads it, as a worker's write."""
    scene.world.kv.put(journal_location("mm"), {"journal": json.dumps(document)})
    scene.memory.note_journal("mm", document)


def test_a_token_that_was_taken_over_after_the_backup_is_excused_by_a_restore(scene: Scene) -> None:
    scene.pass_time(DAY)
    token = scene.world.profiles["main"].issue_by_person("by hand")
    scene.pass_time(DAY)
    write_journal(scene, ledger=[{"token_id": token.token_id, "state": "current", "adopted_as": "by hand"}])
    scene.memory.forget_since("mm", 1.5 * DAY)
    assert scene.memory.is_excused_by_restore(token.token_id, "mm")
    assert not scene.memory.is_excused_by_restore(scene.token.token_id, "mm")


@pytest.mark.parametrize("born, broken", [(0.0, [Promise.READER]), (2 * DAY, [])])
def test_a_restored_emergency_excuses_what_came_after_the_backup(
    scene: Scene, born: float, broken: list[Promise]
) -> None:
    scene.pass_time(born)
    token = scene.successor()
    scene.serve(token)
    scene.memory.forget_since("mm", DAY)
    write_journal(scene, ledger=[{"token_id": token.token_id, "state": "revoking", "revoking_reason": "compromised"}])
    scene.revoke(token)
    assert scene.broken == broken


def test_a_token_that_the_exchange_dated_in_the_past_is_as_old_as_it_says(scene: Scene) -> None:
    scene.world.exchange_clock.offset = -3 * DAY
    token = scene.successor()
    scene.world.exchange_clock.offset = 0.0
    scene.pass_time(HOUR)
    assert scene.memory.age(token.token_id) == 3 * DAY + HOUR


@pytest.mark.parametrize("kind, broken", [("rotation", [Promise.HELD_BACK]), ("emergency", [])])
def test_an_emergency_goes_on_in_a_freeze_whoever_goes_on_with_it(
    scene: Scene, kind: str, broken: list[Promise]
) -> None:
    successor = scene.successor()
    scene.memory.asked["mm/id0002"] = Asked("mm", kind, "requested", 0.0)
    scene.memory.verified.add((successor.token_id, successor.secret.get_secret_value()))
    freeze = {"since": START.isoformat(), "until": None}
    scene.memory.held["main"] = {json.dumps(["freeze", freeze]): -1.0}
    scene.pass_time(HOUR)
    scene.write(scene.data(scene.token), scene.data(successor))
    assert scene.broken == broken


def put_ledger(scene: Scene, ledger: dict[str, Any]) -> None:
    """Put the account's document where the observer reads it."""
    scene.world.kv.put(ledger_location("main"), {"ledger": json.dumps(ledger)})
    scene.memory.note_ledger("main")


def doubt(scene: Scene) -> None:
    """Let the account's document doubt a list that lacked everything."""
    suspicion = {"token_ids": [], "first_at": START.isoformat()}
    ledger = {"baseline": {"token_ids": [scene.token.token_id]}, "suspicion": suspicion}
    put_ledger(scene, ledger)


def listed(scene: Scene, *tokens: str) -> About:
    """Return a task that was told that list."""
    about, rows = scene.about("rotate"), tuple(ListedToken(one, None, (), START, None) for one in tokens)
    scene.observer.landed(about, "exchange main", "list_tokens", {}, TokenList(rows, START), None)
    return about


def test_a_list_that_lacks_the_same_is_believed_once_the_doubt_is_old_enough(scene: Scene) -> None:
    doubt(scene)
    assert listed(scene).shrunk
    scene.pass_time(HOUR)
    assert not listed(scene).shrunk


def test_a_list_that_lacks_something_else_is_doubted_however_old_the_doubt_is(scene: Scene) -> None:
    doubt(scene)
    scene.pass_time(HOUR)
    other = scene.world.profiles["main"].issue_by_person("other")
    ledger = scene.memory.ledger("main")
    ledger["baseline"]["token_ids"] += [other.token_id]
    ledger["suspicion"]["token_ids"] = [other.token_id]
    put_ledger(scene, ledger)
    assert listed(scene).shrunk


def test_a_token_that_is_about_to_be_revoked_is_not_missed_in_a_list(scene: Scene) -> None:
    ledger = {"baseline": {"token_ids": [scene.token.token_id]}}
    put_ledger(scene, ledger)
    assert listed(scene).shrunk
    write_journal(scene, ledger=[{"token_id": scene.token.token_id, "state": "revoking"}])
    assert not listed(scene).shrunk


def test_what_a_sweep_learns_after_a_run_began_is_not_held_against_it(scene: Scene) -> None:
    task = Task("w1:rotate:mm", lambda: None, begun=scene.world.now)
    scene.pass_time(1.0)
    put_ledger(scene, {"baseline": {"token_ids": [scene.token.token_id]}})
    scene.world.scheduler.current = task
    assert not listed(scene).shrunk
