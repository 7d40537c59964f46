"""When an AppRole login is tried, and with which secret id."""

import json
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.fakes.clock import FakeClock
from tests.fixtures.hostile import ending, hostile, http_answer
from worker.errors import VaultRefusedError, VaultUnavailableError
from worker.models import PathLocation
from worker.vault.approle import JITTER, WAITS, AppRole
from worker.vault.client import VaultSession
from worker.vault.kv import VaultKv

LOCKOUT_THRESHOLD, COUNTER_RESET = 5, timedelta(minutes=15)
"""Vault's and OpenBao's defaults: so many bad logins, unless none came for so long."""


def approle(clock: FakeClock, file: Path | None = None) -> AppRole:
    return AppRole(SecretStr("role"), SecretStr("at start"), secret_id_file=file, clock=clock)


def test_a_login_is_tried_at_once_and_one_that_was_refused_is_not() -> None:
    clock = FakeClock()
    role = approle(clock)
    role.refuse(role.secret_id_to_try(), "No.")

    with pytest.raises(VaultRefusedError, match=r"No\. It was refused; the next login is tried in \d+ s"):
        role.secret_id_to_try()


@given(st.integers(0, 10))
def test_every_refused_login_is_tried_again_in_the_end(refused: int) -> None:
    clock = FakeClock()
    role = approle(clock)
    for _ in range(refused):
        role.refuse(role.secret_id_to_try(), "No.")
        clock.advance(timedelta(seconds=WAITS[-1] * (1 + JITTER)))

    assert role.secret_id_to_try() == SecretStr("at start")


def test_our_own_refused_logins_never_lock_the_role_out() -> None:
    clock, counted, last = FakeClock(), 0, None
    role = approle(clock)
    for _ in range(24 * 60 * 6):
        try:
            role.refuse(role.secret_id_to_try(), "No.")
        except VaultRefusedError:
            pass
        else:
            counted = 1 if last is None or clock.now() - last > COUNTER_RESET else counted + 1
            last = clock.now()
            assert counted < LOCKOUT_THRESHOLD
        clock.advance(timedelta(seconds=10))


def test_another_secret_id_in_the_file_is_tried_at_once(tmp_path: Path) -> None:
    file = tmp_path / "secret_id"
    file.write_text("destroyed\n")
    role = approle(FakeClock(), file)
    role.refuse(role.secret_id_to_try(), "No.")

    file.write_text("fresh\n")

    assert role.secret_id_to_try() == SecretStr("fresh")


def test_an_accepted_login_ends_the_waiting() -> None:
    role = approle(FakeClock())
    role.refuse(role.secret_id_to_try(), "No.")
    role.accept()

    assert role.secret_id_to_try() == SecretStr("at start")


@pytest.mark.parametrize("content", [None, "", " \n", "\udcff"])
def test_a_file_that_cannot_be_used_is_named_and_no_old_secret_id_is_sent(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "secret_id"
    if content is not None:
        file.write_bytes(content.encode("utf-8", "surrogateescape"))

    with pytest.raises(VaultUnavailableError, match=str(file)):
        approle(FakeClock(), file).secret_id_to_try()


def test_a_locked_out_worker_says_so_and_does_not_hammer() -> None:
    denied = http_answer(
        json.dumps({"errors": ["permission denied"]}).encode(), status="403 Forbidden", headers="connection: close\r\n"
    )
    with hostile(ending(denied)) as server:
        session = VaultSession(
            address=server.url, clock=FakeClock(), role_id=SecretStr("role"), secret_id=SecretStr("secret")
        )
        with closing(session):
            for _ in range(20):
                with pytest.raises(VaultRefusedError, match="locked out after too many bad logins"):
                    VaultKv(session=session).read(PathLocation("trading", "limitless/a"))
    assert len(server.requests) == 1
