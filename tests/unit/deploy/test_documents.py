"""The documents: their links lead somewhere, and what they list is what the code has."""

import ast
import re
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from config.schema import FieldNames
from tests.unit.deploy.files import ROOT
from worker.cli.lazy import ENTRIES
from worker.models import ServedDocument
from worker.policy.steps import Reason
from worker.vault.documents import WRITE_ID, served_data, tombstone_data

DOCUMENTS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")))


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_to_other_files_lead_somewhere(name: str) -> None:
    targets = [
        target for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", _text(name)) if not target.startswith("http")
    ]
    paths = [(ROOT / name).parent / target for target in targets]

    assert [str(path) for path in paths if not path.exists()] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_files_that_are_named_exist(name: str) -> None:
    named = set(re.findall(r"`((?:worker|config|sandbox|deploy|tests|docs)/[\w./-]*)`", _text(name)))
    to_be_made = {"config/rotator.toml", "deploy/compose/identity/token"}

    assert {one for one in named - to_be_made if not (ROOT / one).exists()} == set()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_python_in_a_document_can_be_parsed(name: str) -> None:
    for block in re.findall(r"```python\n(.*?)```", _text(name), re.DOTALL):
        ast.parse(block)


class _Vault:
    """As much of hvac's client as the example uses; answers with the documents in turn, the last one for good."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self._answers = list(answers)
        self.reads = 0
        self.secrets = SimpleNamespace(kv=SimpleNamespace(v2=self))

    def read_secret_version(self, **_: object) -> dict[str, Any]:
        self.reads += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return {"data": {"data": answer}}


def _credential(vault: _Vault, reread_seconds: float = 300) -> Any:
    """Return the example's credential: the class in docs/consumers.md, as it is printed there."""
    (block,) = re.findall(r"```python\n(.*?)```", _text("docs/consumers.md"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)  # noqa: S102 - our own document
    return names["Credential"](vault, "trading", "limitless/market-maker", reread_seconds)


def test_the_example_for_services_reads_once_between_intervals() -> None:
    vault = _Vault({"token_id": "one"})
    credential = _credential(vault)

    assert [credential.get()["token_id"] for _ in range(3)] == ["one"] * 3
    assert vault.reads == 1


def test_the_example_for_services_reads_again_after_a_rejection() -> None:
    credential = _credential(_Vault({"token_id": "one"}, {"token_id": "two"}))
    credential.get()

    assert credential.get(rejected="one")["token_id"] == "two"


@pytest.mark.parametrize("answer", [ConnectionError(), {"tombstone": True}], ids=["vault is away", "tombstone"])
def test_the_example_for_services_keeps_what_it_has(answer: dict[str, Any] | Exception) -> None:
    credential = _credential(_Vault({"token_id": "one"}, answer), reread_seconds=0)
    credential.get()

    assert credential.get()["token_id"] == "one"


@pytest.mark.parametrize("reason", sorted(Reason))
def test_the_runbook_explains_every_reason_once(reason: Reason) -> None:
    text = _text("docs/operations.md")
    headings = re.findall(rf"^####.*`{reason}`", text, re.MULTILINE)
    rows = re.findall(rf"^\|[^|]*`{reason}`[^|]*\|", text, re.MULTILINE)

    assert len(headings) + len(rows) == 1


@pytest.mark.parametrize("name", DOCUMENTS)
def test_commands_that_a_document_names_exist(name: str) -> None:
    named = {
        tuple(words.split())
        for words in re.findall(r"(?:`|exec worker |^)rotator ([a-z]+(?: check)?)\b", _text(name), re.MULTILINE)
    }
    commands = {(one,) for one in ENTRIES if one != "config"} | {("config", "check")}

    assert named <= commands


def test_consumers_are_told_about_every_field_that_they_read() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    document = ServedDocument(
        token_id="id",
        secret=SecretStr("c2VjcmV0"),
        scopes=("trading",),
        label="market-maker/id",
        account="desk",
        api_url="https://api.example",
        derived_at=moment,
        promoted_at=moment,
        rotation_id="id",
        sequence=3,
    )
    text = _text("docs/consumers.md")

    fields = {*served_data(document, FieldNames()), WRITE_ID}

    assert {one for one in fields if not re.search(rf"^\|[^|]*`{one}`", text, re.MULTILINE)} == set()
    assert all(f'"{one}": true' in text for one in tombstone_data())


def test_the_documents_name_no_reason_that_does_not_exist() -> None:
    headings = re.findall(r"^#### (.*)$", _text("docs/operations.md"), re.MULTILINE)

    named = {one for heading in headings for one in re.findall(r"`(\w+)`", heading)}

    assert named <= set(Reason)
