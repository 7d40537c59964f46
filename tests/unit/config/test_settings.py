import re
from datetime import timedelta
from pathlib import Path

import pytest

from config.schema import PRODUCTION_API_URL, Guards, Infrastructure, Policy, Schedule, Scope, VaultLayout
from config.settings import SettingsError, check_settings, config_path, load_settings
from tests.unit.config.files import ENVIRON, SOUND, environ_with

EXAMPLE = Path(__file__).parents[3] / "config" / "rotator.example.toml"


def test_the_example_is_valid() -> None:
    settings = load_settings({**ENVIRON, "ROTATOR_CONFIG": str(EXAMPLE)})

    assert [one.name for one in settings.credentials] == ["market-maker", "settlement"]


def test_the_example_shows_the_true_defaults() -> None:
    settings = load_settings({**ENVIRON, "ROTATOR_CONFIG": str(EXAMPLE)})

    assert (settings.credentials[0].policy, settings.vault, settings.schedule, settings.accounts[0].guards) == (
        Policy(),
        VaultLayout(),
        Schedule(),
        Guards(),
    )


@pytest.mark.parametrize(
    "key",
    [
        *Policy.model_fields,
        *VaultLayout.model_fields,
        *Schedule.model_fields,
        *Guards.model_fields,
        "reason",
        "start",
        "until",
        "accounts",
    ],
)
def test_the_example_shows_every_key(key: str) -> None:
    # A key without a default value is shown as a comment.
    assert re.search(rf"^(# )?{key} = ", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE)


def test_a_minimal_file_gets_every_default(tmp_path: Path) -> None:
    settings = load_settings(environ_with(tmp_path))

    maker = settings.credential("maker")
    assert (maker.mount, maker.path, maker.scopes, maker.policy) == (
        "trading",
        "limitless/maker",
        (Scope.TRADING,),
        Policy(),
    )


def test_a_credentials_path_follows_the_vault_table(tmp_path: Path) -> None:
    toml = '[vault]\nmount = "kv/team"\npath_prefix = "tokens"\n' + SOUND

    maker = load_settings(environ_with(tmp_path, toml)).credential("maker")

    assert (maker.mount, maker.path) == ("kv/team", "tokens/maker")


def test_a_later_policy_level_overrides_an_earlier_one_key_by_key(tmp_path: Path) -> None:
    toml = """
    [defaults]
    grace = "10h"
    quiet_period = "10m"
    stale_after = "10d"
    [[accounts]]
    name = "desk"
    [accounts.policy]
    quiet_period = "20m"
    stale_after = "20d"
    [[credentials]]
    name = "maker"
    account = "desk"
    [credentials.policy]
    stale_after = "30d"
    """

    policy = load_settings(environ_with(tmp_path, toml)).credential("maker").policy

    assert policy == Policy(
        grace=timedelta(hours=10), quiet_period=timedelta(minutes=20), stale_after=timedelta(days=30)
    )


class TestIdentity:
    def test_an_account_without_a_source_uses_the_common_variable(self, tmp_path: Path) -> None:
        account = load_settings(environ_with(tmp_path)).account("desk")

        assert account.identity_token is not None
        assert account.identity_token.get_secret_value() == "an-identity-token"

    def test_an_account_without_a_source_uses_the_common_file_as_a_path_to_read_again(self, tmp_path: Path) -> None:
        environ = environ_with(tmp_path, LIMITLESS_IDENTITY_TOKEN=None, LIMITLESS_IDENTITY_TOKEN_FILE="/run/identity")

        assert load_settings(environ).account("desk").identity_token_file == Path("/run/identity")

    def test_an_account_names_a_variable_of_its_own(self, tmp_path: Path) -> None:
        toml = SOUND.replace('name = "desk"', 'name = "desk"\nidentity_token_env = "DESK"')

        account = load_settings(environ_with(tmp_path, toml, DESK="of-the-desk")).account("desk")

        assert account.identity_token is not None
        assert account.identity_token.get_secret_value() == "of-the-desk"

    def test_a_relative_file_is_relative_to_the_toml_file(self, tmp_path: Path) -> None:
        toml = SOUND.replace('name = "desk"', 'name = "desk"\nidentity_token_file = "identity"')

        account = load_settings(environ_with(tmp_path, toml)).account("desk")

        assert account.identity_token_file == tmp_path / "identity"


class TestApiUrl:
    def test_it_is_production_unless_told_otherwise(self, tmp_path: Path) -> None:
        assert load_settings(environ_with(tmp_path)).account("desk").api_url == PRODUCTION_API_URL

    def test_the_environment_changes_the_default(self, tmp_path: Path) -> None:
        environ = environ_with(tmp_path, LIMITLESS_API_URL="http://127.0.0.1:9000/")

        assert load_settings(environ).account("desk").api_url == "http://127.0.0.1:9000"

    def test_an_accounts_own_wins_over_the_environment(self, tmp_path: Path) -> None:
        toml = SOUND.replace('name = "desk"', 'name = "desk"\napi_url = "https://own.example"')
        environ = environ_with(tmp_path, toml, LIMITLESS_API_URL="https://common.example")

        assert load_settings(environ).account("desk").api_url == "https://own.example"


class TestEnvironment:
    def infrastructure(self, environ: dict[str, str]) -> Infrastructure:
        return load_settings(environ).infrastructure

    @pytest.mark.parametrize(
        "name,field",
        [("REDIS_URL", "redis_url"), ("VAULT_TOKEN", "vault_token"), ("SENTRY_DSN", "sentry_dsn")],
    )
    def test_a_secret_is_read_from_a_file_without_its_line_end(self, tmp_path: Path, name: str, field: str) -> None:
        value = {"REDIS_URL": "rediss://:pw@redis:6379/0", "SENTRY_DSN": "https://key@sentry.example/1"}.get(name, "s3")
        (tmp_path / "secret").write_text(f"{value}\n", encoding="utf-8")
        environ = environ_with(tmp_path, SOUND, **{name: None, f"{name}_FILE": str(tmp_path / "secret")})

        assert getattr(self.infrastructure(environ), field).get_secret_value() == value

    def test_an_approle_login_takes_the_place_of_a_token(self, tmp_path: Path) -> None:
        (tmp_path / "secret-id").write_text("the-secret-id", encoding="utf-8")
        environ = environ_with(
            tmp_path, VAULT_TOKEN=None, VAULT_ROLE_ID="a-role", VAULT_SECRET_ID_FILE=str(tmp_path / "secret-id")
        )

        infrastructure = self.infrastructure(environ)

        assert infrastructure.vault_token is None
        assert infrastructure.vault_secret_id is not None
        assert infrastructure.vault_secret_id.get_secret_value() == "the-secret-id"

    def test_an_empty_variable_counts_as_unset(self, tmp_path: Path) -> None:
        infrastructure = self.infrastructure(
            environ_with(tmp_path, VAULT_NAMESPACE="", SENTRY_DSN="", VAULT_ROLE_ID="")
        )

        assert (infrastructure.vault_namespace, infrastructure.sentry_dsn) == (None, None)

    def test_the_environments_name_in_sentry_can_be_set(self, tmp_path: Path) -> None:
        assert self.infrastructure(environ_with(tmp_path, SENTRY_ENVIRONMENT="lab")).sentry_environment == "lab"

    def test_no_secret_shows_in_the_repr(self, tmp_path: Path) -> None:
        environ = environ_with(tmp_path, REDIS_URL="redis://:hunter2@127.0.0.1/0")

        shown = repr(load_settings(environ))

        assert not [secret for secret in ("hunter2", "a-vault-token", "an-identity-token") if secret in shown]


def test_the_default_file_is_below_the_working_directory() -> None:
    assert config_path({}) == Path("config/rotator.toml")


def test_loading_raises_exactly_what_checking_lists(tmp_path: Path) -> None:
    environ = environ_with(tmp_path, SOUND.replace("desk", "Desk!"), REDIS_URL=None)

    with pytest.raises(SettingsError) as caught:
        load_settings(environ)

    assert list(caught.value.mistakes) == check_settings(environ) != []


def test_beat_needs_no_vault_and_no_identity(tmp_path: Path) -> None:
    nothing = dict.fromkeys([one for one in ENVIRON if "VAULT" in one or "IDENTITY" in one])

    settings = load_settings(environ_with(tmp_path, SOUND, **nothing), for_beat=True)

    assert settings.credentials
    assert (settings.infrastructure.vault_addr, settings.infrastructure.vault_token) == ("", None)


def test_beat_holds_no_login_and_no_identity_even_when_they_are_there(tmp_path: Path) -> None:
    environ = environ_with(tmp_path, VAULT_TOKEN="hvs.planted", LIMITLESS_IDENTITY_TOKEN="planted")

    settings = load_settings(environ, for_beat=True)

    assert settings.infrastructure.vault_token is None
    assert {(one.identity_token, one.identity_token_file) for one in settings.accounts} == {(None, None)}


def test_the_file_of_the_secret_id_is_remembered_so_that_a_new_one_is_found(tmp_path: Path) -> None:
    file = tmp_path / "secret_id"
    file.write_text("made-up")
    environ = environ_with(
        tmp_path, VAULT_TOKEN=None, VAULT_ROLE_ID="role", VAULT_SECRET_ID=None, VAULT_SECRET_ID_FILE=str(file)
    )

    assert load_settings(environ).infrastructure.vault_secret_id_file == file


@pytest.mark.parametrize(
    "url",
    ["planted:3128", "https://planted:3128", "socks5://planted:1080", "http://planted:3128/path", "http://[planted"],
)
def test_a_proxy_that_is_none_is_refused_without_being_quoted(url: str, tmp_path: Path) -> None:
    (found,) = check_settings(environ_with(tmp_path, ROTATOR_PROXY=url))

    assert found.key == "ROTATOR_PROXY"
    assert "planted" not in str(found)


def test_a_proxy_may_have_a_password_which_is_never_shown(tmp_path: Path) -> None:
    settings = load_settings(environ_with(tmp_path, ROTATOR_PROXY="http://desk:planted@proxy:3128"))

    assert "planted" not in repr(settings)


def test_a_file_of_authorities_has_to_be_there(tmp_path: Path) -> None:
    (found,) = check_settings(environ_with(tmp_path, ROTATOR_CACERT="/nowhere.pem"))

    assert found.key == "ROTATOR_CACERT"
