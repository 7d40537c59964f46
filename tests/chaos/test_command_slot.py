"""The orders of the matrix are commands that the product's command line really has."""

import click
import pytest

from sandbox.chaos.cells import ORDERS, Scenario
from sandbox.chaos.command_slot import command_of
from worker.cli import main


@pytest.mark.parametrize("scenario", sorted(ORDERS))
def test_the_command_line_takes_every_order(scenario: Scenario) -> None:
    name, *arguments = command_of(scenario, "mm")
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.make_context(name, arguments, parent=click.Context(main)).params["why"] == "drill"


def test_nobody_orders_a_rotation_that_is_due() -> None:
    with pytest.raises(KeyError):
        command_of(Scenario.ROTATION, "mm")
