"""The script that everybody writes first as a subject: `bench/naive.py`, run as cron runs it, behind proxies."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any, Final

import httpx
from pydantic import SecretStr

from config.schema import Credential
from sandbox.chaos.cells import RemoteCall, Scenario
from sandbox.chaos.naming import EXCHANGE, VAULT
from sandbox.chaos.proxy import PausingProxy
from sandbox.chaos.subject import Progress, Slot
from sandbox.chaos.waiting import Halt
from sandbox.exchange.records import TokenEntry
from sandbox.leaks import Needle
from sandbox.processes import ROOT, Child, Children
from sandbox.stack import Stack, StackError
from sandbox.vault_access import ROLE
from worker.journal import Journal

SCRIPT: Final = ROOT / "bench" / "naive.py"
RUN_SECONDS: Final = 60.0
PERIOD: Final = 1800
LONG_AGO: Final = 3600
CLIENT_TIMEOUT: Final = 30.0
"""The default of both of its clients, hvac's and the exchange's own."""
TOKEN_FILE: Final = "naive-vault-token"  # noqa: S105 - a file's name


class NaiveSlot:
    """One machine with a crontab: a process for each wake-up, and none in between."""

    def __init__(self, *, name: str, stack: Stack, children: Children) -> None:
        self.name = name
        self.vault = PausingProxy(stack.vault.addr)
        self.exchange = PausingProxy(stack.api_url)
        self.proxies = {VAULT: self.vault, EXCHANGE: self.exchange}
        self.log = children.logs / f"{name}.log"
        self._stack = stack
        self._children = children
        self._child: Child | None = None

    def close(self) -> None:
        """Close the proxies."""
        for proxy in self.proxies.values():
            proxy.close()

    def wake(self, scenario: Scenario, credential: Credential) -> None:
        """Run the script, whatever the scenario: it knows but one thing to do."""
        del scenario
        self.run(credential, {"VAULT_ADDR": self.vault.url, "LIMITLESS_API_URL": self.exchange.url})

    def sweep(self, credential: Credential) -> None:
        """Run the script unless its last run is still at work, as a lock in the crontab would see to."""
        if self._running is None:
            self.wake(Scenario.ROTATION, credential)

    def run(self, credential: Credential, servers: Mapping[str, str]) -> None:
        """Start one run with these addresses."""
        self._reap()
        environment = {
            **servers,
            "VAULT_TOKEN_FILE": str(self._stack.private / TOKEN_FILE),
            "LIMITLESS_IDENTITY_TOKEN_FILE": str(self._stack.folder / "identity" / f"{credential.account}.jwt"),
            "CONSUMERS_MOUNT": credential.mount,
            "CONSUMERS_PATH": credential.path,
            "PERIOD_SECONDS": str(PERIOD),
        }
        self._child = self._children.start(self.name, [sys.executable, str(SCRIPT)], environment=environment)

    def kill(self) -> None:
        """Kill the run that is at work."""
        self._reap()

    def revive(self) -> None:
        """Do nothing: cron starts the next run by itself."""

    def freeze(self) -> None:
        """Stop the run that is at work."""
        if self._running:
            self._running.send(SIGSTOP)

    def thaw(self) -> None:
        """Continue it."""
        if self._running:
            self._running.send(SIGCONT)

    def ready(self) -> bool:
        """Always: nothing has to be up for cron to start a run."""
        return True

    def idle(self) -> bool:
        """Whether no run is at work."""
        return self._running is None and not any(proxy.busy for proxy in self.proxies.values())

    def asks_again(self, server: str) -> bool:
        """Always: every run is a fresh process."""
        del server
        return True

    def insists(self) -> bool:
        """Return False: nobody gave an order."""
        return False

    @property
    def _running(self) -> Child | None:
        return self._child if self._child is not None and self._child.exit_code is None else None

    def _reap(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            self._children.stop(child.name)


class NaiveLane:
    """Two machines with the same crontab, as people have when they want to be safe."""

    def __init__(
        self,
        *,
        stack: Stack,
        halt: Halt,
        slots: tuple[NaiveSlot, NaiveSlot],
        credentials: Sequence[Credential],
        http: httpx.Client,
    ) -> None:
        self.first, self.second = slots
        self.credentials = credentials
        self._stack = stack
        self._halt = halt
        self._http = http

    def struck(self, scenario: Scenario) -> Slot:
        """Return the first machine."""
        del scenario
        return self.first

    def prepare(self, scenario: Scenario, credential: Credential) -> None:
        """Let the script issue two tokens, past the proxies, and move them into the past."""
        if scenario is Scenario.FIRST:
            return
        for _ in range(2):
            self.first.run(credential, {"VAULT_ADDR": self._stack.vault.addr, "LIMITLESS_API_URL": self._stack.api_url})
            if not self._halt.until(self.first.idle, RUN_SECONDS):
                raise StackError(f"{SCRIPT} did not end within {RUN_SECONDS:.0f} s")
            self._age(credential)

    def await_due(self, scenario: Scenario, credential: Credential) -> None:
        """Return at once: it is due by what was prepared."""

    def make_due(self, credential: Credential) -> None:
        """Move its one memory into the past."""
        self._age(credential)

    def make_list_whole(self, credential: Credential) -> None:
        """Let the account's list show every token again."""
        self._stack.control.cut_list(credential.account, None)

    def tokens(self, credential: Credential) -> tuple[TokenEntry, ...]:
        """Return the exchange's ledger of the account."""
        return self._stack.control.tokens(profile=credential.account)

    def restart(self, slot: Slot) -> None:
        """Do nothing: every run is a fresh process."""

    def progress(self, scenario: Scenario, credential: Credential) -> Progress:
        """Return whether what is served is young; the script knows of nothing that could be left to be done."""
        del scenario
        data = self._read(credential)
        done = data is not None and time.time() - float(data["rotated_at"]) < PERIOD
        missing = "" if done else "what is served was not rotated"
        return Progress(taken_over=done, settled=done, missing=missing)

    def journal(self, credential: Credential) -> Journal | None:
        """Return None: it has no memory."""

    def logs(self, credential: Credential) -> tuple[str, ...]:
        """Return what both machines' runs printed; it does not say about what."""
        del credential
        return tuple(
            f"{slot.name} {line}"
            for slot in (self.first, self.second)
            if slot.log.exists()
            for line in slot.log.read_text(encoding="utf-8", errors="replace").splitlines()
            if line and not line.startswith(" ")
        )

    def _age(self, credential: Credential) -> None:
        data = self._read(credential)
        if data is None:
            raise StackError(f"{SCRIPT} issued nothing for {credential.name}; see its log")
        older = {**data, "rotated_at": float(data["rotated_at"]) - LONG_AGO}
        self._http.post(_data(credential), json={"data": older}).raise_for_status()

    def _read(self, credential: Credential) -> Mapping[str, Any] | None:
        answer = self._http.get(_data(credential))
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        data: Mapping[str, Any] = answer.raise_for_status().json()["data"]["data"]
        return data


class NaiveSubject:
    """The first script. Its runs get a Vault token with the worker's own policy, in a file.

    Args:
        stack: started.
        halt: ends every wait.

    Raises:
        httpx.HTTPError: Vault made no token.
    """

    name = "naive"
    scenarios = (Scenario.FIRST, Scenario.ROTATION)
    keeps_journal = False
    lease_seconds = 3.3
    give_up_seconds = 45.0

    def __init__(self, *, stack: Stack, halt: Halt) -> None:
        self._stack = stack
        self._halt = halt
        with _root_client(stack) as http:
            made = http.post("auth/token/create", json={"policies": [ROLE], "ttl": "24h", "no_parent": True})
            self._token = SecretStr(made.raise_for_status().json()["auth"]["client_token"])
        self._token_file.touch(mode=0o600)
        self._token_file.write_text(self._token.get_secret_value(), encoding="ascii")

    def needles(self) -> tuple[Needle, ...]:
        """Return the Vault token, which is at home in its file."""
        return (Needle("Vault token of the script", self._token, frozenset({self._token_file})),)

    @property
    def _token_file(self) -> Path:
        return self._stack.private / TOKEN_FILE

    def delay_seconds(self, call: RemoteCall) -> float:
        """Return how long an answer must be delayed to come too late for its clients."""
        del call
        return CLIENT_TIMEOUT + 0.7

    @contextmanager
    def lane(self, number: int, credentials: Sequence[Credential]) -> Iterator[NaiveLane]:
        """Set two machines up; whatever runs on them is gone when the context is left."""
        stack = self._stack
        with ExitStack() as exit_stack:
            http = exit_stack.enter_context(_root_client(stack))
            children = exit_stack.enter_context(Children(home=stack.folder, hurry=lambda: True))
            slots = [
                NaiveSlot(name=f"naive-{number}-{letter}", stack=stack, children=children) for letter in ("a", "b")
            ]
            for slot in slots:
                exit_stack.callback(slot.close)
            yield NaiveLane(
                stack=stack, halt=self._halt, slots=(slots[0], slots[1]), credentials=credentials, http=http
            )


def _root_client(stack: Stack) -> httpx.Client:
    token = stack.vault.root_token.get_secret_value()
    return httpx.Client(base_url=f"{stack.vault.addr}/v1/", headers={"X-Vault-Token": token}, trust_env=False)


def _data(credential: Credential) -> str:
    return f"{credential.mount}/data/{credential.path}"
