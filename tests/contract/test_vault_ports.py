"""One suite for the in-memory Vault of the unit tests and for the real adapter on a real server.

The real adapter logs in with the worker's own policy: that policy is enough for everything here.
"""

import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import hvac
import pytest
from hvac.exceptions import InvalidPath
from pydantic import SecretStr

from config.schema import FieldNames, Infrastructure, VaultLayout
from sandbox.servers import EmbeddedVault
from sandbox.vault_access import VaultAccess
from tests.fakes.clock import FakeClock
from tests.fakes.vault import FakeVault
from worker.errors import CasConflictError, RotatorError, VaultDocumentError
from worker.journal import Journal, RecordState, TokenRecord, new_journal, open_intent, stage
from worker.models import ConsumersPath, Departure, DerivedToken, PathContent, PathLocation, ServedDocument
from worker.ports import ConsumersStore, JournalStore
from worker.vault.consumers import VaultConsumers
from worker.vault.factory import build_vault
from worker.vault.kv import Kv, KvVersion, VaultKv

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FIRST = "token-1"
SECRET = "c2VjcmV0LW9mLXRoaXMtdGVzdA=="


class Subject(Protocol):
    """What the suite is held against, and what other hands do to it."""

    consumers: ConsumersStore
    journals: JournalStore
    kv: Kv
    layout: VaultLayout

    def now(self) -> datetime: ...

    def put(self, location: PathLocation, data: Mapping[str, Any]) -> int: ...

    def delete_latest(self, location: PathLocation) -> None: ...

    def destroy(self, location: PathLocation, version: int) -> None: ...

    def live_versions(self, location: PathLocation) -> list[int]: ...


class Fake:
    """The in-memory one."""

    def __init__(self, layout: VaultLayout) -> None:
        self.layout = layout
        self._clock = FakeClock()
        self._vault = FakeVault(clock=self._clock, layout=layout)
        self.consumers: ConsumersStore = self._vault.consumers
        self.journals: JournalStore = self._vault.journals
        self.kv: Kv = self._vault.kv

    def now(self) -> datetime:
        return self._clock.now()

    def put(self, location: PathLocation, data: Mapping[str, Any]) -> int:
        return self._vault.kv.put(location, data)

    def delete_latest(self, location: PathLocation) -> None:
        self._vault.kv.delete_latest(location)

    def destroy(self, location: PathLocation, version: int) -> None:
        self._vault.kv.destroy(location, [version])

    def live_versions(self, location: PathLocation) -> list[int]:
        return [one.version for one in self._vault.kv.versions(location) if one.live]


class Real:
    """The real one; other hands hold the root token."""

    def __init__(self, server: EmbeddedVault, access: VaultAccess, layout: VaultLayout) -> None:
        self.layout = layout
        infrastructure = Infrastructure(
            redis_url=SecretStr("redis://unused"),
            vault_addr=server.addr,
            vault_role_id=access.role_id,
            vault_secret_id=access.secret_id,
        )
        self._vault = build_vault(infrastructure, layout, {}, FakeClock())
        self.consumers: ConsumersStore = self._vault.consumers
        self.journals: JournalStore = self._vault.journals
        self.kv: Kv = VaultKv(session=self._vault.session)
        self._root = hvac.Client(url=server.addr, token=server.root_token.get_secret_value())

    def now(self) -> datetime:
        return datetime.now(UTC)

    def put(self, location: PathLocation, data: Mapping[str, Any]) -> int:
        latest = self._metadata(location).get("current_version", 0)
        written = self._root.secrets.kv.v2.create_or_update_secret(
            location.path, dict(data), cas=latest, mount_point=location.mount
        )
        version: int = written["data"]["version"]
        return version

    def delete_latest(self, location: PathLocation) -> None:
        self._root.secrets.kv.v2.delete_latest_version_of_secret(location.path, mount_point=location.mount)

    def destroy(self, location: PathLocation, version: int) -> None:
        self._root.secrets.kv.v2.destroy_secret_versions(location.path, [version], mount_point=location.mount)

    def live_versions(self, location: PathLocation) -> list[int]:
        versions = self._metadata(location).get("versions", {})
        return sorted(
            int(number) for number, one in versions.items() if not one["destroyed"] and not one["deletion_time"]
        )

    def close(self) -> None:
        self._vault.close()
        self._root.adapter.close()

    def _metadata(self, location: PathLocation) -> dict[str, Any]:
        try:
            metadata: dict[str, Any] = self._root.secrets.kv.v2.read_secret_metadata(
                location.path, mount_point=location.mount
            )["data"]
        except InvalidPath:
            return {}
        return metadata


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.servers)])
def vault(request: pytest.FixtureRequest, vault_layout: VaultLayout) -> Iterator[Subject]:
    if request.param == "fake":
        yield Fake(vault_layout)
        return
    real = Real(request.getfixturevalue("vault_server"), request.getfixturevalue("vault_access"), vault_layout)
    try:
        yield real
    finally:
        real.close()


def document(token_id: str = FIRST, *, rotation_id: str = "a" * 20) -> ServedDocument:
    return ServedDocument(
        token_id=token_id,
        secret=SecretStr(SECRET),
        scopes=("trading", "withdrawal"),
        label=f"market-maker/{rotation_id}",
        account="main",
        api_url="https://api.example",
        derived_at=NOW,
        promoted_at=NOW + timedelta(seconds=3, microseconds=123456),
        rotation_id=rotation_id,
        sequence=7,
    )


def journal_of(location: PathLocation) -> Journal:
    opened = open_intent(
        new_journal("market-maker", "main", location),
        rotation_id="b" * 20,
        label=f"market-maker/{'b' * 20}",
        scopes=("trading",),
        reason="due",
        now=NOW,
        expected_version=4,
    )
    return stage(opened, DerivedToken("token-2", SecretStr(SECRET), ("trading",), NOW), now=NOW)


def served(vault: Subject, location: PathLocation) -> ServedDocument | None:
    return vault.consumers.read(location).document


# --- consumers' paths -----------------------------------------------------------------------------------------------


def test_a_path_that_was_never_written_is_empty(vault: Subject, location: PathLocation) -> None:
    assert vault.consumers.read(location) == ConsumersPath(version=0, created_time=None, content=PathContent.EMPTY)


def test_a_document_reads_back_as_it_was_written(vault: Subject, location: PathLocation) -> None:
    receipt = vault.consumers.write(location, document(), cas=0)

    assert vault.consumers.read(location) == ConsumersPath(
        version=1, created_time=receipt.created_time, content=PathContent.DOCUMENT, document=document()
    )


def test_the_receipt_carries_the_servers_own_time(vault: Subject, location: PathLocation) -> None:
    receipt = vault.consumers.write(location, document(), cas=0)

    assert abs(receipt.created_time - vault.now()) < timedelta(seconds=10)


def test_a_service_finds_its_two_fields_under_the_names_it_wants(vault: Subject, location: PathLocation) -> None:
    names = FieldNames(token_id="LMTS_TOKEN_ID", secret="LMTS_TOKEN_SECRET")
    consumers = VaultConsumers(kv=vault.kv, fields={location: names}, max_versions=6)

    consumers.write(location, document(), cas=0)

    latest = vault.kv.read(location)
    assert latest is not None
    assert latest.data is not None
    assert (latest.data["LMTS_TOKEN_ID"], latest.data["LMTS_TOKEN_SECRET"]) == ("token-1", SECRET)


def test_a_document_under_other_names_reads_back_as_it_was_written(vault: Subject, location: PathLocation) -> None:
    names = FieldNames(token_id="LMTS_TOKEN_ID", secret="LMTS_TOKEN_SECRET")
    consumers = VaultConsumers(kv=vault.kv, fields={location: names}, max_versions=6)

    consumers.write(location, document(), cas=0)

    assert consumers.read(location).document == document()


def test_every_write_is_a_version_of_its_own(vault: Subject, location: PathLocation) -> None:
    vault.consumers.write(location, document("token-1"), cas=0)

    assert vault.consumers.write(location, document("token-2"), cas=1).version == 2


def test_a_document_written_again_unchanged_carries_a_new_write_id(vault: Subject, location: PathLocation) -> None:
    vault.consumers.write(location, document(), cas=0)
    vault.consumers.write(location, document(), cas=1)

    versions = [vault.kv.read(location, version=number) for number in (1, 2)]
    assert len({one.data["write_id"] for one in versions if one and one.data}) == 2


@pytest.mark.parametrize("write_id, sequence", [("0123456789abcdef" * 2, 2**53 - 1), ("theirs", 0)])
def test_a_forged_sequence_is_read_as_it_was_written_and_counts_only_under_a_write_id_of_our_form(
    vault: Subject, location: PathLocation, write_id: str, sequence: int
) -> None:
    vault.consumers.write(location, document(), cas=0)
    written = vault.kv.read(location)
    assert written is not None
    vault.put(location, {**(written.data or {}), "sequence": 2**53 - 1, "write_id": write_id})

    found = vault.consumers.read(location).document
    assert found is not None
    assert (found.token_id, found.sequence) == (document().token_id, sequence)


def test_a_write_against_an_old_version_is_a_conflict(vault: Subject, location: PathLocation) -> None:
    vault.consumers.write(location, document("token-1"), cas=0)
    vault.consumers.write(location, document("token-2"), cas=1)

    with pytest.raises(CasConflictError):
        vault.consumers.write(location, document("token-3"), cas=1)


def test_a_conflict_leaves_what_was_there(vault: Subject, location: PathLocation) -> None:
    vault.consumers.write(location, document("token-1"), cas=0)
    with pytest.raises(CasConflictError):
        vault.consumers.write(location, document("token-2"), cas=0)

    assert served(vault, location) == document("token-1")


def test_a_write_ahead_of_the_latest_version_is_a_conflict(vault: Subject, location: PathLocation) -> None:
    vault.consumers.write(location, document("token-1"), cas=0)

    with pytest.raises(CasConflictError):
        vault.consumers.write(location, document("token-2"), cas=5)


def test_an_equal_document_of_another_hand_is_a_conflict_all_the_same(vault: Subject, location: PathLocation) -> None:
    vault.consumers.write(location, document(), cas=0)

    with pytest.raises(CasConflictError):
        vault.consumers.write(location, document(), cas=0)


def test_of_many_writers_at_once_one_wins(vault: Subject, location: PathLocation) -> None:
    results: list[str] = []
    barrier = threading.Barrier(6)

    def write(number: int) -> None:
        barrier.wait()
        try:
            vault.consumers.write(location, document(f"token-{number}"), cas=0)
            results.append("won")
        except CasConflictError:
            results.append("lost")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["lost"] * 5 + ["won"]


def test_a_tombstone_serves_nothing(vault: Subject, location: PathLocation) -> None:
    receipt = vault.consumers.write_tombstone(location, cas=0)

    assert vault.consumers.read(location) == ConsumersPath(
        version=1, created_time=receipt.created_time, content=PathContent.TOMBSTONE
    )


def test_a_tombstone_fences_a_first_promote(vault: Subject, location: PathLocation) -> None:
    vault.consumers.write_tombstone(location, cas=0)

    with pytest.raises(CasConflictError):
        vault.consumers.write(location, document(), cas=0)


def test_what_a_person_wrote_is_foreign(vault: Subject, location: PathLocation) -> None:
    version = vault.put(location, {"token": "by hand", "secret": "by hand"})

    found = vault.consumers.read(location)
    assert (found.version, found.content, found.document) == (version, PathContent.FOREIGN, None)


def test_a_token_that_a_person_put_there_can_be_read_and_is_not_ours(vault: Subject, location: PathLocation) -> None:
    vault.put(location, {"token_id": "by hand", "secret": "by hand"})

    found = vault.consumers.read(location)
    assert found.document is not None
    assert (found.content, found.document.token_id, found.document.label, found.document.sequence) == (
        PathContent.DOCUMENT,
        "by hand",
        "",
        0,
    )


def test_a_field_that_a_person_added_leaves_a_document_ours(vault: Subject, location: PathLocation) -> None:
    vault.consumers.write(location, document(), cas=0)
    latest = vault.kv.read(location)
    assert latest is not None
    assert latest.data is not None
    vault.put(location, {**latest.data, "note": "seen"})

    assert served(vault, location) == document()


def test_a_deleted_latest_version_is_foreign_under_its_number(vault: Subject, location: PathLocation) -> None:
    vault.consumers.write(location, document(), cas=0)
    vault.delete_latest(location)

    found = vault.consumers.read(location)
    assert (found.version, found.content, found.document) == (1, PathContent.FOREIGN, None)


def test_a_destroyed_latest_version_is_foreign_under_its_number(vault: Subject, location: PathLocation) -> None:
    vault.consumers.write(location, document(), cas=0)
    vault.destroy(location, 1)

    found = vault.consumers.read(location)
    assert (found.version, found.content, found.document) == (1, PathContent.FOREIGN, None)


def test_a_deleted_latest_version_can_be_written_over(vault: Subject, location: PathLocation) -> None:
    vault.consumers.write(location, document("token-1"), cas=0)
    vault.delete_latest(location)

    assert vault.consumers.write(location, document("token-2"), cas=1).version == 2


def test_a_deleted_latest_version_still_counts_for_check_and_set(vault: Subject, location: PathLocation) -> None:
    vault.consumers.write(location, document("token-1"), cas=0)
    vault.delete_latest(location)

    with pytest.raises(CasConflictError):
        vault.consumers.write(location, document("token-2"), cas=0)


def test_a_path_keeps_as_many_versions_as_the_layout_says(vault: Subject, location: PathLocation) -> None:
    for number in range(8):
        vault.consumers.write(location, document(f"token-{number}"), cas=number)

    assert vault.live_versions(location) == [3, 4, 5, 6, 7, 8]


# --- fences: what is there is written once more -----------------------------------------------------------------------


def test_what_is_written_once_more_is_the_same_but_for_our_write_id(vault: Subject, location: PathLocation) -> None:
    vault.consumers.write(location, document(), cas=0)
    raw = vault.kv.read(location)
    assert raw is not None
    assert raw.data is not None
    vault.put(location, {**raw.data, "endpoint": "https://desk.example", "desk": {"books": [1, 2.5, None]}})

    vault.consumers.rewrite(location, cas=2)

    before, after = (vault.kv.read(location, version=number) for number in (2, 3))
    assert without_write_id(before) == without_write_id(after)
    assert write_id_of(before) != write_id_of(after)


def test_a_persons_token_that_is_written_once_more_keeps_their_fields_and_is_still_theirs(
    vault: Subject, location: PathLocation
) -> None:
    theirs = {"token_id": "by hand", "secret": "by hand", "endpoint": "https://desk.example", "account": "desk 7"}
    vault.put(location, theirs)
    read = vault.consumers.read(location).document

    for version in (1, 2):
        vault.consumers.rewrite(location, cas=version)

    latest = vault.kv.read(location)
    assert without_write_id(latest) == theirs
    assert vault.consumers.read(location).document == read


def test_a_copy_of_our_document_that_a_person_made_does_not_become_ours_by_a_fence(
    vault: Subject, location: PathLocation
) -> None:
    vault.consumers.write(location, document(), cas=0)
    vault.put(location, without_write_id(vault.kv.read(location)))

    found = vault.consumers.rewrite(location, cas=2)

    assert (found.document, served(vault, location)) == (served(vault, location), found.document)
    assert found.document is not None
    assert (found.document.label, found.document.sequence) == ("", 0)


def test_what_is_written_once_more_is_told_as_it_then_is(vault: Subject, location: PathLocation) -> None:
    vault.consumers.write(location, document(), cas=0)

    assert vault.consumers.rewrite(location, cas=1) == vault.consumers.read(location)


def test_data_that_serves_nothing_is_kept_as_it_is(vault: Subject, location: PathLocation) -> None:
    vault.put(location, {"note": "moved to the vault next door"})

    found = vault.consumers.rewrite(location, cas=1)

    assert (found.version, found.content) == (2, PathContent.FOREIGN)
    assert without_write_id(vault.kv.read(location)) == {"note": "moved to the vault next door"}


def test_a_path_that_was_never_written_gets_a_tombstone(vault: Subject, location: PathLocation) -> None:
    found = vault.consumers.rewrite(location, cas=0)

    assert (found.version, found.content) == (1, PathContent.TOMBSTONE)
    assert vault.consumers.read(location) == found


def test_a_version_that_was_deleted_serves_nothing_and_gets_a_tombstone(vault: Subject, location: PathLocation) -> None:
    vault.consumers.write(location, document(), cas=0)
    vault.delete_latest(location)

    assert vault.consumers.rewrite(location, cas=1).content is PathContent.TOMBSTONE


@pytest.mark.parametrize("cas", [0, 1, 9])
def test_nothing_is_written_once_more_when_the_path_moved_on(vault: Subject, location: PathLocation, cas: int) -> None:
    vault.consumers.write(location, document("token-1"), cas=0)
    vault.consumers.write(location, document("token-2"), cas=1)

    with pytest.raises(CasConflictError):
        vault.consumers.rewrite(location, cas=cas)
    assert served(vault, location) == document("token-2")


def without_write_id(version: KvVersion | None) -> dict[str, Any]:
    assert version is not None
    assert version.data is not None
    return {name: value for name, value in version.data.items() if name != "write_id"}


def write_id_of(version: KvVersion | None) -> object:
    assert version is not None
    assert version.data is not None
    return version.data.get("write_id")


# --- when a token left its path -------------------------------------------------------------------------------------


def written_at(vault: Subject, location: PathLocation, version: int) -> datetime:
    found = vault.kv.read(location, version=version)
    assert found is not None
    return found.created_time


def found(
    vault: Subject, location: PathLocation, token_id: str, *, prefer: int | None = None
) -> tuple[int, str] | None:
    """Return which version is found, and its secret."""
    version = vault.consumers.find(location, token_id, prefer=prefer)
    return None if version is None else (version.version, version.document.secret.get_secret_value())


def test_a_token_is_found_in_the_newest_version_that_serves_it(vault: Subject, location: PathLocation) -> None:
    for number, token_id in enumerate(("old", "old", "new")):
        vault.consumers.write(location, document(token_id), cas=number)

    assert found(vault, location, "old") == (2, SECRET)
    assert found(vault, location, "new") == (3, SECRET)
    assert found(vault, location, "never there") is None


def test_a_token_is_found_in_the_preferred_version_although_a_person_wrote_its_id_later(
    vault: Subject, location: PathLocation
) -> None:
    vault.consumers.write(location, document("old"), cas=0)
    vault.put(location, {"token_id": "old", "secret": "bm90IGl0cw=="})
    vault.consumers.write(location, document("new"), cas=2)

    assert found(vault, location, "old", prefer=1) == (1, SECRET)
    assert found(vault, location, "old") == (2, "bm90IGl0cw==")


def test_a_preferred_version_that_serves_another_token_or_is_gone_is_passed_over(
    vault: Subject, location: PathLocation
) -> None:
    for number, token_id in enumerate(("old", "old", "new")):
        vault.consumers.write(location, document(token_id), cas=number)
    vault.destroy(location, 1)

    assert found(vault, location, "old", prefer=1) == (2, SECRET)
    assert found(vault, location, "old", prefer=3) == (2, SECRET)
    assert found(vault, location, "old", prefer=9) == (2, SECRET)


def test_nothing_is_found_at_a_path_that_was_never_written(vault: Subject, location: PathLocation) -> None:
    assert found(vault, location, "old", prefer=1) is None


def test_a_token_that_is_served_has_not_left(vault: Subject, location: PathLocation) -> None:
    vault.consumers.write(location, document("token-1"), cas=0)
    vault.consumers.write(location, document("token-1"), cas=1)

    at = written_at(vault, location, 2)
    assert vault.consumers.departure(location, "token-1") == Departure(2, served_at=at, left_at=None)


def test_a_token_left_when_the_next_version_was_written(vault: Subject, location: PathLocation) -> None:
    for number, token_id in enumerate(("old", "old", "new", "newer")):
        vault.consumers.write(location, document(token_id), cas=number)

    assert vault.consumers.departure(location, "old") == Departure(
        2, served_at=written_at(vault, location, 2), left_at=written_at(vault, location, 3)
    )


def test_a_token_that_a_person_put_back_left_when_that_was_put_right(vault: Subject, location: PathLocation) -> None:
    vault.consumers.write(location, document("old"), cas=0)
    vault.consumers.write(location, document("new"), cas=1)
    vault.put(location, {"key": "old"})
    vault.consumers.write(location, document("new"), cas=3)

    found = vault.consumers.departure(location, "old")
    assert found is not None
    assert (found.version, found.left_at) == (3, written_at(vault, location, 4))


def test_a_token_left_a_forged_document_with_its_secret_too_and_not_one_with_another_secret(
    vault: Subject, location: PathLocation
) -> None:
    vault.consumers.write(location, document("old"), cas=0)
    vault.put(location, {"token_id": "old", "secret": SECRET, "sequence": 2**60, "rotation_id": "?"})
    vault.put(location, {"token_id": "old", "secret": "bm90IGl0cw=="})
    vault.consumers.write(location, document("new"), cas=3)

    left = vault.consumers.departure(location, "old", secret=SecretStr(SECRET))
    assert left is not None
    assert (left.version, left.left_at) == (2, written_at(vault, location, 3))


def test_a_token_that_was_never_there_did_not_leave(vault: Subject, location: PathLocation) -> None:
    vault.consumers.write(location, document("token-1"), cas=0)
    vault.consumers.write_tombstone(location, cas=1)

    assert vault.consumers.departure(location, "token-2") is None


def test_nothing_left_a_path_that_was_never_written(vault: Subject, location: PathLocation) -> None:
    assert vault.consumers.departure(location, "token-1") is None


def test_a_version_that_a_person_deleted_may_have_held_any_token(vault: Subject, location: PathLocation) -> None:
    vault.consumers.write(location, document("token-1"), cas=0)
    vault.delete_latest(location)
    vault.consumers.write(location, document("token-2"), cas=1)

    found = vault.consumers.departure(location, "token-3")
    assert found is not None
    assert (found.version, found.left_at) == (1, written_at(vault, location, 2))


def test_of_a_version_that_was_destroyed_nothing_is_known(vault: Subject, location: PathLocation) -> None:
    vault.consumers.write(location, document("old"), cas=0)
    vault.consumers.write(location, document("new"), cas=1)
    vault.destroy(location, 1)

    assert vault.consumers.departure(location, "old") is None


def test_of_a_version_that_was_trimmed_nothing_is_known(vault: Subject, location: PathLocation) -> None:
    for number in range(8):
        vault.consumers.write(location, document(f"token-{number}"), cas=number)

    assert vault.consumers.departure(location, "token-0") is None


# --- destroying secrets ---------------------------------------------------------------------------------------------


def test_every_older_version_that_holds_the_token_is_destroyed(vault: Subject, location: PathLocation) -> None:
    for number, token_id in enumerate(("old", "old", "other", "current")):
        vault.consumers.write(location, document(token_id), cas=number)

    assert vault.consumers.destroy_secret(location, "old") == (1, 2)


def test_versions_of_other_tokens_outlive_it(vault: Subject, location: PathLocation) -> None:
    for number, token_id in enumerate(("old", "other", "current")):
        vault.consumers.write(location, document(token_id), cas=number)
    vault.consumers.destroy_secret(location, "old")

    assert vault.live_versions(location) == [2, 3]


def test_the_latest_version_is_never_destroyed(vault: Subject, location: PathLocation) -> None:
    vault.consumers.write(location, document("token-1"), cas=0)
    vault.consumers.write(location, document("token-1"), cas=1)

    assert vault.consumers.destroy_secret(location, "token-1") == (1,)
    assert served(vault, location) == document("token-1")


def test_destroying_again_destroys_nothing_more(vault: Subject, location: PathLocation) -> None:
    for number, token_id in enumerate(("old", "current")):
        vault.consumers.write(location, document(token_id), cas=number)
    vault.consumers.destroy_secret(location, "old")

    assert vault.consumers.destroy_secret(location, "old") == ()


def test_destroying_at_a_path_that_was_never_written_is_success(vault: Subject, location: PathLocation) -> None:
    assert vault.consumers.destroy_secret(location, "token-1") == ()


def test_a_version_written_under_older_field_names_is_destroyed_too(vault: Subject, location: PathLocation) -> None:
    vault.consumers.write(location, document("old"), cas=0)
    renamed = VaultConsumers(kv=vault.kv, fields={location: FieldNames(token_id="ID", secret="KEY")}, max_versions=6)
    renamed.write(location, document("current"), cas=1)

    assert renamed.destroy_secret(location, "old") == (1,)


def test_an_older_version_that_a_person_deleted_is_left_to_them(vault: Subject, location: PathLocation) -> None:
    vault.consumers.write(location, document("old"), cas=0)
    vault.delete_latest(location)
    vault.consumers.write(location, document("current"), cas=1)

    assert vault.consumers.destroy_secret(location, "old") == ()


# --- journals -------------------------------------------------------------------------------------------------------


def test_a_journal_that_was_never_written_is_none(vault: Subject, location: PathLocation) -> None:
    assert vault.journals.read(location) is None


def test_a_journal_reads_back_as_it_was_written_its_secret_included(vault: Subject, location: PathLocation) -> None:
    written = vault.journals.write(location, journal_of(location), cas=0)

    assert (written.version, vault.journals.read(location)) == (1, written)
    assert written.journal.intent is not None
    assert written.journal.intent.token is not None
    assert written.journal.intent.token.secret.get_secret_value() == SECRET


def test_a_journal_is_written_against_the_version_it_was_read_from(vault: Subject, location: PathLocation) -> None:
    vault.journals.write(location, journal_of(location), cas=0)
    vault.journals.write(location, journal_of(location), cas=1)

    with pytest.raises(CasConflictError):
        vault.journals.write(location, journal_of(location), cas=1)


def test_a_journal_keeps_no_older_version(vault: Subject, location: PathLocation) -> None:
    for number in range(3):
        vault.journals.write(location, journal_of(location), cas=number)

    assert vault.live_versions(journal_path(vault, location)) == [3]


def test_journals_of_equal_paths_on_two_mounts_are_two(vault: Subject, location: PathLocation) -> None:
    vault.journals.write(location, journal_of(location), cas=0)

    assert vault.journals.read(PathLocation("elsewhere", location.path)) is None


def test_a_ledger_of_many_years_fits(vault: Subject, location: PathLocation) -> None:
    ledger = tuple(
        TokenRecord(
            rotation_id=f"{number:020}",
            label=f"market-maker/{number:020}",
            state=RecordState.REVOKED,
            token_id=f"token-{number}",
            derived_at=NOW,
            promoted_at=NOW,
            promoted_version=number,
            superseded_at=NOW,
            revoked_at=NOW,
        )
        for number in range(1000)
    )
    journal = new_journal("market-maker", "main", location).model_copy(update={"ledger": ledger})

    written = vault.journals.write(location, journal, cas=0)

    assert vault.journals.read(location) == written


def journal_path(vault: Subject, location: PathLocation) -> PathLocation:
    layout = vault.layout
    return PathLocation(layout.journal_mount, f"{layout.journal_prefix}/{location.mount}/{location.path}")


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"journal": "{"},
        {"journal": '{"schema_version": 1}'},
        {"journal": '{"schema_version": 2, "credential": "market-maker"}'},
        {"journal": '{"credential": "a", "account": "b", "mount": "c", "path": "d", "unknown": "' + SECRET + '"}'},
        {"journal": ["not", "text"]},
    ],
)
def test_a_journal_that_cannot_be_understood_is_an_error_of_its_own(
    vault: Subject, location: PathLocation, data: Mapping[str, Any]
) -> None:
    vault.put(journal_path(vault, location), data)

    with pytest.raises(VaultDocumentError):
        vault.journals.read(location)


def test_a_deleted_journal_is_not_taken_for_none(vault: Subject, location: PathLocation) -> None:
    vault.journals.write(location, journal_of(location), cas=0)
    vault.delete_latest(journal_path(vault, location))

    with pytest.raises(VaultDocumentError, match="was deleted"):
        vault.journals.read(location)


def test_the_error_of_a_damaged_journal_quotes_nothing_of_it(vault: Subject, location: PathLocation) -> None:
    vault.put(journal_path(vault, location), {"journal": '{"schema_version": 1, "intent": "' + SECRET + '"}'})

    with pytest.raises(RotatorError) as caught:
        vault.journals.read(location)
    assert SECRET not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"


def test_the_servers_clock_is_whole_seconds_of_now(vault: Subject) -> None:
    time = vault.journals.server_time()

    assert (time.microsecond, time.tzinfo) == (0, UTC)
    assert abs(time - vault.now()) < timedelta(seconds=10)
