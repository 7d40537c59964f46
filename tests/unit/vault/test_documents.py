import json
import string
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from config.schema import FieldNames
from worker.errors import VaultDocumentError
from worker.journal import StagedToken, new_journal, open_intent, stage
from worker.models import DerivedToken, PathContent, PathLocation, ServedDocument
from worker.vault.documents import (
    WRITE_ID,
    check_field_names,
    holds,
    journal_data,
    parse_journal,
    parse_served,
    served_data,
    tombstone_data,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WHERE = PathLocation("rotator", "journal/trading/limitless/a")
OURS = {*served_data(ServedDocument("", SecretStr(""), (), "", "", "", NOW, NOW, "", 0), FieldNames())}
OURS = OURS - {"token_id", "secret"} | {WRITE_ID, "tombstone"}

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
filled = words.filter(bool)
moments = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - hypothesis wants it naive and adds the zone
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001 - likewise
    timezones=st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours))),
)
names = st.text(string.ascii_letters + "_", min_size=1).filter(lambda name: name not in OURS)
field_names = (
    st.tuples(names, names)
    .filter(lambda pair: pair[0] != pair[1])
    .map(lambda pair: FieldNames(token_id=pair[0], secret=pair[1]))
)
documents = st.builds(
    ServedDocument,
    token_id=filled,
    secret=filled.map(SecretStr),
    scopes=st.lists(words).map(tuple),
    label=words,
    account=words,
    api_url=words,
    derived_at=moments,
    promoted_at=moments,
    rotation_id=words,
    sequence=st.integers(min_value=0, max_value=2**53 - 1),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
)


def through_json(data: dict[str, Any]) -> dict[str, Any]:
    copied: dict[str, Any] = json.loads(json.dumps({**data, WRITE_ID: "0123456789abcdef" * 2}))
    return copied


@given(documents, field_names)
def test_a_document_survives_the_way_to_vault_and_back(document: ServedDocument, fields: FieldNames) -> None:
    assert parse_served(through_json(served_data(document, fields)), fields) == (PathContent.DOCUMENT, document)


@given(documents, field_names, st.dictionaries(names.map(lambda name: f"note {name}"), words, max_size=3))
def test_fields_of_other_people_change_nothing(
    document: ServedDocument, fields: FieldNames, notes: dict[str, str]
) -> None:
    data = {**notes, **through_json(served_data(document, fields))}

    assert parse_served(data, fields) == (PathContent.DOCUMENT, document)


@given(documents, field_names, st.data())
def test_a_document_that_lacks_any_field_is_foreign(
    document: ServedDocument, fields: FieldNames, data: st.DataObject
) -> None:
    whole = through_json(served_data(document, fields))
    missing = data.draw(st.sampled_from(sorted(set(whole) - {WRITE_ID})))

    lacking = {name: value for name, value in whole.items() if name != missing}
    assert parse_served(lacking, fields) == (PathContent.FOREIGN, None)


@given(documents, field_names)
def test_the_two_fields_without_our_write_id_are_a_document_that_is_not_ours(
    document: ServedDocument, fields: FieldNames
) -> None:
    whole = through_json(served_data(document, fields))
    content, found = parse_served({name: whole[name] for name in (fields.token_id, fields.secret)}, fields)

    assert content is PathContent.DOCUMENT
    assert found is not None
    assert (found.token_id, found.secret, found.label, found.sequence) == (document.token_id, document.secret, "", 0)


@given(st.dictionaries(words | st.sampled_from(sorted(OURS - {"tombstone"})), json_values), field_names)
def test_anything_at_all_can_be_at_a_path(data: dict[str, Any], fields: FieldNames) -> None:
    content, document = parse_served(data, fields)

    assert (content is PathContent.DOCUMENT) == (document is not None)


def test_a_tombstone_is_a_tombstone() -> None:
    assert parse_served(through_json(tombstone_data()), FieldNames()) == (PathContent.TOMBSTONE, None)


def test_a_tombstone_without_our_write_id_is_foreign() -> None:
    assert parse_served({"tombstone": True}, FieldNames()) == (PathContent.FOREIGN, None)


def test_a_deleted_version_is_foreign() -> None:
    assert parse_served(None, FieldNames()) == (PathContent.FOREIGN, None)


@given(documents, field_names)
def test_a_version_is_known_by_its_token_whatever_the_field_is_called(
    document: ServedDocument, fields: FieldNames
) -> None:
    assert holds(through_json(served_data(document, fields)), document.token_id)


def test_a_destroyed_version_holds_no_token() -> None:
    assert not holds(None, "token-1")


@pytest.mark.parametrize(
    "fields",
    [
        FieldNames(token_id="same", secret="same"),
        FieldNames(token_id="label"),
        FieldNames(secret="write_id"),
        FieldNames(token_id="tombstone"),
    ],
)
def test_field_names_that_collide_are_refused(fields: FieldNames) -> None:
    with pytest.raises(ValueError, match="collide"):
        check_field_names(fields)


def test_the_two_default_names_may_be_swapped() -> None:
    check_field_names(FieldNames(token_id="secret", secret="token_id"))


@given(filled)
def test_a_journal_survives_the_way_to_vault_and_back_its_secret_included(secret: str) -> None:
    opened = open_intent(
        new_journal("a", "b", PathLocation("trading", "limitless/a")),
        rotation_id="r",
        label="a/r",
        scopes=("trading",),
        reason="due",
        now=NOW,
        expected_version=0,
    )
    journal = stage(opened, DerivedToken("token-1", SecretStr(secret), ("trading",), NOW), now=NOW)

    read = parse_journal(through_json(journal_data(journal)), WHERE)

    assert read == journal
    assert isinstance(read.intent and read.intent.token, StagedToken)


@given(st.dictionaries(words | st.just("journal"), json_values))
def test_anything_that_is_no_journal_is_an_error_of_its_own(data: dict[str, Any]) -> None:
    with pytest.raises(VaultDocumentError):
        parse_journal(data, WHERE)


@given(json_values)
def test_text_that_is_no_journal_is_an_error_of_its_own(value: object) -> None:
    with pytest.raises(VaultDocumentError):
        parse_journal({"journal": json.dumps(value)}, WHERE)


@pytest.mark.parametrize(
    "field, value",
    [
        ("derived_at", "9999-12-31T23:59:59-12:00"),
        ("promoted_at", "0001-01-01T00:00:00+12:00"),
        ("sequence", 10**400),
        ("sequence", -1),
        ("label", "x" * 900_000),
        ("token_id", "x" * 900_000),
        ("scopes", ["trading"] * 90_000),
    ],
)
def test_a_document_that_somebody_made_to_break_us_is_foreign(field: str, value: object) -> None:
    document = ServedDocument("t", SecretStr("s"), (), "a/r", "a", "u", NOW, NOW, "r", 1)
    data = {**through_json(served_data(document, FieldNames())), field: value}

    assert parse_served(data, FieldNames()) == (PathContent.FOREIGN, None)


def test_a_bare_token_id_that_is_no_token_id_is_foreign() -> None:
    assert parse_served({"token_id": "x" * 900_000, "secret": "s"}, FieldNames()) == (PathContent.FOREIGN, None)


@pytest.mark.parametrize("write_id", ["attempt", "", None, 7, "0123456789ABCDEF" * 2, "0" * 31])
@given(documents, field_names)
def test_a_document_with_a_write_id_that_is_none_of_ours_counts_as_put_there_by_people(
    write_id: object, document: ServedDocument, fields: FieldNames
) -> None:
    _, found = parse_served({**through_json(served_data(document, fields)), WRITE_ID: write_id}, fields)

    assert found is not None
    assert (found.label, found.rotation_id, found.sequence) == ("", "", 0)


def test_a_tombstone_with_a_write_id_that_is_none_of_ours_is_foreign() -> None:
    assert parse_served({"tombstone": True, WRITE_ID: "theirs"}, FieldNames()) == (PathContent.FOREIGN, None)
