"""The command line on fakes: real commands, engine and policy; Vault, exchange and leases in memory."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from click.testing import CliRunner, Result

from config.schema import Settings
from tests.harness import ACCOUNT, Harness
from worker.cli import main
from worker.cli.runtime import Runtime
from worker.snapshot import Gatherer
from worker.wiring import Container

_QUIETED = ("httpx", "httpcore", "hvac", "urllib3", "requests")


@contextmanager
def logging_restored() -> Iterator[None]:
    """Undo the logging that a command sets up for its process."""
    root, config = logging.getLogger(), structlog.get_config()
    handlers = root.handlers[:]
    levels = {name: logging.getLogger(name).level for name in (None, *_QUIETED)}
    yield
    root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    structlog.configure(**config)


@dataclass
class CliWorld:
    """A harness whose engine the commands use. `load` may be replaced by one that raises."""

    harness: Harness = field(default_factory=lambda: Harness("mm", "hedge"))
    load: Callable[[], Settings] | None = None

    def run(self, *argv: str) -> Result:
        """Run `rotator` with these arguments."""
        runtime = Runtime(load=self.load or (lambda: self.harness.settings), build=self._build)
        return CliRunner().invoke(main, argv, obj=runtime)

    def json(self, *argv: str) -> Any:
        """Run `rotator` with these arguments and `--json`; return what it printed."""
        return json.loads(self.run(*argv, "--json").stdout)

    @contextmanager
    def _build(self, settings: Settings) -> Iterator[Container]:
        world = self.harness
        yield Container(
            settings=settings,
            clock=world.clock,
            gatherer=Gatherer(
                settings=settings,
                exchanges={ACCOUNT: world.exchange},
                consumers=world.vault.consumers,
                journals=world.vault.journals,
                accounts=world.vault.accounts,
                clock=world.clock,
            ),
            engine=world.engine,
        )
