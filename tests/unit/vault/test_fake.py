"""The hooks of the in-memory Vault, on which the engine's tests rest."""

from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from tests.fakes.clock import FakeClock
from tests.fakes.vault import Call, FakeVault
from worker.errors import AmbiguousWriteError, VaultUnavailableError
from worker.journal import new_journal
from worker.models import PathContent, PathLocation, ServedDocument

HERE = PathLocation("trading", "limitless/a")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DOCUMENT = ServedDocument("token-1", SecretStr("s"), ("trading",), "a/r", "main", "https://api", NOW, NOW, "r", 1)


class Crash(BaseException):
    pass


@pytest.fixture
def vault() -> FakeVault:
    return FakeVault(clock=FakeClock())


def test_a_call_that_is_made_to_fail_does_nothing(vault: FakeVault) -> None:
    vault.fail_next(VaultUnavailableError("down"))

    with pytest.raises(VaultUnavailableError):
        vault.consumers.write(HERE, DOCUMENT, cas=0)
    assert vault.consumers.read(HERE).content is PathContent.EMPTY


def test_a_failure_waits_for_the_port_and_method_it_is_meant_for(vault: FakeVault) -> None:
    vault.fail_next(VaultUnavailableError("down"), port="journals", method="read")
    vault.consumers.write(HERE, DOCUMENT, cas=0)

    with pytest.raises(VaultUnavailableError):
        vault.journals.read(HERE)


def test_a_lost_answer_of_a_write_that_can_be_read_back_is_success(vault: FakeVault) -> None:
    vault.lose_next_answer()

    assert vault.consumers.write(HERE, DOCUMENT, cas=0).version == 1


@pytest.mark.parametrize(
    "landed, readback, content",
    [
        (True, False, PathContent.DOCUMENT),
        (False, True, PathContent.EMPTY),
        (False, False, PathContent.EMPTY),
    ],
)
def test_a_lost_answer_is_ambiguous_otherwise(
    vault: FakeVault,
    landed: bool,  # noqa: FBT001 - a column
    readback: bool,  # noqa: FBT001 - a column
    content: PathContent,
) -> None:
    vault.lose_next_answer(landed=landed, readback=readback)

    with pytest.raises(AmbiguousWriteError):
        vault.consumers.write(HERE, DOCUMENT, cas=0)
    assert vault.consumers.read(HERE).content is content


def test_a_lost_answer_waits_for_the_port_it_is_meant_for(vault: FakeVault) -> None:
    vault.lose_next_answer(readback=False, port="journals")
    vault.consumers.write(HERE, DOCUMENT, cas=0)

    with pytest.raises(AmbiguousWriteError):
        vault.journals.write(HERE, new_journal("a", "main", HERE), cas=0)


@pytest.mark.parametrize("moment, content", [("before", PathContent.EMPTY), ("after", PathContent.DOCUMENT)])
def test_a_crash_can_be_placed_before_and_after_any_call(vault: FakeVault, moment: str, content: PathContent) -> None:
    def crash(call: Call) -> None:
        if (call.method, call.moment) == ("write", moment):
            raise Crash

    vault.on_call = crash
    with pytest.raises(Crash):
        vault.consumers.write(HERE, DOCUMENT, cas=0)
    assert vault.consumers.read(HERE).content is content


def test_what_a_person_writes_and_deletes_is_foreign(vault: FakeVault) -> None:
    vault.put_foreign(HERE)
    written = vault.consumers.read(HERE).content
    vault.delete_foreign(HERE)

    assert (written, vault.consumers.read(HERE).content) == (PathContent.FOREIGN, PathContent.FOREIGN)


def test_calls_are_remembered_in_order(vault: FakeVault) -> None:
    vault.consumers.read(HERE)
    vault.journals.server_time()

    assert vault.calls == [Call("consumers", "read", "before", HERE), Call("journals", "server_time", "before")]
