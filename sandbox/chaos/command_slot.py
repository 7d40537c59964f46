"""A person at the command line behind proxies: a `rotator` process for each time that an order is given."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Final

from config.schema import Credential
from sandbox.chaos.cells import Scenario
from sandbox.chaos.naming import EXCHANGE, REDIS, VAULT
from sandbox.chaos.proxy import PausingProxy
from sandbox.chaos.redis_proxy import RedisProxy
from sandbox.chaos.worker_slot import own_redis_url_file
from sandbox.processes import Child, Children
from sandbox.stack import Stack, StackError

ROTATOR: Final = Path(sys.executable).with_name("rotator")
MOST_TRIES: Final = 3
"""How often a person gives an order in all."""

_COMMANDS: Final[Mapping[Scenario, Sequence[str]]] = {
    Scenario.ADOPTION: ("adopt", "{name}"),
    Scenario.ROLLBACK: ("rollback", "{name}"),
    Scenario.EMERGENCY: ("rotate", "{name}", "--compromised", "--yes"),
    Scenario.RETIREMENT: ("retire", "{name}", "--yes"),
    Scenario.PAUSE: ("pause", "credential:{name}"),
}


def command_of(scenario: Scenario, name: str) -> list[str]:
    """Return the order's arguments, without the program; raises KeyError for what nobody orders."""
    return [*(word.format(name=name) for word in _COMMANDS[scenario]), "--reason", "drill", "--json"]


class CommandSlot:
    """Gives an order, and gives it again when asked to sweep, unless the command said that it is done.

    Args:
        name: of the process, its log and its files.
        stack: started.
        children: whose the process is.
        config: the settings that the command knows.
    """

    def __init__(self, *, name: str, stack: Stack, children: Children, config: Path) -> None:
        self.name = name
        self.proxies: Mapping[str, PausingProxy] = {
            VAULT: PausingProxy(stack.vault.addr),
            EXCHANGE: PausingProxy(stack.api_url),
            REDIS: RedisProxy(stack.redis.url),
        }
        self.log = children.logs / f"{name}.log"
        self._children = children
        self._environment = {
            **stack.worker_environment,
            "ROTATOR_CONFIG": str(config),
            "REDIS_URL_FILE": str(own_redis_url_file(stack, name, self.proxies[REDIS].port)),
            "VAULT_ADDR": self.proxies[VAULT].url,
            "LIMITLESS_API_URL": self.proxies[EXCHANGE].url,
        }
        self._order: Sequence[str] = ()
        self._child: Child | None = None
        self._tries = 0
        self._log_begins = 0

    def close(self) -> None:
        """Close the proxies; a process is its `Children`'s to end."""
        for proxy in self.proxies.values():
            proxy.close()

    def wake(self, scenario: Scenario, credential: Credential) -> None:
        """Give the order for the first time."""
        self._order = command_of(scenario, credential.name)
        self._tries = 0
        self._log_begins = self.log.stat().st_size if self.log.exists() else 0
        self._give()

    def sweep(self, credential: Credential) -> None:
        """Give the order again if it has ended without being done, and was not given too often."""
        del credential
        if self.insists():
            self._give()

    def kill(self) -> None:
        """Kill the command; as a failure it calls for another try."""
        if self._child is not None:
            self._child.kill()

    def revive(self) -> None:
        """Do nothing: a command that was killed is not started by itself."""

    def freeze(self) -> None:
        """Stop the command."""
        if self._child is not None:
            self._child.send(SIGSTOP)

    def thaw(self) -> None:
        """Continue it."""
        if self._child is not None:
            self._child.send(SIGCONT)

    def ready(self) -> bool:
        """Always: nothing has to be up for a command to be given."""
        return True

    def idle(self) -> bool:
        """Whether no command is at work."""
        at_work = self._child is not None and self._child.exit_code is None
        return not at_work and not any(proxy.busy for proxy in self.proxies.values())

    def insists(self) -> bool:
        """Whether the person would give the order again: it has ended without being done, and not too often."""
        ended = self._child is not None and self._child.exit_code not in {None, 0}
        return ended and self._tries < MOST_TRIES

    def asks_again(self, server: str) -> bool:
        """Always: every command is a fresh process."""
        del server
        return True

    def said(self) -> tuple[str, ...]:
        """Return what the commands of the last order printed, a line for each sentence."""
        if not self._order or not self.log.exists():
            return ()
        with self.log.open(encoding="utf-8", errors="replace") as log:
            log.seek(self._log_begins)
            lines = [line.strip() for line in log]
        return tuple(f"{self.name} {line}" for line in lines if "sentence" in line or line.startswith("Error"))

    def _give(self) -> None:
        if not self._order:
            raise StackError(f"{self.name} has no order to give")
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            self._children.stop(child.name)
        self._tries += 1
        self._child = self._children.start(self.name, [str(ROTATOR), *self._order], environment=self._environment)
