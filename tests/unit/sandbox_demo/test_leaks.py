import base64
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from sandbox.leaks import MIN_NEEDLE, Finding, LeakScanner, Needle

PRINTABLE = st.characters(min_codepoint=33, max_codepoint=126)
tokens = st.binary(min_size=32, max_size=32).map(lambda raw: base64.b64encode(raw).decode())
secrets = st.one_of(tokens, st.text(PRINTABLE, min_size=MIN_NEEDLE, max_size=80))
around = st.binary(max_size=40)
EMBEDDINGS: dict[str, Callable[[str], bytes]] = {
    "raw": lambda value: value.encode(),
    "url": lambda value: quote(value, safe="").encode(),
    "url, lower case": lambda value: quote(value).replace("%2F", "%2f").encode(),
    "json": lambda value: json.dumps({"a": value}).encode(),
    "json with escaped slashes": lambda value: json.dumps({"a": value}).replace("/", "\\/").encode(),
    "json in json": lambda value: json.dumps(json.dumps({"a": value})).encode(),
    "query in json": lambda value: json.dumps("?a=" + quote(value, safe="")).encode(),
}
ENCODERS: list[Callable[[bytes], bytes]] = [base64.b64encode, base64.urlsafe_b64encode]
SECRET = "q83vEjRWeJq83vEjRWeJq83vEjRWeJq83v+/EjRWeJo="


def scanner(value: str = SECRET, *, at_home: frozenset[Path] = frozenset()) -> LeakScanner:
    return LeakScanner([Needle("secret of token t-1", SecretStr(value), at_home)])


def names(findings: set[Finding]) -> set[str]:
    return {finding.needle for finding in findings}


@given(secrets, st.sampled_from(sorted(EMBEDDINGS)), around, around)
def test_a_secret_is_found_in_every_text_form_wherever_it_stands(
    value: str, embedding: str, before: bytes, after: bytes
) -> None:
    data = before + EMBEDDINGS[embedding](value) + after
    assert names(scanner(value).scan(data, "here")) == {"secret of token t-1"}


@given(secrets, st.sampled_from(sorted(EMBEDDINGS)), around, around, around, st.sampled_from(ENCODERS))
def test_a_secret_is_found_inside_base64_at_every_alignment(
    value: str, embedding: str, before: bytes, after: bytes, outside: bytes, encode: Callable[[bytes], bytes]
) -> None:
    data = outside + encode(before + EMBEDDINGS[embedding](value) + after)
    assert names(scanner(value).scan(data, "here")) == {"secret of token t-1"}


@given(st.binary(max_size=400))
def test_data_that_holds_no_secret_raises_no_alarm(data: bytes) -> None:
    assert scanner().scan(data, "here") == set()


@given(tokens, tokens)
def test_another_secret_raises_no_alarm(wanted: str, other: str) -> None:
    data = json.dumps({"secret": other, "in base64": base64.b64encode(other.encode()).decode()}).encode()
    assert (scanner(wanted).scan(data, "here") == set()) == (wanted != other)


@given(tokens, st.integers(min_value=1, max_value=43))
def test_a_part_of_a_secret_raises_no_alarm(value: str, length: int) -> None:
    assert scanner(value).scan(b"x" * 9 + value[:length].encode() + b"*" * 60, "here") == set()


@given(secrets)
def test_a_finding_never_shows_the_secret(value: str) -> None:
    findings = scanner(value).scan(value.encode(), "here")
    assert not any(value in str(finding) or value in repr(finding) for finding in findings)


def test_each_of_several_secrets_is_named() -> None:
    values = [base64.b64encode(bytes([n]) * 32).decode() for n in range(20)]
    found = LeakScanner(Needle(f"number {n}", SecretStr(value)) for n, value in enumerate(values)).scan(
        "\n".join(values).encode(), "here"
    )
    assert names(found) == {f"number {n}" for n in range(20)}


def test_a_finding_says_what_was_seen_in_which_form_and_where(tmp_path: Path) -> None:
    (tmp_path / "worker.log").write_text(f"answer: {SECRET}", encoding="utf-8")
    found = {str(finding) for finding in scanner().scan_files(tmp_path)}
    assert "secret of token t-1 (raw) in file worker.log" in found


def test_a_secret_in_the_file_it_lives_in_is_no_leak(tmp_path: Path) -> None:
    home = tmp_path / "token"
    home.write_text(SECRET, encoding="utf-8")
    assert scanner(at_home=frozenset({home})).scan_files(tmp_path) == set()


def test_a_secret_of_one_file_seen_in_another_is_a_leak(tmp_path: Path) -> None:
    home = tmp_path / "token"
    home.write_text(SECRET, encoding="utf-8")
    (tmp_path / "copy").write_text(SECRET, encoding="utf-8")
    found = scanner(at_home=frozenset({home})).scan_files(tmp_path)
    assert {finding.where for finding in found} == {"file copy"}


def test_folders_that_are_left_out_are_not_searched(tmp_path: Path) -> None:
    (tmp_path / "vault").mkdir()
    (tmp_path / "vault" / "data").write_text(SECRET, encoding="utf-8")
    assert scanner().scan_files(tmp_path, without=[tmp_path / "vault"]) == set()


def test_a_secret_in_a_file_name_is_found(tmp_path: Path) -> None:
    value = SECRET.replace("/", "_")
    (tmp_path / f"dump-{value}").touch()
    assert names(scanner(value).scan_files(tmp_path)) == {"secret of token t-1"}


def test_a_secret_too_short_to_be_told_from_chance_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        scanner("short")


@pytest.mark.parametrize("token", ["s.AbCdEfGhIjKlMnOpQrStUvWx", "hvs.CAESIJ0kabcdefghijklmnopqrstuv-_x"])
def test_a_vault_token_that_nobody_told_of_is_found_by_its_shape(token: str) -> None:
    assert names(scanner().scan(f'{{"X-Vault-Token": "{token}"}}'.encode(), "here")) == {
        "something shaped like a Vault token"
    }


@pytest.mark.parametrize(
    "text", ["worker.tasks.rotate_due_credentials_of_all", "s.short", "tests.abcdefghijklmnopqrstuvwxyz"]
)
def test_dotted_names_are_not_taken_for_vault_tokens(text: str) -> None:
    assert scanner().scan(text.encode(), "here") == set()
