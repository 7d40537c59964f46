"""Memory is bounded wherever the processes run: somebody who makes one grow ends that one, and nothing beside it."""

import pytest

from tests.unit.deploy.files import ROOT, compose


@pytest.mark.parametrize("name", ["worker", "beat"])
def test_a_container_has_a_limit(name: str) -> None:
    assert compose()["services"][name]["mem_limit"] == "512m"


@pytest.mark.parametrize("name", ["worker", "beat"])
def test_a_unit_has_a_limit_and_may_not_swap(name: str) -> None:
    unit = (ROOT / "deploy/systemd" / f"rotator-{name}.service").read_text(encoding="utf-8").splitlines()
    assert [one.partition("=")[0] for one in unit if one.startswith("Memory")] == ["MemoryMax", "MemorySwapMax"]
