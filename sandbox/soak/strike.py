"""Carries blows out on a running stack and makes whole again what they hit. From the main thread only."""

import os
import signal
from collections.abc import Callable, Mapping

import httpx
import redis
import requests
from hvac.exceptions import VaultError
from redis.backoff import NoBackoff
from redis.retry import Retry

from sandbox.exchange.records import Call, Fault, FaultRule
from sandbox.processes import Child
from sandbox.servers import EmbeddedRedis, EmbeddedVault, ServerError
from sandbox.soak.blows import Blow, Kind
from sandbox.stack import Stack, StackError

_OURS = (Call.CAPABILITIES, Call.DERIVE, Call.LIST, Call.REVOKE)
MAINTENANCE = tuple(FaultRule(fault=Fault.UNAVAILABLE, call=call, percent=100, seconds=1) for call in _OURS)

Act = Callable[[Blow], None]


class Striker:
    """Strikes and heals.

    Args:
        stack: started.
        rules: the exchange's faults outside of its maintenance.
    """

    def __init__(self, stack: Stack, rules: tuple[FaultRule, ...]) -> None:
        self._stack = stack
        self._rules = rules
        self._down: set[str] = set()
        vault, kv = stack.vault, stack.redis
        self._acts: Mapping[Kind, tuple[Act, Act]] = {
            Kind.WORKER_KILLED: (self._kill, self._restart),
            Kind.WORKER_STOPPED: (self._pause, self._resume),
            Kind.WORKER_RESTARTED: (self._terminate, self._restart),
            Kind.BEAT_KILLED: (self._kill, self._restart),
            Kind.BEAT_STOPPED: (self._pause, self._resume),
            Kind.TRADER_KILLED: (self._kill, self._restart),
            Kind.TRADER_STOPPED: (self._pause, self._resume),
            Kind.VAULT_SEALED: (lambda _: vault.seal(), lambda _: vault.unseal()),
            Kind.VAULT_HUNG: (lambda _: _freeze(vault), lambda _: _thaw(vault)),
            Kind.VAULT_KILLED: (lambda _: vault.kill(), lambda _: vault.start()),
            Kind.REDIS_KILLED: (lambda _: kv.kill(), lambda _: kv.start()),
            Kind.REDIS_EMPTIED: (lambda _: self._tell_redis(lambda client: client.flushall()), _nothing),
            Kind.REDIS_CUT: (lambda _: self._tell_redis(_cut_everybody), _nothing),
            Kind.REDIS_HUNG: (lambda _: _freeze(kv), lambda _: _thaw(kv)),
            Kind.EXCHANGE_HUNG: (self._pause, self._resume),
            Kind.EXCHANGE_CLOSED: (lambda _: self._use(MAINTENANCE), lambda _: self._use(self._rules)),
        }

    def begin(self, blow: Blow) -> None:
        """Strike; raises StackError when the target does not even take the blow."""
        self._down.add(blow.target)
        self._do(self._acts[blow.kind][0], blow)

    def end(self, blow: Blow) -> None:
        """Make the target whole again; raises StackError when it does not come back."""
        self._do(self._acts[blow.kind][1], blow)
        self._down.discard(blow.target)

    def fallen(self) -> tuple[Child, ...]:
        """Return the processes that ended although no blow lies on them."""
        return tuple(child for child in self._stack.children.ended() if child.name not in self._down)

    @staticmethod
    def _do(act: Act, blow: Blow) -> None:
        try:
            act(blow)
        except (ServerError, httpx.HTTPError, requests.RequestException, VaultError, redis.RedisError) as error:
            # Only the kind of failure: what the libraries write may hold a token or a password.
            raise StackError(f"{blow} went wrong by itself ({type(error).__name__}); try again") from None

    def _child(self, name: str) -> Child:
        return next(child for child in self._stack.children if child.name == name)

    def _kill(self, blow: Blow) -> None:
        self._child(blow.target).kill()

    def _restart(self, blow: Blow) -> None:
        self._child(blow.target).restart()

    def _terminate(self, blow: Blow) -> None:
        self._child(blow.target).terminate()

    def _pause(self, blow: Blow) -> None:
        self._child(blow.target).send(signal.SIGSTOP)

    def _resume(self, blow: Blow) -> None:
        self._child(blow.target).send(signal.SIGCONT)

    def _use(self, rules: tuple[FaultRule, ...]) -> None:
        self._stack.control.set_faults(rules)

    def _tell_redis(self, command: Callable[[redis.Redis], object]) -> None:
        client = redis.Redis.from_url(self._stack.redis.url, retry=Retry(NoBackoff(), 0), socket_timeout=5)
        try:
            command(client)
        finally:
            client.close()


def _freeze(server: EmbeddedRedis | EmbeddedVault) -> None:
    _signal(server, signal.SIGSTOP)


def _thaw(server: EmbeddedRedis | EmbeddedVault) -> None:
    _signal(server, signal.SIGCONT)


def _signal(server: EmbeddedRedis | EmbeddedVault, number: signal.Signals) -> None:
    if server.pid is not None:
        os.kill(server.pid, number)


def _cut_everybody(client: redis.Redis) -> None:
    client.client_kill_filter(_type="normal", skipme=True)


def _nothing(_: Blow) -> None:
    """Heal nothing: the blow was over at once."""
