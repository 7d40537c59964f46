"""One server process on localhost: its folder, its log, its start and its end."""

import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from sandbox.processes import die_with_parent, private_environment

START_SECONDS = 20.0
STOP_SECONDS = 5.0
POLL_SECONDS = 0.02
LOCALHOST = "127.0.0.1"


class ServerError(RuntimeError):
    """A server did not start; the text names its binary and its log."""


def free_port() -> int:
    """Return a port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOCALHOST, 0))
        port: int = probe.getsockname()[1]
        return port


class Server(ABC):
    """One server process: its folder, its log, its start and its end."""

    name: str

    def __init__(self, *, folder: Path, log: Path | None) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None and self.running else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def start(self) -> None:
        """Start it (again, on the same port) and wait until it answers; raises ServerError when it does not."""

    def stop(self) -> None:
        """End the server and reap it; a second call does nothing."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the server as a power cut does, and reap it."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _spawn(self, argv: list[str], stdin: bytes) -> None:
        output: IO[bytes] | int = self._log.open("ab") if self._log else subprocess.DEVNULL
        try:
            process = subprocess.Popen(  # noqa: S603 - a binary that we or the caller's environment named
                argv,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=private_environment(self.folder),
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - loads nothing and takes no lock after the fork
            )
        except OSError as exc:
            raise ServerError(f"{argv[0]} cannot be run: {exc.strerror}") from None
        finally:
            if not isinstance(output, int):
                output.close()
        self._process = process
        if process.stdin is not None:
            try:
                process.stdin.write(stdin)
                process.stdin.close()
            except BrokenPipeError:
                return  # it ended at once; waiting for it to answer says so

    def _await(self, answers: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if not self.running:
                break
            if answers():
                return
            time.sleep(POLL_SECONDS)
        self.kill()
        raise ServerError(f"{self.name} did not start{f'; see {self._log}' if self._log else ''}")
