"""The fleet: what it promises to be, whatever its size."""

from random import Random

import pytest

from config.policy_rules import RULES
from sandbox.simulation.fleet import NEVER, POLICIES, TARDY, Fleet, Member, build_fleet


def seeded(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - it is to be repeatable


@pytest.mark.parametrize("kind", POLICIES)
def test_each_policy_would_be_accepted_by_the_configuration(kind: str) -> None:
    assert [rule.right for rule in RULES if not rule.holds(POLICIES[kind])] == []


def test_a_small_fleet_has_every_kind_of_policy() -> None:
    fleet = build_fleet(credentials=26, accounts=1, days=30, random=seeded(1))
    assert {member.policy for member in fleet.members.values()} == set(POLICIES)


def test_the_same_seed_builds_the_same_fleet() -> None:
    built = [build_fleet(credentials=30, accounts=3, days=30, random=seeded(7)) for _ in range(2)]
    assert built[0] == built[1]


def test_a_reader_slower_than_half_its_grace_is_refused() -> None:
    settings = build_fleet(credentials=1, accounts=1, days=30, random=seeded(1)).settings
    with pytest.raises(ValueError, match="twice its slowest reader"):
        Fleet(settings, {"mm": Member("mm", "weekly", (TARDY,))})


def test_a_reader_that_never_looks_again_is_not_measured_by_grace() -> None:
    settings = build_fleet(credentials=1, accounts=1, days=30, random=seeded(1)).settings
    assert Fleet(settings, {"mm": Member("mm", "weekly", (NEVER,))}).members
