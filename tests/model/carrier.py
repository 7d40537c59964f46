"""The network of the model: each call of each worker stops here before and after, and may be struck."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.model.observer import Observer
from tests.model.scheduler import Crash, Task
from tests.model.weather import HOUR, Fate
from tests.model.wire import Act
from tests.model.world import About, World
from worker.errors import (
    AmbiguousDeriveError,
    AmbiguousWriteError,
    AuthenticationRefusedError,
    ClockSkewError,
    ExchangeRefusedError,
    ExchangeUnavailableError,
    RotatorError,
    VaultUnavailableError,
)
from worker.models import TokenList

_LONGEST_SKEW = 30.0
_NEVER_LATE = frozenset({"destroy"})
_TIMES_AT_WRITES = 3.0
"""A stop, a death or another's act is that much likelier beside a write: there it tells most."""
_UNKNOWN = (1.0, 36.0, 45.0, HOUR, 1e9)
"""Seconds for which a new token is answered 401, at the node of the exchange that a worker happens to reach."""
_SHOWS_USE = frozenset({"list_tokens", "list_tokens_as", "revoke_token"})
_READS = frozenset({"read", "older_versions", "server_time", "list_tokens", "list_tokens_as", "get_capabilities"})


class Carrier:
    """Carries every call of every worker out, in any weather."""

    def __init__(self, world: World, observer: Observer) -> None:
        self._world = world
        self._observer = observer
        self.between_calls: Callable[[], None] = lambda: None
        """What people do between any two calls."""
        self.struck: Callable[[About], None] = lambda _about: None
        """Told when a task was struck: whoever sweeps next may take its work over."""

    def carry(self, port: str, method: str, act: Act, arguments: dict[str, Any]) -> Any:
        """Carry a call out; see `tests.model.wire.Wire`."""
        world, task = self._world, self._world.scheduler.current
        about = world.about_current()
        if task is None or about is None:
            return act()
        self._observer.leaving(about, port, method, arguments)
        if world.tracing:
            world.tell(task.name, f"{port}.{method}{_shown(arguments)} ...")
        self._pause(task, method)
        fate = Fate.NOTHING if self._is_away(port, about) else world.weather.fate(is_write=method not in _READS)
        if method == "derive_token" and world.now < world.mute_until.get(_account(port), 0.0):
            fate = world.random.choice([Fate.LOST, Fate.NEVER])
        if method in _NEVER_LATE and fate in {Fate.LATE, Fate.LATE_DEAD}:
            fate = Fate.LOST
        if fate is not Fate.DONE:
            self.struck(about)
            world.tell(task.name, f"{port}.{method}: {fate.value}")
        self._refuse(port, method, arguments, about)
        match fate:
            case Fate.NOTHING:
                self._time_out(0.1)
                raise _nothing_done(port, method)
            case Fate.NEVER:
                self._time_out(20.0)
                raise _unknown(port, method)
            case Fate.LATE | Fate.LATE_DEAD:
                self._land_late(port, method, act, arguments, task, about)
                if fate is Fate.LATE_DEAD:
                    task.killed = True
                self._time_out(20.0)
                raise _unknown(port, method)
            case _:
                answer = self._land(port, method, act, arguments, about)
        self._pause(task, method)
        if fate is Fate.LOST:
            self._time_out(20.0)
            if world.random.random() < 0.5:
                about.process.vault_away = world.now + world.weather.away()
            raise _unknown(port, method)
        return answer

    def _pause(self, task: Task, method: str) -> None:
        """The switching point: time passes, others act, the process may stand still or die."""
        world, weather = self._world, self._world.weather
        times = 1.0 if method in _READS else _TIMES_AT_WRITES
        stop = weather.stop(times)
        if stop:
            world.tell(task.name, f"stands still for {stop:.0f} s")
            self.struck(world.about[task])
        world.scheduler.sleep(weather.latency() + stop)
        if weather.strikes("acts between calls", times):
            self.between_calls()
        if weather.strikes("kills", times):
            world.tell(task.name, "dies")
            self.struck(world.about[task])
            task.killed = True
            raise Crash

    def _time_out(self, seconds: float) -> None:
        self._world.scheduler.sleep(self._world.random.uniform(0.2, 1.0) * seconds)

    def _is_away(self, port: str, about: About) -> bool:
        world = self._world
        if port == "vault":
            return world.now < about.process.vault_away
        return world.now < world.exchange_away[_account(port)]

    def _refuse(self, port: str, method: str, arguments: dict[str, Any], about: About) -> None:
        """Raise what the exchange answers to a call that it does not accept, or that is signed at the wrong time."""
        world = self._world
        if port == "vault":
            return
        if method == "list_tokens_as":
            skew = world.exchange_clock.offset - about.process.clock.offset
            if abs(skew) > _LONGEST_SKEW:
                raise ClockSkewError("the clocks differ", skew=timedelta(seconds=skew))
            if world.now < world.unknown_until.get((arguments["token_id"], about.process.name), 0.0):
                raise AuthenticationRefusedError("Invalid HMAC authentication", status=401)
        elif world.weather.strikes("refusals"):
            world.tell(world.who(), f"{port}.{method}: refused")
            raise (
                AuthenticationRefusedError("the identity is not accepted", status=401)
                if world.random.random() < 0.5
                else ExchangeRefusedError("forbidden", status=403)
            )

    def _land(self, port: str, method: str, act: Act, arguments: dict[str, Any], about: About) -> Any:
        """Let the call do its work now; the observer sees what became true."""
        world = self._world
        if method in _SHOWS_USE:
            world.holdings.pass_time(world.now)
        about.acted_until = world.now
        before = self._observer.before(about, port, method, arguments)
        answer = act()
        if isinstance(answer, TokenList):
            answer = self._cut_short(_account(port), answer)
        if method == "derive_token":
            self._is_new(_account(port), answer.token_id)
        self._observer.landed(about, port, method, arguments, answer, before)
        return answer

    def _land_late(self, port: str, method: str, act: Act, arguments: dict[str, Any], task: Task, about: About) -> None:
        def land() -> None:
            self._world.tell(task.name, f"{port}.{method} lands late")
            self._observer.late += 1
            try:
                self._land(port, method, act, arguments, about)
            except RotatorError as error:
                self._world.tell(task.name, f"... and is refused: {type(error).__name__}")

        self._world.scheduler.at(self._world.now + 20.0 + self._world.weather.late(), land)

    def _cut_short(self, account: str, answer: TokenList) -> TokenList:
        until, share = self._world.cut.get(account, (0.0, 1.0))
        if self._world.now >= until:
            return answer
        shown = tuple(one for one in answer.tokens if hash_of(one.token_id) < share)
        return replace(answer, tokens=shown)

    def _is_new(self, account: str, token_id: str) -> None:
        world, weather = self._world, self._world.weather
        found = world.token(token_id)
        if found is not None and weather.strikes("hidden", times=3):
            profile = found[0]
            profile.hide(token_id)
            world.scheduler.at(world.now + weather.late(), lambda: profile.reveal(token_id))
        if weather.strikes("refusals", times=3):
            everywhere = world.random.random() < 0.5
            same = world.random.choice(_UNKNOWN)
            for process in world.processes:
                wait = same if everywhere else world.random.choice((0.0, *_UNKNOWN))
                world.unknown_until[token_id, process.name] = world.now + wait


def hash_of(token_id: str) -> float:
    """Return a number from 0 to 1 that hangs on the id alone: a list that is cut twice lacks the same tokens."""
    return (sum(map(ord, token_id)) * 37 % 101) / 101


def _account(port: str) -> str:
    return port.removeprefix("exchange ")


def _nothing_done(port: str, method: str) -> RotatorError:
    if port == "vault":
        return VaultUnavailableError(f"Vault is away ({method})")
    return ExchangeUnavailableError(f"503 ({method})")


def _unknown(port: str, method: str) -> RotatorError:
    if port == "vault":
        if method == "write":
            return AmbiguousWriteError("the answer was lost, and reading back failed")
        return VaultUnavailableError(f"no answer ({method})")
    if method == "derive_token":
        return AmbiguousDeriveError("the answer to a derive was lost")
    return ExchangeUnavailableError(f"connection reset ({method})")


def _shown(arguments: dict[str, Any]) -> str:
    shown = {name: value for name, value in arguments.items() if name not in {"data", "secret", "max_versions"}}
    if "data" in arguments:
        data = arguments["data"]
        shown["data"] = {name: value for name, value in data.items() if name not in {"secret", "scopes", "api_url"}}
    return "(" + ", ".join(f"{name}={value}" for name, value in shown.items()) + ")"
