"""Child processes that do not outlive us: started in a session of their own, stopped in order, always reaped.

A child is told to end with SIGTERM, alone: its own children are its business while it finishes what it has in hand.
When its time is up, or when it is gone, whatever is left of its process group is killed.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

ROOT = Path(__file__).resolve().parent.parent
"""The folder that holds the packages; children import them from here, whatever their working directory."""

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.02


def die_with_parent() -> Callable[[], None]:
    """Return a `preexec_fn` after which the kernel kills the child when its parent is gone, however it went.

    Linux watches the *thread* that started the child, so start children from a thread that stays (the main one).
    On other systems the function returned does nothing.
    """
    if not sys.platform.startswith("linux"):
        return lambda: None
    # Loaded before the fork: between fork and exec nothing may allocate or take locks more than it must.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def arrange() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the kernel was told
            os._exit(1)

    return arrange


def private_environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment that inherits nothing but the search path: no token, proxy or setting of the caller.

    Args:
        home: becomes HOME and (its `tmp`) TMPDIR, so that no file of the user's home is read or written.
        extra: what this child is to be told besides.
    """
    temporary = home / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    search_path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    return {
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "PATH": search_path,
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        **(extra or {}),
    }


class Child:
    """One running process and the file that takes its output.

    Args:
        name: what people call it.
        argv: command and arguments; never a secret among them.
        environment: all of it; nothing is inherited.
        log: stdout and stderr are appended here.
        cwd: its working directory.
        stop_seconds: how long it may take to end after SIGTERM before it is killed.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        log: Path,
        cwd: Path,
        stop_seconds: float = 10.0,
    ) -> None:
        self.name = name
        self.log = log
        self._argv = tuple(argv)
        self._environment = dict(environment)
        self._cwd = cwd
        self.stop_seconds = stop_seconds
        self._asked = False
        self._process = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            return _spawn(self._argv, self._environment, self._cwd, output)

    @property
    def pid(self) -> int:
        """The process id, which is also its session's and its group's."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended (negative: by that signal), or None while it runs."""
        if self._process.returncode is not None:
            return self._process.returncode
        # Looked at without reaping: until it is reaped, its number cannot be given to a stranger, so that signals to
        # it and to its group reach nobody else.
        ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        if ended is None:
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process alone; one that is gone already gets none."""
        if self.exit_code is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end, once: to many programs a second request means to drop what they have in hand."""
        if not self._asked:
            self._asked = True
            self.send(signal.SIGTERM)

    def kill(self) -> int:
        """Kill it and everything in its group at once; return the exit code."""
        return self.stop(within=0.0)

    def stop(self, *, within: float | None = None) -> int:
        """Ask it to end, kill what is left after `within` seconds (default: its own bound); return the exit code."""
        if self._process.returncode is not None:
            return self._process.returncode
        deadline = time.monotonic() + (self.stop_seconds if within is None else within)
        if within != 0.0:
            self.terminate()
        while self.exit_code is None and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        _kill_group(self.pid)
        return self._process.wait()

    def restart(self) -> None:
        """Kill it if it runs, and start the same command again."""
        self.kill()
        self._asked = False
        self._process = self._spawn()


def _spawn(
    argv: Sequence[str], environment: Mapping[str, str], cwd: Path, output: IO[bytes]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - commands of our own, no shell
        argv,
        env=dict(environment),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=die_with_parent(),  # noqa: PLW1509 - loads nothing and takes no lock after the fork
    )


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        # Gone, or (on macOS) only the unreaped leader is left.
        return


class Children:
    """The processes of one run; leaving the context stops them one after the other, the youngest first.

    Args:
        home: a folder of this run; children live, log and keep temporary files below it.
        hurry: when it answers True, nothing more is waited for: what runs is killed.
    """

    def __init__(self, *, home: Path, hurry: Callable[[], bool] = lambda: False) -> None:
        self.home = home
        self.logs = home / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self._hurry = hurry
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __iter__(self) -> Iterator[Child]:
        return iter(tuple(self._children))

    def start(
        self,
        name: str,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        stop_seconds: float = 10.0,
    ) -> Child:
        """Start a process and return it; its output goes to `logs/<name>.log`."""
        child = Child(
            name,
            argv,
            environment=private_environment(self.home, environment),
            log=self.logs / f"{name}.log",
            cwd=self.home,
            stop_seconds=stop_seconds,
        )
        self._children.append(child)
        return child

    def ended(self) -> tuple[Child, ...]:
        """Return those that ended although nobody stopped them."""
        return tuple(child for child in self._children if child.exit_code is not None)

    def stop(self, *names: str) -> None:
        """Stop those of these names side by side, or, without names, all of them one by one, the youngest first."""
        chosen = [child for child in reversed(self._children) if not names or child.name in names]
        asked_at = time.monotonic()
        for child in chosen if names else ():
            child.terminate()
        try:
            for child in chosen:
                waited = time.monotonic() - asked_at if names else 0.0
                child.stop(within=0.0 if self._hurry() else max(child.stop_seconds - waited, POLL_SECONDS))
        finally:
            for child in chosen:
                child.kill()
                self._children.remove(child)


def tail(log: Path, lines: int = 15) -> str:
    """Return the last lines of a log, for a message about whoever wrote it."""
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(it printed nothing)"
