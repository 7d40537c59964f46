"""A shorter simulated year on the real plans and engine: every promise is put to the test and kept."""

import json
from functools import lru_cache

import pytest
from click.testing import CliRunner

from sandbox.simulation.__main__ import main
from sandbox.simulation.promises import Promise
from sandbox.simulation.report import Report
from sandbox.simulation.run import Scenario, Simulation
from sandbox.simulation.timeline import Timeline


@lru_cache
def ran(scenario: Scenario) -> Simulation:
    simulation = Simulation(scenario)
    simulation.run()
    return simulation


SHORTER = Scenario(days=60, credentials=60, accounts=4, seed=2)  # with 1 nobody revokes a current token by hand
SHORT = Scenario(days=8, credentials=12, accounts=2)


@pytest.mark.parametrize("promise", Promise)
def test_this_is_kept_for_two_months(promise: Promise) -> None:
    assert list(Report(ran(SHORTER)).broken.get(promise, ())) == []


def test_every_promise_is_put_to_the_test() -> None:
    assert Report(ran(SHORTER)).untested == ()


def test_the_same_seed_gives_the_same_run() -> None:
    again = Simulation(SHORT)
    again.run()
    first, second = (Report(one).as_json() for one in (ran(SHORT), again))
    assert {**first, "processor_seconds": 0} == {**second, "processor_seconds": 0}


def test_the_command_prints_the_report_and_succeeds() -> None:
    result = CliRunner().invoke(main, ["--days", "8", "--credentials", "12", "--accounts", "2"])
    assert (result.exit_code, result.output.splitlines()[-1]) == (0, "OK: every promise that was tested was kept.")


def test_the_command_prints_json() -> None:
    result = CliRunner().invoke(main, ["--days", "2", "--credentials", "5", "--accounts", "1", "--json"])
    assert json.loads(result.stdout)["ok"] is True


def test_the_picture_shows_the_account_s_credentials() -> None:
    simulation = ran(SHORT)
    drawn = Timeline(simulation).svg()
    names = [one.name.removeprefix("desk-1-") for one in simulation.judge.fleet.settings.credentials_of("desk-1")]
    assert [name for name in names if name not in drawn] == []


def test_the_picture_has_a_bar_for_each_token_that_was_served() -> None:
    simulation = ran(SHORT)
    served = [
        life
        for life in simulation.judge.tally.lives.values()
        if life.promoted_at and life.credential.startswith("desk-1-")
    ]
    assert Timeline(simulation).svg().count('<rect class="current"') == len(served) + 1  # and the legend's
