"""The one place where clients are built."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from config.schema import Account, FieldNames, Settings
from worker.clock import SystemClock
from worker.engine import Engine
from worker.errors import IdentityUnavailableError
from worker.exchange import ExchangeClient
from worker.identity import FileIdentity, IdentitySource, StaticIdentity, subject
from worker.models import PathLocation
from worker.outside import Outside
from worker.ports import Clock
from worker.redis import RedisEvents, RedisLeases, connect
from worker.reporting import Reporter
from worker.snapshot import Gatherer
from worker.vault import build_vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What tasks and commands work with."""

    settings: Settings
    clock: Clock
    gatherer: Gatherer
    engine: Engine


@contextmanager
def build_container(
    settings: Settings, *, clock: Clock | None = None, stopping: Callable[[], bool] = lambda: False
) -> Iterator[Container]:
    """Build every client of a process and close them all at the end. Nothing is asked of any server here.

    Args:
        settings: validated.
        clock: the system's unless given.
        stopping: answers True once the process was told to end; no further step is begun then.

    Raises:
        RotatorError: a client could not be set up.
    """
    clock = clock or SystemClock()
    with ExitStack() as stack:
        outside = Outside(cacert=settings.infrastructure.outside_cacert, proxy=settings.infrastructure.outside_proxy)
        exchanges = {one.name: stack.enter_context(_exchange(one, clock, outside)) for one in settings.accounts}
        vault = build_vault(settings.infrastructure, settings.vault, _fields(settings), clock)
        stack.callback(vault.close)
        redis = connect(settings.infrastructure.redis_url)
        stack.callback(redis.close)
        events = RedisEvents(client=redis, clock=clock)
        gatherer = Gatherer(
            settings=settings,
            exchanges=exchanges,
            consumers=vault.consumers,
            journals=vault.journals,
            accounts=vault.accounts,
            clock=clock,
        )
        engine = Engine(
            gatherer=gatherer,
            settings=settings,
            exchanges=exchanges,
            consumers=vault.consumers,
            journals=vault.journals,
            accounts=vault.accounts,
            leases=RedisLeases(client=redis, clock=clock),
            outcomes=Reporter(events=events, clock=clock),
            clock=clock,
            stopping=stopping,
        )
        yield Container(settings=settings, clock=clock, gatherer=gatherer, engine=engine)


def _exchange(account: Account, clock: Clock, outside: Outside) -> ExchangeClient:
    return ExchangeClient(
        account=account.name,
        api_url=account.api_url,
        identity=_identity(account, clock),
        clock=clock,
        subject_of=subject,
        outside=outside,
    )


def _identity(account: Account, clock: Clock) -> IdentitySource:
    if account.identity_token_file is not None:
        return FileIdentity(account.identity_token_file, account=account.name, clock=clock)
    if account.identity_token is not None:
        return StaticIdentity(account.identity_token, account=account.name, clock=clock)
    raise IdentityUnavailableError(f"Account {account.name} has neither an identity token nor a file with one.")


def _fields(settings: Settings) -> Mapping[PathLocation, FieldNames]:
    return {PathLocation(one.mount, one.path): one.fields for one in settings.credentials}
