from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.soak.blows import Blow, Kind, plan_blows
from sandbox.soak.scene import Scene

scenes = st.builds(
    Scene, workers=st.integers(1, 5), beats=st.integers(1, 3), traders=st.integers(1, 4), credentials=st.just(5)
)
seeds = st.integers(0, 10**6)
lengths = st.floats(1, 900)


def blows(scene: Scene, seed: int, seconds: float) -> tuple[Blow, ...]:
    return plan_blows(scene, seed=seed, seconds=seconds, every=3.0)


@given(scenes, seeds, lengths)
def test_the_same_seed_gives_the_same_blows(scene: Scene, seed: int, seconds: float) -> None:
    assert blows(scene, seed, seconds) == blows(scene, seed, seconds)


@given(scenes, seeds, lengths)
def test_every_blow_is_over_when_the_run_ends(scene: Scene, seed: int, seconds: float) -> None:
    assert all(one.at > 0 and one.over_at <= seconds for one in blows(scene, seed, seconds))


@given(scenes, seeds, lengths)
def test_no_target_is_hit_while_it_is_still_down(scene: Scene, seed: int, seconds: float) -> None:
    planned = blows(scene, seed, seconds)
    by_target = [[one for one in planned if one.target == target] for target in {one.target for one in planned}]
    assert all(before.over_at < after.at for each in by_target for before, after in pairwise(each))


@given(scenes, seeds)
def test_only_what_there_is_is_hit(scene: Scene, seed: int) -> None:
    names = {"vault", "redis", "exchange"}
    for family, count in (("worker", scene.workers), ("beat", scene.beats), ("trader", scene.traders)):
        names |= {f"{family}-{number}" for number in range(1, count + 1)}
    assert {one.target for one in blows(scene, seed, 300)} <= names


@pytest.mark.parametrize("kind", Kind)
def test_a_long_run_sees_every_kind_of_blow(kind: Kind) -> None:
    assert kind in {one.kind for one in plan_blows(Scene(), seed=1, seconds=3600, every=2)}


def test_a_trader_never_sleeps_away_its_grace() -> None:
    stopped = [one for one in plan_blows(Scene(), seed=1, seconds=3600, every=2) if one.kind is Kind.TRADER_STOPPED]
    assert max(one.lasts for one in stopped) <= 4


def test_a_blow_says_what_it_does_to_whom_and_for_how_long() -> None:
    assert str(Blow(3.0, Kind.VAULT_SEALED, "vault", 2.5)) == "vault sealed (vault) for 2.5 s"


def test_a_blow_that_is_over_at_once_says_no_time() -> None:
    assert str(Blow(3.0, Kind.REDIS_EMPTIED, "redis", 0)) == "redis emptied (redis)"
