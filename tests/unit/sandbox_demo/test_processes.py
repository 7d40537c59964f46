import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.processes import ROOT, Child, Children, private_environment

STUBBORN = (
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('ready', flush=True)\ntime.sleep(60)"
)
OBEDIENT = "import time\nprint('ready', flush=True)\ntime.sleep(60)"
PARENT = (
    "import subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "print(child.pid, flush=True)\n"
    "time.sleep(60)"
)


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def output(child: Child) -> str:
    return child.log.read_text(encoding="utf-8")


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    with Children(home=tmp_path) as started:
        yield started


def test_a_child_that_ignores_the_request_to_end_is_killed_when_its_time_is_up(children: Children) -> None:
    child = children.start("stubborn", [sys.executable, "-c", STUBBORN])
    until(lambda: "ready" in output(child))
    assert child.stop(within=0.2) == -signal.SIGKILL


def test_a_child_that_obeys_is_not_killed(children: Children) -> None:
    child = children.start("obedient", [sys.executable, "-c", OBEDIENT])
    until(lambda: "ready" in output(child))
    assert child.stop() == -signal.SIGTERM


def test_what_a_child_leaves_behind_in_its_group_is_killed_too(children: Children) -> None:
    child = children.start("parent", [sys.executable, "-c", PARENT])
    until(lambda: output(child).strip() != "")
    grandchild = int(output(child))
    child.stop()
    until(lambda: not alive(grandchild))


def test_an_exception_inside_the_context_leaves_no_child_running(tmp_path: Path) -> None:
    pids: list[int] = []

    def fail_with_a_child_running() -> None:
        with Children(home=tmp_path) as started:
            pids.append(started.start("one", [sys.executable, "-c", OBEDIENT]).pid)
            raise RuntimeError("in between")

    with pytest.raises(RuntimeError, match="in between"):
        fail_with_a_child_running()
    assert not alive(pids[0])


def test_all_children_are_stopped_the_youngest_first(tmp_path: Path) -> None:
    script = (
        "import signal, sys, time\n"
        "def end(*_):\n    print(time.monotonic_ns(), flush=True)\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\nprint('ready', flush=True)\ntime.sleep(60)"
    )
    with Children(home=tmp_path) as started:
        ordered = [started.start(name, [sys.executable, "-c", script]) for name in ("servers", "workers", "trader")]
        until(lambda: all("ready" in output(child) for child in ordered))
    ended = {child.name: int(output(child).split()[-1]) for child in ordered}
    assert sorted(ended, key=lambda name: ended[name]) == ["trader", "workers", "servers"]


def test_a_hurried_stop_waits_for_nobody(tmp_path: Path) -> None:
    with Children(home=tmp_path, hurry=lambda: True) as started:
        child = started.start("stubborn", [sys.executable, "-c", STUBBORN], stop_seconds=60)
        until(lambda: "ready" in output(child))
        before = time.monotonic()
    assert time.monotonic() - before < 5


def test_a_child_that_ended_on_its_own_is_reported_with_its_exit_code(children: Children) -> None:
    child = children.start("brief", [sys.executable, "-c", "raise SystemExit(3)"])
    until(lambda: children.ended() != ())
    assert (children.ended()[0].name, child.exit_code) == ("brief", 3)


def test_a_restarted_child_is_another_process_with_the_same_command(children: Children) -> None:
    child = children.start("again", [sys.executable, "-c", OBEDIENT])
    until(lambda: output(child).count("ready") == 1)
    first = child.pid
    child.restart()
    until(lambda: output(child).count("ready") == 2)
    assert child.pid != first


def test_a_child_sees_nothing_of_our_own_environment(
    children: Children, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "left over")
    child = children.start(
        "env", [sys.executable, "-c", "import os; print(sorted(os.environ))"], environment={"A": "1"}
    )
    until(lambda: children.ended() != ())
    seen = set(output(child).strip("[]\n").replace("'", "").split(", "))
    assert seen - {"LC_CTYPE"} == {*private_environment(tmp_path), "A"}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells children of their parent's death")
def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, time\n"
        "from sandbox.processes import Children\n"
        f"children = Children(home=pathlib.Path({str(tmp_path)!r}))\n"
        f"child = children.start('one', [sys.executable, '-c', {OBEDIENT!r}])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as parent:
        assert parent.stdout is not None
        orphan = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
        until(lambda: not alive(orphan))


def test_children_that_are_stopped_together_are_asked_to_end_once(tmp_path: Path) -> None:
    script = (
        "import signal, time\n"
        "def count(*_):\n    print('asked', flush=True)\n    time.sleep(0.3)\n    raise SystemExit(0)\n"
        "signal.signal(signal.SIGTERM, count)\nprint('ready', flush=True)\ntime.sleep(60)"
    )
    with Children(home=tmp_path) as started:
        child = started.start("one", [sys.executable, "-c", script])
        until(lambda: "ready" in output(child))
        started.stop("one")
    assert output(child).split() == ["ready", "asked"]
