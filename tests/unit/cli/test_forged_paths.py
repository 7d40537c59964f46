"""Break-glass while somebody who can write the consumers' path forges what it says, driven as a person drives it."""

from datetime import timedelta
from typing import Any

import pytest

from tests.forging import LARGEST, UNKNOWN_ID, earlier, forge, put
from tests.unit.cli.world import CliWorld
from worker.cli.exits import ATTENTION, OK
from worker.models import PathContent
from worker.policy.steps import Reason

NEAR = 200
"""Ahead of the journal, and no more than a restored journal may be behind."""


@pytest.fixture
def used(cli: CliWorld) -> CliWorld:
    """A world whose credential mm has a superseded token in its grace and a current one."""
    world = cli.harness
    world.engine.rotate("mm")
    world.clock.advance(timedelta(days=7))
    world.engine.rotate("mm")
    world.use_served()
    world.clock.advance(timedelta(minutes=1))
    return cli


def ours(cli: CliWorld) -> set[str]:
    return {one.token_id for one in cli.harness.exchange.live if (one.label or "").startswith("mm/")}


def test_rotate_compromised_works_over_the_largest_sequence(used: CliWorld) -> None:
    forge(used.harness, sequence=LARGEST)
    result = used.run("rotate", "mm", "--compromised", "--yes")
    assert (result.exit_code, ours(used)) == (OK, {used.harness.served()}), result.stdout


def test_revoke_all_works_over_the_largest_sequence(used: CliWorld) -> None:
    forge(used.harness, sequence=LARGEST)
    result = used.run("revoke", "mm", "--all", "--yes")
    assert (result.exit_code, ours(used)) == (OK, set()), result.stdout


def test_retire_works_over_the_largest_sequence(used: CliWorld) -> None:
    forge(used.harness, sequence=LARGEST)
    result = used.run("retire", "mm", "--yes")
    assert (result.exit_code, ours(used), used.harness.path().content) == (OK, set(), PathContent.TOMBSTONE)


def test_rollback_works_over_the_largest_sequence(used: CliWorld) -> None:
    forge(used.harness, sequence=LARGEST)
    first = used.harness.exchange.issued[0].token_id
    result = used.run("rollback", "mm")
    assert (result.exit_code, used.harness.served()) == (OK, first), result.stdout


def test_reclaim_works_over_the_largest_sequence(used: CliWorld) -> None:
    put(used.harness, "mm", {**earlier(used.harness), "sequence": LARGEST})
    result = used.run("adopt", "mm", "--reclaim")
    current = used.harness.journal().current
    assert result.exit_code == OK, result.stdout
    assert current is not None
    assert (current.token_id, used.harness.journal().sequence < LARGEST) == (used.harness.served(), True)


def test_what_was_reclaimed_over_the_largest_sequence_is_rotated_when_due(used: CliWorld) -> None:
    put(used.harness, "mm", {**earlier(used.harness), "sequence": LARGEST})
    used.run("adopt", "mm", "--reclaim")
    used.harness.clock.advance(timedelta(days=7))
    used.harness.engine.rotate("mm")
    assert used.harness.served() == used.harness.exchange.issued[-1].token_id


FORGERIES: dict[str, dict[str, Any]] = {
    "the largest sequence on an unknown rotation": {"sequence": LARGEST, "rotation_id": UNKNOWN_ID},
    "a sequence not far ahead": {"sequence": NEAR},
    "a sequence not far ahead on an unknown rotation": {
        "sequence": NEAR, "rotation_id": UNKNOWN_ID, "label": f"mm/{UNKNOWN_ID}"
    },
    "a token of nobody": {"sequence": NEAR, "rotation_id": UNKNOWN_ID, "label": f"mm/{UNKNOWN_ID}", "token_id": "nil"},
}  # fmt: skip


@pytest.mark.parametrize("forged", FORGERIES)
@pytest.mark.parametrize("command", [("revoke", "mm", "--all"), ("retire", "mm")], ids=" ".join)
def test_an_order_to_end_all_tokens_ends_them_whatever_is_at_the_path(
    used: CliWorld, command: tuple[str, ...], forged: str
) -> None:
    forge(used.harness, **FORGERIES[forged])
    result = used.run(*command, "--yes")
    assert (result.exit_code, ours(used)) == (OK, set()), result.stdout


@pytest.mark.parametrize("forged", FORGERIES)
def test_an_emergency_replaces_our_token_whatever_its_document_says(used: CliWorld, forged: str) -> None:
    forge(used.harness, **FORGERIES[forged])
    result = used.run("rotate", "mm", "--compromised", "--yes")
    assert (result.exit_code, ours(used)) == (OK, {used.harness.served()}), result.stdout


def test_an_emergency_does_not_overwrite_a_live_token_that_is_not_ours_and_names_what_works(used: CliWorld) -> None:
    token = used.harness.exchange.issue_by_person("mobile app")
    forge(used.harness, **{**FORGERIES["a token of nobody"], "token_id": token.token_id})
    before = used.harness.path()
    result = used.run("rotate", "mm", "--compromised", "--yes")
    assert (result.exit_code, used.harness.path()) == (ATTENTION, before)
    assert "rotator revoke mm --all" in " ".join(result.stdout.split())


def test_retire_leaves_what_is_not_ours_at_the_path_and_says_so(used: CliWorld) -> None:
    forge(used.harness, **FORGERIES["a token of nobody"])
    before = used.harness.path()
    shown = " ".join(used.run("retire", "mm", "--yes").stdout.split())
    assert used.harness.path() == before
    assert "trading/limitless/mm is left as it is" in shown


def test_retiring_again_has_nothing_left_to_do_although_the_path_is_not_ours(used: CliWorld) -> None:
    forge(used.harness, **FORGERIES["a token of nobody"])
    used.run("retire", "mm", "--yes")
    result = used.run("retire", "mm")
    assert (result.exit_code, result.stderr, Reason.RETIRED.value in result.stdout) == (OK, "", True)
