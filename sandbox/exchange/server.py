"""Runs the two ports in one event loop: in this process (`running_exchange`) or as `python -m sandbox`."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Generator, Iterable
from dataclasses import dataclass, field
from datetime import datetime

import uvicorn
from starlette.types import ASGIApp

from sandbox.client import ControlClient
from sandbox.exchange.app import ExchangeApp
from sandbox.exchange.control import control_app
from sandbox.exchange.cutting import CuttableProtocol
from sandbox.exchange.records import FaultRule, Options, Profile
from sandbox.exchange.state import ExchangeState, real_now

LOOPBACK = "127.0.0.1"
START_TIMEOUT = 10.0
STOP_TIMEOUT = 10.0
GRACEFUL_SECONDS = 2


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # Two servers share the loop, so signals are the caller's affair.
        yield


class ExchangePorts:
    """The two listening sockets and the servers behind them.

    They listen from the moment this is made; `serve` answers. Raises OSError when a port is taken.

    Args:
        state: shared by both.
        host: of the public port.
        port: of the public port, 0 for a free one.
        control_port: likewise, always on the loopback address.
    """

    def __init__(self, state: ExchangeState, *, host: str = LOOPBACK, port: int = 0, control_port: int = 0) -> None:
        with contextlib.ExitStack() as undo:
            self._public = undo.enter_context(_listen(host, port))
            self._control = undo.enter_context(_listen(LOOPBACK, control_port))
            self._servers = (_server(ExchangeApp(state)), _server(control_app(state)))
            undo.pop_all()
        shown = f"[{host}]" if ":" in host else host
        self.api_url = f"http://{shown}:{self._public.getsockname()[1]}"
        self.control_url = f"http://{LOOPBACK}:{self._control.getsockname()[1]}"

    async def serve(self, *, ready: Callable[[], None] = lambda: None, beside: Iterable[Awaitable[None]] = ()) -> None:
        """Answer on both ports until `stop`; call `ready` once both do, and run `beside` as long as they do."""
        sockets = (self._public, self._control)
        tasks = [asyncio.ensure_future(_serve(*pair)) for pair in zip(self._servers, sockets, strict=True)]
        companions = [asyncio.ensure_future(one) for one in beside]
        try:
            while not all(server.started for server in self._servers) and not any(task.done() for task in tasks):
                await asyncio.sleep(0.005)
            ready()
            # Whatever ends first, be it a companion's failure, ends the rest.
            await asyncio.wait([*tasks, *companions], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.stop()
            for companion in companions:
                companion.cancel()
            results = await asyncio.gather(*tasks, *companions, return_exceptions=True)
        failures = [one for one in results if isinstance(one, Exception)]
        if failures:
            raise failures[0]

    def stop(self) -> None:
        """Let `serve` return; safe from any thread and from a signal handler."""
        for server in self._servers:
            server.should_exit = True


@dataclass(slots=True)
class RunningExchange:
    """A sandbox exchange at work in a thread of this process."""

    api_url: str
    control_url: str
    state: ExchangeState
    control: ControlClient
    failures: list[BaseException] = field(default_factory=list)


@contextlib.contextmanager
def running_exchange(
    *,
    profiles: Iterable[str | Profile] = ("main",),
    rules: Iterable[FaultRule] = (),
    seed: int = 0,
    options: Options | None = None,
    clock: Callable[[], datetime] = real_now,
) -> Generator[RunningExchange, None, None]:
    """Run a sandbox exchange on two free ports of the loopback address while the block lasts.

    Args:
        profiles: names, or whole profiles.
        rules: the faults in force; none unless given, as tests want to choose (`DEFAULT_RULES` are the usual ones).
        seed: of the faults.
        options: for what the exchange does not document.
        clock: the exchange's clock, timezone-aware.

    Raises:
        RuntimeError: it did not start.
    """
    state = ExchangeState(
        seed=seed,
        profiles=[Profile(name=one) if isinstance(one, str) else one for one in profiles],
        rules=rules,
        options=options,
        clock=clock,
    )
    ports = ExchangePorts(state)
    ready = threading.Event()
    with ControlClient(ports.control_url) as control:
        running = RunningExchange(ports.api_url, ports.control_url, state, control)

        def run() -> None:
            try:
                asyncio.run(ports.serve(ready=ready.set))
            except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that waits
                running.failures.append(error)
            finally:
                ready.set()

        thread = threading.Thread(target=run, name="sandbox-exchange", daemon=True)
        thread.start()
        try:
            if not ready.wait(START_TIMEOUT) or running.failures:
                raise RuntimeError("the sandbox exchange did not start") from next(iter(running.failures), None)
            yield running
        finally:
            ports.stop()
            thread.join(STOP_TIMEOUT)
    if thread.is_alive():
        raise RuntimeError("the sandbox exchange did not stop")
    if running.failures:
        raise RuntimeError("the sandbox exchange failed") from running.failures[0]


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the protocol is spelled out, and it costs 40 ms an answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except BaseException:
        listener.close()
        raise
    return listener


def _server(app: ASGIApp) -> _Server:
    config = uvicorn.Config(
        app,
        http=CuttableProtocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        date_header=False,  # the exchange has a clock of its own
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )
    return _Server(config)


async def _serve(server: _Server, listener: socket.socket) -> None:
    await server.serve(sockets=[listener])
