"""`rotator adopt`, `rotate`, `revoke`, `rollback`, `retire`: what a person has done to one credential."""

from collections.abc import Iterable
from datetime import datetime

import click

from worker.cli import completion
from worker.cli.acts import (
    as_json,
    carry_out,
    dry_run,
    end,
    order,
    outcomes_as_json,
    plan_as_json,
    print_outcomes,
    print_plan,
    why,
    yes,
)
from worker.cli.exits import EPILOG, USAGE
from worker.cli.output import console, print_json
from worker.cli.runtime import Runtime
from worker.policy.plan import plan_rotation
from worker.policy.steps import Action, Outcome, Reason, Result
from worker.wiring import Container

_POLL_SECONDS = 1.0
_WAIT_SECONDS = 300
_WAITS = frozenset({Reason.LEASE_HELD, Reason.DERIVE_IN_FLIGHT})


@click.command(epilog=EPILOG)
@click.argument("name", shell_complete=completion.credentials)
@click.option("--token-id", metavar="ID", help="Refuse unless the path holds this token.")
@click.option(
    "--reclaim",
    is_flag=True,
    help="Take over although the journal is behind, belongs to another name, or knows another token there.",
)
@dry_run
@why
@as_json
@click.pass_obj
def adopt(
    runtime: Runtime, name: str, token_id: str | None, why: str, *, reclaim: bool, dry_run: bool, as_json: bool
) -> None:
    """Take over the token that the credential's path serves already.

    Reads at the exchange and proves that the secret works; derives and revokes nothing. The first rotation comes when
    it is due, counted from now.
    """
    carry_out(
        runtime,
        plan=lambda built: built.engine.ordered_by(order(why)).plan_adopt(name, token_id=token_id, reclaim=reclaim),
        act=lambda built: built.engine.ordered_by(order(why)).adopt(name, token_id=token_id, reclaim=reclaim),
        as_json=as_json,
        dry_run=dry_run,
    )


@click.command(epilog=EPILOG)
@click.argument("name", shell_complete=completion.credentials)
@click.option(
    "--compromised", is_flag=True, help="An emergency: then revoke every other token of it at once. Asks first."
)
@click.option("--wait", is_flag=True, help="Wait until it is done, by this process or another one.")
@click.option(
    "--timeout", type=click.IntRange(min=1), default=_WAIT_SECONDS, show_default=True, help="Of --wait, in seconds."
)
@yes
@dry_run
@why
@as_json
@click.pass_obj
def rotate(
    runtime: Runtime,
    name: str,
    timeout: int,
    why: str,
    *,
    compromised: bool,
    wait: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Rotate one credential now, due or not; an interrupted rotation is finished first.

    The old token keeps its grace, unless it is compromised. It is safe to interrupt: the next run goes on from the
    journal.
    """
    if compromised:
        _rotate_compromised(runtime, name, why, yes=yes, dry_run=dry_run, as_json=as_json)
        return
    with runtime.build(runtime.load()) as container:
        requested_at = container.engine.request_time(name)
        if dry_run:
            _show_rotation(container, name, requested_at, as_json=as_json)
        outcomes = _rotate(container, name, requested_at, why, seconds=timeout if wait else 0)
    rotated = is_rotated(outcomes)
    if as_json:
        print_json({"rotated": rotated, "outcomes": outcomes_as_json(outcomes)})
    else:
        print_outcomes(outcomes)
        console().print(f"{name} was rotated." if rotated else f"{name} was NOT rotated; the last lines above say why.")
    end(attention=not rotated)


def _rotate_compromised(runtime: Runtime, name: str, why: str, *, yes: bool, dry_run: bool, as_json: bool) -> None:
    carry_out(
        runtime,
        plan=lambda built: built.engine.ordered_by(order(why)).plan_emergency(name),
        act=lambda built: built.engine.ordered_by(order(why)).emergency(name),
        as_json=as_json,
        dry_run=dry_run,
        yes=yes,
        warning=(
            f"Every token of {name} but a new one is revoked as soon as the new one is served. Services that still "
            f"hold an old secret are rejected until they have read Vault again."
        ),
    )


def _show_rotation(container: Container, name: str, requested_at: datetime, *, as_json: bool) -> None:
    planned = plan_rotation(container.gatherer.credential(name), container.clock.now(), requested_at=requested_at)
    if as_json:
        print_json({"dry_run": True, **plan_as_json(planned)})
    else:
        print_plan(planned)
    end(attention=not planned.steps)


def _rotate(container: Container, name: str, requested_at: datetime, why: str, *, seconds: int) -> tuple[Outcome, ...]:
    """Ask for a rotation, and go on asking for it as of the same moment while another worker is at it."""
    clock = container.clock
    give_up_at = clock.monotonic() + seconds
    outcomes: tuple[Outcome, ...] = ()
    while True:
        last = container.engine.rotate(name, requested_at=requested_at, order=order(why))
        # Each look at somebody else's work says the same: the last one is enough.
        outcomes = (*(one for one in outcomes if one.reason not in _WAITS), *last)
        if is_rotated(last) or not _under_way(last) or clock.monotonic() >= give_up_at:
            return outcomes
        clock.sleep(_POLL_SECONDS)


def _under_way(outcomes: Iterable[Outcome]) -> bool:
    """Whether somebody else may yet bring it to an end."""
    waits = _WAITS | {Reason.SUPERSEDED_BY_OTHER, Reason.DERIVE_LOST}
    return any(outcome.reason in waits for outcome in outcomes)


def is_rotated(outcomes: Iterable[Outcome]) -> bool:
    """Whether a rotation was closed here, or by another process since it was asked for, and nothing failed after it."""
    for outcome in reversed(tuple(outcomes)):
        if outcome.result is Result.FAILED:
            return False
        if outcome.action is Action.CLOSE and outcome.result is Result.DONE:
            return True
        if outcome.reason is Reason.REQUESTED and outcome.result is Result.HELD:
            return True
    return False


@click.command(epilog=EPILOG)
@click.argument("name", shell_complete=completion.credentials)
@click.option("--all", "all_tokens", is_flag=True, help="Required: every token of it, the served one included.")
@yes
@dry_run
@why
@as_json
@click.pass_obj
def revoke(runtime: Runtime, name: str, why: str, *, all_tokens: bool, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Revoke every token of a credential at once, the one that services use included. Asks first.

    Single tokens end by themselves when the policy allows it. The next sweep issues a new token, unless the credential
    is paused.
    """
    if not all_tokens:
        click.echo(
            "Error: say --all. Single tokens are revoked by the policy; see: rotator plan. To replace a token that "
            f"leaked: rotator rotate {name} --compromised",
            err=True,
        )
        raise click.exceptions.Exit(USAGE)
    carry_out(
        runtime,
        plan=lambda built: built.engine.ordered_by(order(why)).plan_revoke_all(name),
        act=lambda built: built.engine.ordered_by(order(why)).revoke_all(name),
        as_json=as_json,
        dry_run=dry_run,
        yes=yes,
        warning=(
            f"Every token of {name} is revoked, the one that services use included: they are rejected until a new one "
            f"is issued. The next sweep does that, unless somebody else changed the path; to prevent it: rotator pause "
            f"{name}"
        ),
    )


@click.command(epilog=EPILOG)
@click.argument("name", shell_complete=completion.credentials)
@dry_run
@why
@as_json
@click.pass_obj
def rollback(runtime: Runtime, name: str, why: str, *, dry_run: bool, as_json: bool) -> None:
    """Serve the predecessor again, while it lives. The present token is revoked after a grace of its own."""
    carry_out(
        runtime,
        plan=lambda built: built.engine.ordered_by(order(why)).plan_rollback(name),
        act=lambda built: built.engine.ordered_by(order(why)).rollback(name),
        as_json=as_json,
        dry_run=dry_run,
    )


@click.command(epilog=EPILOG)
@click.argument("name", shell_complete=completion.credentials)
@yes
@dry_run
@why
@as_json
@click.pass_obj
def retire(runtime: Runtime, name: str, why: str, *, yes: bool, dry_run: bool, as_json: bool) -> None:
    """End a credential's life: revoke its tokens, empty its path, destroy the secrets, keep the ledger. Asks first."""
    carry_out(
        runtime,
        plan=lambda built: built.engine.ordered_by(order(why)).plan_retire(name),
        act=lambda built: built.engine.ordered_by(order(why)).retire(name),
        as_json=as_json,
        dry_run=dry_run,
        yes=yes,
        done_already=Reason.RETIRED,
        warning=(
            f"{name} ends for good: its tokens are revoked, its path serves nothing, its secrets are destroyed. "
            f"Services that still use it are rejected."
        ),
    )
