import json
from dataclasses import replace
from datetime import timedelta

import pytest

from sandbox.leaks import Finding
from sandbox.soak.audit import Audit
from sandbox.soak.blows import Kind
from sandbox.soak.measure import Rotation, Struck
from sandbox.soak.summary import Summary
from tests.fakes.clock import START


def rotation(name: str, late: float) -> Rotation:
    return Rotation(name, "rid", START, START + timedelta(seconds=late))


GOOD = Summary(
    seconds=600,
    seed=7,
    names=("mm", "taker"),
    rotations=(rotation("mm", 2), rotation("mm", 3), rotation("taker", 9)),
    blows=(
        Struck(Kind.VAULT_SEALED, START, START + timedelta(seconds=5)),
        Struck(Kind.WORKER_KILLED, START, START),
    ),
    faults={"slow": 4, "throttle": 2},
    requests=900,
    refused=(),
    untraded=(),
    strays=(timedelta(seconds=6),),
    audit=Audit(),
    settled_after=timedelta(seconds=12),
    leaks=(),
)


def test_a_run_in_which_everything_held_breaks_no_promise() -> None:
    assert GOOD.broken_promises == ()


@pytest.mark.parametrize(
    "bad, promise",
    [
        (replace(GOOD, refused=("POST /orders was answered 401",)), "POST /orders was answered 401"),
        (replace(GOOD, audit=Audit(lost=("a secret is lost",))), "a secret is lost"),
        (replace(GOOD, audit=Audit(orphans=("an orphan is alive",))), "an orphan is alive"),
        (replace(GOOD, audit=Audit(untidy=("mm is still open",))), "mm is still open"),
        (
            replace(GOOD, rotations=(*GOOD.rotations, rotation("mm", -27))),
            "mm was rotated twice for one due date: rid came 0:00:27 early",
        ),
        (replace(GOOD, names=("mm", "taker", "idle")), "idle was never rotated"),
        (replace(GOOD, untraded=("mm",)), "no trader ever traded with mm"),
        (
            replace(GOOD, leaks=(Finding("secret of token t", "raw", "file a.log"),)),
            "secret of token t (raw) in file a.log was seen outside Vault",
        ),
        (replace(GOOD, fallen=("beat-1 ended with code 1",)), "beat-1 ended with code 1, although nobody stopped it"),
        (replace(GOOD, trouble="redis-server did not start"), "redis-server did not start"),
    ],
)
def test_a_broken_promise_is_named(bad: Summary, promise: str) -> None:
    assert bad.broken_promises == (promise,)


def test_recovery_is_told_for_each_kind_of_blow() -> None:
    told = {kind: one.longest for kind, one in GOOD.recovery_by_kind.items()}
    assert told == {"vault sealed": 4.0, "worker killed": 9.0}


def test_the_system_works_again_when_the_first_that_waited_is_rotated() -> None:
    assert (GOOD.first_recovery.count, GOOD.first_recovery.longest) == (2, 4.0)


def test_a_run_that_is_too_short_for_a_rotation_need_not_have_one() -> None:
    assert replace(GOOD, seconds=20, rotations=()).broken_promises == ()


def test_the_verdict_is_the_last_line() -> None:
    assert GOOD.lines()[-1] == "OK: every promise was kept."


def test_every_broken_promise_has_a_line() -> None:
    bad = replace(GOOD, refused=("POST /orders was answered 401",))
    assert bad.lines()[-1] == "BROKEN: POST /orders was answered 401."


@pytest.mark.parametrize("name", ["rotations", "rejected", "secrets lost", "orphans", "duplicates", "recovery"])
def test_what_was_promised_to_be_told_is_told(name: str) -> None:
    assert any(line.strip().startswith(name) for line in GOOD.lines())


def test_a_run_that_never_settled_says_so() -> None:
    assert any(line.endswith("not in time") for line in replace(GOOD, settled_after=None).lines())


def test_the_json_holds_the_same_numbers() -> None:
    told = json.loads(json.dumps(GOOD.as_json()))
    picked = {name: told[name] for name in ("ok", "rotations", "requests", "rejected", "orphans", "duplicates")}
    assert picked == {"ok": True, "rotations": 3, "requests": 900, "rejected": 0, "orphans": 0, "duplicates": 0}
