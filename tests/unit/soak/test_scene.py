from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.schema import Settings
from config.settings import load_settings
from sandbox.exchange.faults import DEFAULT_RULES
from sandbox.exchange.records import Call
from sandbox.soak.scene import REREAD_SECONDS, ROTATION_PERIOD, Scene, config_text, fault_rules


def loaded(scene: Scene, folder: Path) -> Settings:
    config = folder / "rotator.toml"
    config.write_text(config_text(scene), encoding="utf-8")
    return load_settings(
        {
            "ROTATOR_CONFIG": str(config),
            "REDIS_URL": "redis://localhost",
            "VAULT_ADDR": "http://localhost",
            "VAULT_TOKEN": "made-up",
            "LIMITLESS_API_URL": "http://localhost:1",
        }
    )


@given(scene=st.builds(Scene, accounts=st.integers(1, 5), credentials=st.integers(5, 60)))
@settings(max_examples=20)
def test_the_configuration_is_one_that_the_rotator_takes(
    scene: Scene, tmp_path_factory: pytest.TempPathFactory
) -> None:
    found = loaded(scene, tmp_path_factory.mktemp("scene"))
    assert (len(found.accounts), len(found.credentials)) == (scene.accounts, scene.credentials)


def test_credentials_are_dealt_out_evenly(tmp_path: Path) -> None:
    found = loaded(Scene(accounts=3, credentials=30), tmp_path)
    assert [len(found.credentials_of(one.name)) for one in found.accounts] == [10, 10, 10]


def test_the_period_that_is_judged_is_the_one_that_is_configured(tmp_path: Path) -> None:
    assert {one.policy.rotation_period for one in loaded(Scene(), tmp_path).credentials} == {ROTATION_PERIOD}


def test_traders_read_as_often_as_services_are_asked_to(tmp_path: Path) -> None:
    grace = loaded(Scene(), tmp_path).credentials[0].policy.grace
    assert grace.total_seconds() / 2 >= REREAD_SECONDS


def test_every_usual_fault_befalls_the_rotator_more_often() -> None:
    rules = [one for one in fault_rules(5.0) if one.call not in {Call.ORDER, Call.PROFILE}]
    assert {one.percent for one in rules} == {5.0}


def test_no_fault_is_added_to_the_usual_ones() -> None:
    assert [(one.fault, one.call) for one in fault_rules(5.0)] == [(one.fault, one.call) for one in DEFAULT_RULES]


def test_traders_meet_no_more_faults_than_usual() -> None:
    usual = [one for one in DEFAULT_RULES if one.call in {Call.ORDER, Call.PROFILE}]
    assert [one for one in fault_rules(5.0) if one.call in {Call.ORDER, Call.PROFILE}] == usual
