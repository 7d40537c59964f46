"""`rotator pause`, `resume`, `freeze`, `unfreeze`, `trust`."""

import getpass
from datetime import timedelta
from typing import Any

import pytest

from config.schema import Freeze
from tests.harness import ACCOUNT, Harness
from tests.unit.cli.world import CliWorld
from worker.account_ledger import AccountLedger, Suspicion, changed
from worker.errors import VaultUnavailableError
from worker.policy.steps import Action, Reason
from worker.redis.events import encode

HOUR = timedelta(hours=1)


def ledger(cli: CliWorld) -> AccountLedger:
    return cli.harness.vault.accounts.read(ACCOUNT).ledger


def reasons(answer: Any, what: str = "outcomes") -> list[str]:
    return [one["reason"] for one in answer[what]]


def in_hours(cli: CliWorld, hours: float) -> str:
    return (cli.harness.clock.now() + timedelta(hours=hours)).isoformat()


def doubt(cli: CliWorld) -> None:
    doubted = Suspicion(token_ids=(), first_at=cli.harness.clock.now(), lost=3, sentence="It lacks 3 of 4 tokens.")
    version, before = cli.harness.vault.accounts.read(ACCOUNT)
    cli.harness.vault.accounts.write(changed(before, suspicion=doubted), cas=version)


EVERY = {
    "pause": ("pause", "mm"),
    "resume": ("resume", "mm"),
    "freeze": ("freeze", "--until", "2099-01-01T00:00Z", "--reason", "election"),
    "unfreeze": ("unfreeze",),
    "trust": ("trust", ACCOUNT),
}


# --- what every one of them does


@pytest.mark.parametrize("command", EVERY)
def test_each_is_exit_code_0_when_it_is_done(cli: CliWorld, command: str) -> None:
    assert cli.run(*EVERY[command]).exit_code == 0


@pytest.mark.parametrize("command", EVERY)
def test_a_dry_run_touches_nothing_and_says_what_would_be_done(cli: CliWorld, command: str) -> None:
    doubt(cli)
    cli.run("freeze", "--until", "2098-01-01T00:00Z", "--reason", "launch")
    cli.run("pause", "mm", "--for", "1h")
    before = cli.harness.vault.accounts.read(ACCOUNT)
    answer = cli.json(*EVERY[command], "--dry-run")
    assert (cli.harness.vault.accounts.read(ACCOUNT), len(answer["steps"])) == (before, 1)


@pytest.mark.parametrize("command", EVERY)
def test_a_dry_run_is_exit_code_0_when_there_is_nothing_against_it(cli: CliWorld, command: str) -> None:
    assert cli.run(*EVERY[command], "--dry-run").exit_code == 0


@pytest.mark.parametrize("command", EVERY)
def test_each_says_who_gave_the_order_and_why(cli: CliWorld, command: str) -> None:
    argv = [one for one in EVERY[command] if one not in {"--reason", "election"}]
    answer = cli.json(*argv, "--reason", "the desk asked")
    assert [one["evidence"] for one in answer["outcomes"]] == [{"by": getpass.getuser(), "why": "the desk asked"}]


@pytest.mark.parametrize("command", EVERY)
def test_each_is_exit_code_1_with_a_sentence_while_vault_is_away(cli: CliWorld, command: str) -> None:
    cli.harness.vault.fail_next(VaultUnavailableError("Vault is sealed"), port="accounts", method="read")
    result = cli.run(*EVERY[command])
    assert (result.exit_code, "Vault is sealed" in " ".join(result.stdout.split())) == (1, True)


@pytest.mark.parametrize(
    "argv",
    [
        ("pause", "nobody"),
        ("resume", "nobody"),
        ("trust", "nobody"),
        ("trust", "mm"),
        ("unfreeze", "--account", "nobody"),
        ("freeze", "--account", "nobody", "--until", "2099-01-01T00:00Z", "--reason", "election"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["", "dry run"])
def test_an_unknown_name_is_exit_code_2(cli: CliWorld, argv: tuple[str, ...], dry: tuple[str, ...]) -> None:
    result = cli.run(*argv, *dry)
    assert (result.exit_code, "is named" in result.stderr) == (2, True)


@pytest.mark.parametrize("command", EVERY)
def test_each_explains_its_exit_codes(cli: CliWorld, command: str) -> None:
    assert "Exit codes" in cli.run(command, "--help").stdout


# --- pause


@pytest.mark.parametrize("name", ["mm", "main", "all"])
def test_while_it_is_paused_plan_says_so(cli: CliWorld, name: str) -> None:
    cli.run("pause", name, "--reason", "migration")
    assert Reason.PAUSED.value in reasons(cli.json("plan", "mm"), "holds")


def test_a_pause_ends_after_its_time_and_plan_goes_on(cli: CliWorld) -> None:
    cli.run("pause", "mm", "--for", "1h30m")
    cli.harness.clock.advance(timedelta(minutes=90))
    assert reasons(cli.json("plan", "mm"), "steps")[0] == Reason.NEVER_ISSUED.value


def test_sweeps_do_nothing_to_what_is_paused(cli: CliWorld) -> None:
    cli.run("pause", "all")
    for name in ("mm", "hedge"):
        cli.harness.engine.rotate(name)
    cli.harness.engine.revoke(ACCOUNT)
    assert not cli.harness.exchange.issued


@pytest.mark.parametrize("duration", ["0s", "4", "-1h", "soon", "", "999999999w", "99999999d"])
def test_a_time_that_is_none_is_exit_code_2(cli: CliWorld, duration: str) -> None:
    result = cli.run("pause", "mm", "--for", duration)
    assert (result.exit_code, ledger(cli).pauses) == (2, ())


def test_a_second_pause_that_ends_sooner_is_refused_with_exit_code_1(cli: CliWorld) -> None:
    cli.run("pause", "mm", "--reason", "migration")
    result = cli.run("pause", "mm", "--for", "1h")
    assert (result.exit_code, "never" in result.stdout, ledger(cli).pauses[0].until) == (1, True, None)


def test_the_refusal_names_a_command_that_lifts_it(cli: CliWorld) -> None:
    cli.run("pause", "mm")
    sentence = cli.json("pause", "mm", "--for", "1h")["outcomes"][0]["sentence"]
    assert cli.run("resume", sentence.rpartition("rotator resume ")[2]).exit_code == 0


def test_a_pause_works_without_redis_and_without_the_exchange(cli: CliWorld) -> None:
    cli.harness.leases.taken |= {"rotate:mm", "revoke:main"}
    cli.harness.exchange.fail_next("list", VaultUnavailableError("away"))
    assert cli.run("pause", "all").exit_code == 0


def test_one_that_has_a_name_in_common_with_an_account_is_refused(cli: CliWorld) -> None:
    cli.harness = Harness("main")
    result = cli.run("pause", "main")
    assert (result.exit_code, "credential:main or account:main" in result.stderr) == (2, True)


# --- resume


def test_a_resumed_credential_is_due_again(cli: CliWorld) -> None:
    cli.run("pause", "mm")
    cli.run("resume", "mm")
    assert Reason.PAUSED.value not in reasons(cli.json("plan", "mm"), "holds")


def test_resuming_one_whose_account_is_paused_is_exit_code_1_and_says_what_lifts_that(cli: CliWorld) -> None:
    cli.run("pause", "main")
    result = cli.json("resume", "mm")
    assert (cli.run("resume", "mm").exit_code, "rotator resume account:main" in result["outcomes"][0]["sentence"]) == (
        1,
        True,
    )


# --- freeze and unfreeze


def test_a_freeze_holds_back_until_its_end(cli: CliWorld) -> None:
    cli.run("freeze", "--until", in_hours(cli, 2), "--reason", "election")
    during = reasons(cli.json("plan", "mm"), "holds")
    cli.harness.clock.advance(2 * HOUR)
    after = reasons(cli.json("plan", "mm"), "holds")
    assert (Reason.FROZEN.value in during, Reason.FROZEN.value in after) == (True, False)


@pytest.mark.parametrize(
    "until, wrong",
    [
        ("2099-01-01T00:00", "no time zone"),
        ("2001-01-01T00:00Z", "not in the future"),
        ("tomorrow", "not a moment"),
        ("0001-01-01T00:00+23:59", "not a moment"),
        ("2099-13-01T00:00Z", "not a moment"),
    ],
)
def test_an_end_that_is_none_is_exit_code_2(cli: CliWorld, until: str, wrong: str) -> None:
    result = cli.run("freeze", "--until", until, "--reason", "election")
    assert (result.exit_code, wrong in " ".join(result.stderr.split()), ledger(cli).freezes) == (2, True, ())


@pytest.mark.parametrize("argv", [("--until", "2099-01-01T00:00Z"), ("--reason", "election")], ids=" ".join)
def test_a_freeze_without_its_end_or_reason_is_exit_code_2(cli: CliWorld, argv: tuple[str, ...]) -> None:
    assert cli.run("freeze", *argv).exit_code == 2


def test_an_empty_reason_is_none(cli: CliWorld) -> None:
    assert cli.run("freeze", "--until", "2099-01-01T00:00Z", "--reason", " ").exit_code == 2


def test_an_end_is_understood_in_its_own_time_zone(cli: CliWorld) -> None:
    cli.run("freeze", "--until", "2099-01-01T02:00+02:00", "--reason", "election")
    assert ledger(cli).freezes[0].until.isoformat() == "2099-01-01T00:00:00+00:00"


def test_unfreezing_lifts_the_freeze(cli: CliWorld) -> None:
    cli.run("freeze", "--until", in_hours(cli, 2), "--reason", "election")
    cli.run("unfreeze", "--account", "main")
    assert Reason.FROZEN.value not in reasons(cli.json("plan"), "holds")


def test_a_freeze_of_the_settings_stays_and_that_is_exit_code_1(cli: CliWorld) -> None:
    now = cli.harness.clock.now()
    configured = Freeze(reason="expiry", start=now - HOUR, until=now + HOUR)
    cli.harness.settings = cli.harness.settings.model_copy(update={"freezes": (configured,)})
    cli.harness.engine = cli.harness.new_engine()
    sentences = [one["sentence"] for one in cli.json("unfreeze")["outcomes"]]
    assert (cli.run("unfreeze").exit_code, ["configuration file" in one for one in sentences]) == (1, [True])


# --- trust


def test_a_trusted_list_holds_nothing_back_any_more(cli: CliWorld) -> None:
    doubt(cli)
    cli.run("trust", "main")
    assert ledger(cli).suspicion is None


def test_trust_says_what_was_believed(cli: CliWorld) -> None:
    doubt(cli)
    outcome = cli.json("trust", "main")["outcomes"][0]
    assert (outcome["action"], "lacks 3 of 4" in outcome["sentence"]) == (Action.TRUST.value, True)


def bind(cli: CliWorld) -> None:
    cli.harness.engine.revoke("main")
    assert ledger(cli).profile is not None


def test_an_account_can_be_bound_anew(cli: CliWorld) -> None:
    bind(cli)
    cli.run("trust", "main", "--profile")
    assert ledger(cli).profile is None


def test_binding_anew_says_what_the_account_was_bound_to(cli: CliWorld) -> None:
    bind(cli)
    outcome = cli.json("trust", "main", "--profile")["outcomes"][0]
    assert (outcome["action"], "did:privy:main" in outcome["sentence"]) == (Action.TRUST.value, True)


def test_a_dry_run_of_binding_anew_changes_nothing(cli: CliWorld) -> None:
    bind(cli)
    before = ledger(cli)
    cli.run("trust", "main", "--profile", "--dry-run")
    assert ledger(cli) == before


def test_binding_anew_believes_no_doubted_list(cli: CliWorld) -> None:
    doubt(cli)
    cli.run("trust", "main", "--profile")
    assert ledger(cli).suspicion is not None


# --- who


def test_one_without_a_name_on_this_machine_is_known_by_number(cli: CliWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(getpass, "getuser", nameless)
    cli.run("pause", "mm")
    assert ledger(cli).pauses[0].by.startswith("uid ")


# --- a reason that is meant to do harm

REASONED = {name: words for name, words in EVERY.items() if name != "freeze"}


@pytest.mark.parametrize("command", REASONED)
def test_a_reason_that_is_no_text_still_reaches_the_event_stream(cli: CliWorld, command: str) -> None:
    cli.run(*REASONED[command], "--reason", "bad \udcff byte \x1b[2J")

    assert "bad � byte �[2J" in encode(cli.harness.outcomes.seen[-1])


def test_a_freeze_keeps_no_reason_that_is_no_text(cli: CliWorld) -> None:
    cli.run("freeze", "--until", in_hours(cli, 1), "--reason", "bad \udcff byte")

    assert ledger(cli).freezes[0].reason == "bad � byte"


@pytest.mark.parametrize("command", [("freeze", "--until", "2099-01-01T00:00Z"), ("pause", "mm")])
def test_a_reason_that_would_fill_the_account_ledger_is_refused(cli: CliWorld, command: tuple[str, ...]) -> None:
    answer = cli.run(*command, "--reason", "x" * 501)

    assert answer.exit_code == 2


def test_who_gave_an_order_is_text_although_the_environment_says_otherwise(
    cli: CliWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "ro\udcffot")

    cli.run("pause", "mm")

    assert ledger(cli).pauses[0].by == "ro�ot"
