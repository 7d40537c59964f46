import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.mistakes import Mistake
from config.settings import check_settings
from tests.unit.config.files import SOUND, environ_with

ACCOUNT = 'name = "desk"'
CREDENTIAL = 'account = "desk"'
A_SECRET = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl"
LONG = f"credentials[{'m' * 108}].name"
SKEW = "credentials[maker].policy.max_clock_skew"


def account(line: str) -> str:
    return SOUND.replace(ACCOUNT, f"{ACCOUNT}\n{line}")


def credential(line: str) -> str:
    return SOUND.replace(CREDENTIAL, f"{CREDENTIAL}\n{line}")


def policy(lines: str) -> str:
    return f"{SOUND}[credentials.policy]\n{lines}\n"


MADE_IN_THE_FILE = {
    "a key that does not exist": (credential('scope = ["trading"]'), "credentials[maker].scope", "known key"),
    "a table that does not exist": ("[vualt]\n" + SOUND, "vualt", "known key"),
    "a policy key at the credential itself": (credential('grace = "1h"'), "credentials[maker].grace", "belong here"),
    "an unknown policy key": (policy('gracee = "1h"'), "credentials[maker].policy.gracee", "known key"),
    "an unknown key in defaults": ('[defaults]\nmaxage = "1h"\n' + SOUND, "defaults.maxage", "known key"),
    "an unknown key in the schedule": ('[schedule]\nrotate = "1m"\n' + SOUND, "schedule.rotate", "known key"),
    "an account's name twice": (SOUND + "[[accounts]]\n" + ACCOUNT, "accounts[desk].name", "twice"),
    "a credential's name twice": (
        SOUND + f'[[credentials]]\nname = "maker"\n{CREDENTIAL}\npath = "b"',
        "credentials[maker].name",
        "twice",
    ),
    "two credentials on one Vault path": (
        SOUND + f'[[credentials]]\nname = "other"\n{CREDENTIAL}\npath = "limitless/maker"',
        "credentials[other].path",
        "belongs to credential maker",
    ),
    "an account nobody defined": (SOUND.replace(CREDENTIAL, 'account = "dsk"'), "credentials[maker].account", "'dsk'"),
    "a credential without account": (SOUND.replace(CREDENTIAL, ""), "credentials[maker].account", "missing"),
    "a credential without name": (SOUND.replace('name = "maker"', ""), "credentials[#1].name", "missing"),
    "a name with capitals": (SOUND.replace("maker", "Maker"), "credentials[#1].name", "not a name"),
    "a name that makes labels too long": (SOUND.replace("maker", "m" * 108), LONG, "labels"),
    "a scope that does not exist": (credential('scopes = ["tradng"]'), "credentials[maker].scopes[0]", "exist"),
    "no scope at all": (credential("scopes = []"), "credentials[maker].scopes", "empty"),
    "a scope twice": (credential('scopes = ["trading", "trading"]'), "credentials[maker].scopes", "twice"),
    "delegated_signing without trading": (
        credential('scopes = ["delegated_signing"]'),
        "credentials[maker].scopes",
        "without trading",
    ),
    "scopes as a text": (credential('scopes = "trading"'), "credentials[maker].scopes", "not a list"),
    "grace as long as the period": (policy('grace = "7d"'), "credentials[maker].policy.grace", "grace is 7d"),
    "a period as short as the default grace": (
        policy('rotation_period = "24h"\nmax_overlap = "20h"'),
        "credentials[maker].policy.rotation_period",
        "grace is 1d",
    ),
    "max_age below the period": (policy('max_age = "6d"'), "credentials[maker].policy.max_age", "max_age is 6d"),
    "an overlap as long as the period": (policy('max_overlap = "7d"'), "credentials[maker].policy.max_overlap", "7d"),
    "an overlap below grace": (policy('max_overlap = "1h"'), "credentials[maker].policy.max_overlap", "grace is 1d"),
    "quiet for longer than the period": (policy('quiet_period = "7d"'), "credentials[maker].policy.quiet_period", "7d"),
    "a backoff that shrinks": (policy('backoff_cap = "1s"'), "credentials[maker].policy.backoff_cap", "1s"),
    "more skew than the exchange takes": (policy('max_clock_skew = "31s"'), SKEW, "31s"),
    "a contradiction in defaults": ('[defaults]\ngrace = "8d"\n' + SOUND, "defaults.grace", "grace is 8d"),
    "a contradiction in an account's policy": (
        SOUND.replace(ACCOUNT, f'{ACCOUNT}\n[accounts.policy]\ngrace = "8d"'),
        "accounts[desk].policy.grace",
        "grace is 8d",
    ),
    "a duration without unit": (policy("grace = 600"), "credentials[maker].policy.grace", "no unit"),
    "a duration that is none": (policy('grace = "soon"'), "credentials[maker].policy.grace", "not a duration"),
    "a negative duration": (policy('grace = "-1h"'), "credentials[maker].policy.grace", "not a duration"),
    "no grace at all": (policy('grace = "0s"'), "credentials[maker].policy.grace", "out of range"),
    "a schedule that never rests": ('[schedule]\nrotate_every = "0s"\n' + SOUND, "schedule.rotate_every", "range"),
    "too few versions": ("[vault]\nmax_versions = 3\n" + SOUND, "vault.max_versions", "out of range"),
    "versions as a text": ('[vault]\nmax_versions = "20"\n' + SOUND, "vault.max_versions", "whole number"),
    "a mount with slashes around": ('[vault]\nmount = "/kv/"\n' + SOUND, "vault.mount", "not a Vault path"),
    "a path that climbs": (credential('path = "a/../b"'), "credentials[maker].path", "not a Vault path"),
    "a path in the journals' folder": (
        credential('mount = "rotator"\npath = "journal/maker"'),
        "credentials[maker].path",
        "overlaps the journals",
    ),
    "a path above the journals' folder": (
        '[vault]\njournal_prefix = "a/b"\n' + credential('mount = "rotator"\npath = "a"'),
        "credentials[maker].path",
        "overlaps the journals",
    ),
    "both fields under one name": (
        credential('fields = { token_id = "same", secret = "same" }'),
        "credentials[maker].fields.secret",
        "same name",
    ),
    "a field named like another": (
        credential('fields = { token_id = "label" }'),
        "credentials[maker].fields.token_id",
        "another served field",
    ),
    "an api_url without scheme": (account('api_url = "limitless.exchange"'), "accounts[desk].api_url", "http(s)"),
    "an api_url of another scheme": (account('api_url = "ftp://host"'), "accounts[desk].api_url", "http(s)"),
    "an api_url with a password": (account('api_url = "https://a:b@host"'), "accounts[desk].api_url", "password"),
    "an api_url with a query": (account('api_url = "https://host?a=b"'), "accounts[desk].api_url", "query"),
    "an api_url without TLS": (account('api_url = "http://host"'), "accounts[desk].api_url", "without TLS"),
    "two identity sources": (
        account('identity_token_env = "LIMITLESS_IDENTITY_TOKEN"\nidentity_token_file = "f"'),
        "accounts[desk].identity_token_env",
        "beside",
    ),
    "an identity variable that is not set": (
        account('identity_token_env = "NO_SUCH"'),
        "accounts[desk].identity_token_env",
        "not set",
    ),
    "no account at all": (SOUND.replace("[[accounts]]", "[[credentials]]"), "accounts", "missing"),
    "an account as a single table": (SOUND.replace("[[accounts]]", "[accounts]"), "accounts", "not a list"),
    "a list of texts": ('credentials = ["maker"]\n[[accounts]]\nname = "desk"', "credentials[#1]", "not a table"),
    "a text for a table": ('vault = "trading"\n' + SOUND, "vault", "not a table"),
    "a number for a name": (SOUND.replace('"maker"', "7"), "credentials[#1].name", "not a text"),
    "a syntax error": (SOUND + "\nname =\n", "syntax", "line 9"),
}  # fmt: skip


@pytest.mark.parametrize("toml,key,wrong", MADE_IN_THE_FILE.values(), ids=MADE_IN_THE_FILE)
def test_a_mistake_in_the_file_is_told_with_its_key_and_what_is_wrong(
    tmp_path: Path, toml: str, key: str, wrong: str
) -> None:
    environ = environ_with(tmp_path, toml)

    found = [one for one in check_settings(environ) if one.key == key]

    assert [(one.file, wrong in one.wrong) for one in found] == [(environ["ROTATOR_CONFIG"], True)]


ONE_CAUSE = [
    name
    for name in MADE_IN_THE_FILE
    if name not in {"no account at all", "an account as a single table", "a list of texts", "a text for a table"}
]


@pytest.mark.parametrize("name", ONE_CAUSE)
def test_one_mistake_is_told_once_and_causes_no_other(tmp_path: Path, name: str) -> None:
    assert len(check_settings(environ_with(tmp_path, MADE_IN_THE_FILE[name][0]))) == 1


MADE_IN_THE_ENVIRONMENT: dict[str, tuple[dict[str, str | None], str, str]] = {
    "no Redis": ({"REDIS_URL": None}, "REDIS_URL", "missing"),
    "a Redis URL that is none": ({"REDIS_URL": "http://127.0.0.1"}, "REDIS_URL", "redis://"),
    "a Redis URL with a broken port": ({"REDIS_URL": "redis://host:port"}, "REDIS_URL", "redis://"),
    "no Vault": ({"VAULT_ADDR": None}, "VAULT_ADDR", "missing"),
    "a Vault address without scheme": ({"VAULT_ADDR": "vault:8200"}, "VAULT_ADDR", "http(s)"),
    "no login for Vault": ({"VAULT_TOKEN": None}, "VAULT_TOKEN", "missing"),
    "half an AppRole": ({"VAULT_TOKEN": None, "VAULT_ROLE_ID": "role"}, "VAULT_SECRET_ID", "missing"),
    "the other half": ({"VAULT_TOKEN": None, "VAULT_SECRET_ID": "id"}, "VAULT_ROLE_ID", "missing"),
    "two logins": ({"VAULT_ROLE_ID": "role", "VAULT_SECRET_ID": "id"}, "VAULT_TOKEN", "beside"),
    "a secret twice": ({"VAULT_TOKEN_FILE": "/f"}, "VAULT_TOKEN", "VAULT_TOKEN_FILE too"),
    "the Redis URL twice": ({"REDIS_URL_FILE": "/f"}, "REDIS_URL", "REDIS_URL_FILE too"),
    "the identity twice": ({"LIMITLESS_IDENTITY_TOKEN_FILE": "/f"}, "LIMITLESS_IDENTITY_TOKEN", "_FILE too"),
    "a secret's file that is missing": (
        {"VAULT_TOKEN": None, "VAULT_TOKEN_FILE": "/no/such"},
        "VAULT_TOKEN_FILE",
        "No such file",
    ),
    "a folder for a secret's file": ({"VAULT_TOKEN": None, "VAULT_TOKEN_FILE": "/"}, "VAULT_TOKEN_FILE", "directory"),
    "an empty secret's file": (
        {"VAULT_TOKEN": None, "VAULT_TOKEN_FILE": os.devnull},
        "VAULT_TOKEN_FILE",
        "empty",
    ),
    "a CA that is missing": ({"VAULT_CACERT": "/no/such.pem"}, "VAULT_CACERT", "no file"),
    "a DSN that is none": ({"SENTRY_DSN": "sentry.example"}, "SENTRY_DSN", "not a DSN"),
    "a common api_url without TLS": ({"LIMITLESS_API_URL": "http://host"}, "LIMITLESS_API_URL", "without TLS"),
}


@pytest.mark.parametrize("changes,key,wrong", MADE_IN_THE_ENVIRONMENT.values(), ids=MADE_IN_THE_ENVIRONMENT)
def test_a_mistake_in_the_environment_is_told_with_the_variable(
    tmp_path: Path, changes: dict[str, str | None], key: str, wrong: str
) -> None:
    found = check_settings(environ_with(tmp_path, SOUND, **changes))

    assert [(one.file, one.key, wrong in one.wrong) for one in found] == [("environment", key, True)]


def test_no_identity_at_all_is_told_at_the_account(tmp_path: Path) -> None:
    found = check_settings(environ_with(tmp_path, LIMITLESS_IDENTITY_TOKEN=None))

    assert [one.key for one in found] == ["accounts[desk]"]


def test_mistakes_in_one_entry_hide_none_in_the_same_or_another(tmp_path: Path) -> None:
    toml = """
    [vault]
    mout = "kv"
    [defaults]
    grace = "soon"
    [[accounts]]
    name = "desk"
    api_url = "http://host"
    [[credentials]]
    name = "one"
    account = "desk"
    scopes = ["tradng"]
    fields = { secret = "label" }
    [credentials.policy]
    max_age = "1d"
    [[credentials]]
    name = "two"
    account = "nobody"
    path = "limitless/three"
    [[credentials]]
    name = "three"
    account = "desk"
    """

    found = {one.key for one in check_settings(environ_with(tmp_path, toml, REDIS_URL=None))}

    assert found == {
        "REDIS_URL",
        "vault.mout",
        "defaults.grace",
        "accounts[desk].api_url",
        "credentials[one].scopes[0]",
        "credentials[one].fields.secret",
        "credentials[one].policy.max_age",
        "credentials[two].account",
        "credentials[three].path",
    }


def test_an_unreadable_duration_is_not_compared_with_others(tmp_path: Path) -> None:
    toml = policy('rotation_period = "1h"\ngrace = "soon"\nmax_overlap = "soon"\nquiet_period = "soon"')

    found = {one.key.rpartition(".")[2] for one in check_settings(environ_with(tmp_path, toml))}

    assert found == {"grace", "max_overlap", "quiet_period"}


@pytest.mark.parametrize(
    "toml,suggestion",
    [
        (credential('scope = ["trading"]'), "'scopes'"),
        (policy('gracee = "1h"'), "'grace'"),
        ("[vualt]\n" + SOUND, "'vault'"),
        (SOUND.replace(CREDENTIAL, 'account = "dsk"'), "'desk'"),
        (credential('grace = "1h"'), "[credentials.policy]"),
        (credential('scopes = ["tradng"]'), "'withdrawal'"),
    ],
)
def test_what_would_be_right_names_the_nearest_word(tmp_path: Path, toml: str, suggestion: str) -> None:
    (found,) = check_settings(environ_with(tmp_path, toml))

    assert suggestion in found.right


def test_a_label_of_exactly_the_exchanges_limit_is_accepted(tmp_path: Path) -> None:
    assert check_settings(environ_with(tmp_path, SOUND.replace("maker", "m" * 107))) == []


def test_one_path_below_another_is_accepted(tmp_path: Path) -> None:
    toml = SOUND + f'[[credentials]]\nname = "below"\n{CREDENTIAL}\npath = "limitless/maker/below"'

    assert check_settings(environ_with(tmp_path, toml)) == []


@pytest.mark.parametrize("url", ["http://localhost:1", "http://127.9.9.9", "http://[::1]:8000", "https://host:8443/v1"])
def test_http_is_accepted_on_this_machine_alone(tmp_path: Path, url: str) -> None:
    assert check_settings(environ_with(tmp_path, account(f'api_url = "{url}"'))) == []


class TestFile:
    def mistake(self, path: Path, tmp_path: Path) -> Mistake:
        (found,) = check_settings({**environ_with(tmp_path), "ROTATOR_CONFIG": str(path)})
        return found

    def test_a_missing_file_is_told(self, tmp_path: Path) -> None:
        assert self.mistake(tmp_path / "none.toml", tmp_path).wrong == "does not exist"

    def test_a_folder_is_told(self, tmp_path: Path) -> None:
        assert self.mistake(tmp_path, tmp_path).wrong == "is a folder"

    def test_a_binary_file_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "binary").write_bytes(b"\x7fELF\xff\x00")

        assert "not UTF-8" in self.mistake(tmp_path / "binary", tmp_path).wrong

    def test_a_file_with_null_bytes_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "nulls").write_bytes(b"\x00" * 8)

        assert "line 1" in self.mistake(tmp_path / "nulls", tmp_path).wrong

    def test_a_path_through_a_file_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()

        assert "cannot be read" in self.mistake(tmp_path / "file" / "rotator.toml", tmp_path).wrong

    def test_a_path_longer_than_the_system_takes_is_told(self, tmp_path: Path) -> None:
        assert "cannot be read" in self.mistake(Path("x" * 5_000), tmp_path).wrong


class TestSecretsAreNeverQuoted:
    def everything(self, environ: dict[str, str]) -> str:
        return " ".join(map(str, check_settings(environ)))

    @pytest.mark.parametrize(
        "toml",
        [
            account(f'identity_token_env = "{A_SECRET}"'),
            account(f'identity_token = "{A_SECRET}"'),
            account(f'api_url = "https://user:{A_SECRET}@host"'),
            account(f'api_url = "{A_SECRET}"'),
            SOUND.replace("maker", A_SECRET),
            SOUND.replace(CREDENTIAL, f'account = "{A_SECRET}"'),
            credential(f'scopes = ["{A_SECRET}"]'),
            credential(f'path = "{A_SECRET}!"'),
            credential(f'fields = {{ secret = "{A_SECRET}" }}'),
            policy(f'grace = "{A_SECRET}"'),
            SOUND + f'[vault]\nmax_versions = "{A_SECRET}"',
        ],
    )
    def test_in_whatever_key_of_the_file_it_was_pasted(self, tmp_path: Path, toml: str) -> None:
        assert A_SECRET not in self.everything(environ_with(tmp_path, toml))

    @pytest.mark.parametrize("name", ["REDIS_URL", "VAULT_ADDR", "SENTRY_DSN", "LIMITLESS_API_URL"])
    def test_in_whatever_variable_it_was_pasted(self, tmp_path: Path, name: str) -> None:
        assert A_SECRET not in self.everything(environ_with(tmp_path, SOUND, **{name: A_SECRET}))


VALUE = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.sampled_from(['"7d"', '"desk"', '""', "1.5", "2026-01-01", "nan"])),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
EXAMPLE = Path(__file__).parents[3] / "config" / "rotator.example.toml"
KEYS = re.findall(r"^# ?(\w+) =|^(\w+) =", EXAMPLE.read_text("utf-8"), re.MULTILINE)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(
    place=st.sampled_from(["vault", "schedule", "defaults", "accounts", "credentials"]),
    key=st.sampled_from(sorted({a or b for a, b in KEYS} | {"policy", "nonsense"})),
    value=VALUE,
)
def test_whatever_the_file_holds_mistakes_are_listed_and_nothing_is_raised(
    tmp_path: Path, place: str, key: str, value: object
) -> None:
    written = str(value).lower().replace("'", "")
    lists = place in {"accounts", "credentials"}
    toml = f"{SOUND}\n[[{place}]]\n{key} = {written}" if lists else f"{SOUND}\n[{place}]\n{key} = {written}"

    for found in check_settings(environ_with(tmp_path, toml)):
        assert found.key
        assert found.wrong
        assert found.right


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_whatever_bytes_the_file_is_nothing_is_raised(tmp_path: Path, content: bytes) -> None:
    environ = environ_with(tmp_path)
    Path(environ["ROTATOR_CONFIG"]).write_bytes(content)

    assert check_settings(environ)
