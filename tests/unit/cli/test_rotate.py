"""`rotator rotate NAME`: now, due or not."""

from contextlib import suppress
from datetime import timedelta

from tests.unit.cli.world import CliWorld
from worker.errors import AmbiguousDeriveError, ExchangeRefusedError
from worker.policy.steps import Action


def test_it_rotates_a_credential_that_is_not_due(cli: CliWorld) -> None:
    cli.harness.engine.rotate("mm")
    before = cli.harness.served("mm")
    cli.harness.clock.advance(timedelta(minutes=1))
    result = cli.run("rotate", "mm")
    assert (result.exit_code, cli.harness.served("mm") != before) == (0, True)


def test_it_leaves_the_others_alone(cli: CliWorld) -> None:
    cli.run("rotate", "mm")
    assert cli.harness.served("hedge") is None


def test_it_finishes_an_interrupted_rotation_first_and_that_is_enough(cli: CliWorld) -> None:
    cli.harness.vault.fail_next(KeyboardInterrupt(), port="consumers", method="write")  # type: ignore[arg-type] # dies
    with suppress(KeyboardInterrupt):
        cli.harness.engine.rotate("mm")
    result = cli.json("rotate", "mm")
    assert (result["rotated"], len(cli.harness.exchange.issued)) == (True, 1)


def test_it_lists_what_was_done(cli: CliWorld) -> None:
    actions = [one["action"] for one in cli.json("rotate", "mm")["outcomes"]]
    assert [Action(one) for one in actions if one] == [Action.MINT, Action.VERIFY, Action.PROMOTE, Action.CLOSE]


def test_no_secret_is_in_its_output(cli: CliWorld) -> None:
    outputs = [cli.run("-v", "rotate", "mm").output, cli.run("rotate", "hedge", "--json").output]
    outputs += [cli.run("status", "--json").output, cli.run("plan", "--json").output]
    secrets = [token.secret.get_secret_value() for token in cli.harness.exchange.issued]
    assert (len(secrets), [secret for secret in secrets if secret in "".join(outputs)]) == (2, [])


def test_a_refused_derive_is_exit_code_1_with_its_reason(cli: CliWorld) -> None:
    cli.harness.exchange.fail_next("derive", ExchangeRefusedError("account main: 403 not allowed", status=403))
    result = cli.run("rotate", "mm")
    assert (result.exit_code, "403 not" in result.stdout) == (1, True)


def test_a_derive_whose_answer_was_lost_is_exit_code_1(cli: CliWorld) -> None:
    cli.harness.exchange.lose_next("derive", AmbiguousDeriveError("account main: the answer was lost"))
    assert cli.run("rotate", "mm").exit_code == 1


def test_one_that_another_worker_holds_is_exit_code_1(cli: CliWorld) -> None:
    cli.harness.leases.taken.add("rotate:mm")
    result = cli.run("rotate", "mm")
    assert (result.exit_code, "mm was NOT rotated" in result.stdout) == (1, True)


def test_an_unknown_name_is_exit_code_2(cli: CliWorld) -> None:
    result = cli.run("rotate", "nobody")
    assert (result.exit_code, result.stderr) == (2, "Error: No credential is named nobody. Configured: hedge, mm.\n")


def test_without_a_name_it_says_how_it_is_used(cli: CliWorld) -> None:
    result = cli.run("rotate")
    assert (result.exit_code, "Missing argument 'NAME'" in result.stderr) == (2, True)
