"""`rotator pause`, `resume`, `freeze`, `unfreeze`, `trust`: a person's hand, kept in Vault."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NoReturn

import click

from config.durations import parse_duration
from worker.cli import completion
from worker.cli.acts import as_json, carry_out, dry_run, legible_reason, order, why
from worker.cli.exits import EPILOG
from worker.cli.runtime import Runtime
from worker.engine.edits import Edits
from worker.engine.pausing import freezes, pauses, rebinds, trusts, unfreezes
from worker.policy.steps import Order
from worker.wiring import Container


def _duration(_ctx: click.Context, _param: click.Parameter, text: str | None) -> timedelta | None:
    if text is None:
        return None
    try:
        duration = parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if duration <= timedelta():
        raise click.BadParameter(f"{text} is no time at all")
    return duration


def _moment(_ctx: click.Context, _param: click.Parameter, text: str | None) -> datetime | None:
    """Return the moment in UTC, or None when none is given."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{text} is not a moment such as 2026-11-03T18:00Z") from None
    raise click.BadParameter(f"{text} has no time zone: put Z behind its time, or an offset such as +02:00")


_for = click.option("--for", "lasting", callback=_duration, metavar="4h", help="End by itself after this time.")
_until = click.option("--until", callback=_moment, metavar="ISO", help="End by itself then; with a time zone.")


def _end(now: datetime, lasting: timedelta | None, until: datetime | None) -> datetime | None:
    """Return when what is ordered ends by itself, or None; raises UsageError for two ends, and for one that is past."""
    if lasting is not None and until is not None:
        raise click.UsageError("--for and --until both say when it ends: give one of them")
    if until is not None and until <= now:
        raise click.UsageError(f"--until {until:%Y-%m-%d %H:%M} UTC is not in the future: it is {now:%H:%M} UTC")
    return until if lasting is None else _after(now, lasting)


@click.command(epilog=EPILOG)
@click.argument("name", metavar="NAME|ACCOUNT|all", shell_complete=completion.anything)
@_for
@_until
@why
@as_json
@dry_run
@click.pass_obj
def pause(
    runtime: Runtime,
    name: str,
    *,
    lasting: timedelta | None,
    until: datetime | None,
    why: str,
    as_json: bool,
    dry_run: bool,
) -> None:
    """Leave a credential, an account or everything alone for a while.

    NAME is a credential, an account, or `all` for every account; credential:NAME and account:NAME say which, where
    both have that name.

    Nothing of it is derived, promoted or revoked, not even for services that are rejected; only an emergency and what
    was ordered go on. A sweep at work at this moment ends what it has in hand. A rotation that was interrupted stays
    where it is: a staged token keeps waiting in the journal, one that services are served already is closed, one whose
    answer was lost is given up and revoked after the pause. Services keep the token they have.

    The pause is kept in Vault, ends as --for or --until says or with `rotator resume`, and alerts once when it lasts
    longer than pause_limit. A second one takes the place of the first, unless it would end sooner: that is refused.
    """

    def edits(container: Container) -> Edits:
        now = container.clock.now()
        return pauses(container.settings, name, since=now, until=_end(now, lasting, until), order=ordered)

    ordered = order(why)
    _carry_out_edits(runtime, edits, ordered, as_json=as_json, dry_run=dry_run)


@click.command(epilog=EPILOG)
@click.argument("name", metavar="NAME|ACCOUNT|all", shell_complete=completion.anything)
@why
@as_json
@dry_run
@click.pass_obj
def resume(runtime: Runtime, name: str, *, why: str, as_json: bool, dry_run: bool) -> None:
    """Lift the pause of a credential, an account or everything, and let what was parked be tried again.

    NAME is a credential, an account, or `all` for every account; credential:NAME and account:NAME say which, where
    both have that name.

    A credential's failed attempts are forgotten, and the next sweep takes it up. For an account and for `all` every
    pause in it is lifted, its credentials' own too, and the failures of those that are parked are forgotten. A
    credential whose account is paused goes on waiting; that is exit code 1. Freezes are not touched.
    """
    ordered = order(why)
    carry_out(
        runtime,
        plan=lambda container: container.engine.plan_resume(name),
        act=lambda container: container.engine.resume(name, order=ordered),
        as_json=as_json,
        dry_run=dry_run,
    )


@click.command(epilog=EPILOG)
@_for
@_until
@click.option(
    "--account",
    metavar="NAME",
    shell_complete=completion.accounts,
    help="Only this account; without it, every one.",
)
@click.option(
    "--reason",
    "why",
    required=True,
    callback=legible_reason,
    metavar="TEXT",
    help="Why; everyone who is held back reads it.",
)
@as_json
@dry_run
@click.pass_obj
def freeze(
    runtime: Runtime,
    *,
    lasting: timedelta | None,
    until: datetime | None,
    account: str | None,
    why: str,
    as_json: bool,
    dry_run: bool,
) -> None:
    """Rotate and revoke nothing from now until a moment, such as over an election.

    Services that are rejected get a new token all the same, and so does an emergency. A freeze that outlasts
    somebody's max_age is warned about. A second freeze takes the place of the first, unless it would end sooner: that
    is refused.
    """

    def edits(container: Container) -> Edits:
        now = container.clock.now()
        end = _end(now, lasting, until)
        if end is None:
            raise click.UsageError("--for or --until must say when it ends: a freeze without an end is a pause")
        return freezes(container.settings, account, since=now, until=end, order=ordered)

    if not why.strip():
        raise click.UsageError("--reason is empty: say why, everyone who is held back reads it")
    ordered = order(why)
    _carry_out_edits(runtime, edits, ordered, as_json=as_json, dry_run=dry_run)


@click.command(epilog=EPILOG)
@click.option(
    "--account",
    metavar="NAME",
    shell_complete=completion.accounts,
    help="Only this account; without it, every one.",
)
@why
@as_json
@dry_run
@click.pass_obj
def unfreeze(runtime: Runtime, *, account: str | None, why: str, as_json: bool, dry_run: bool) -> None:
    """Lift what `rotator freeze` ordered. Freezes of the configuration file stay; that is exit code 1."""

    def edits(container: Container) -> Edits:
        return unfreezes(container.settings, account)

    _carry_out_edits(runtime, edits, order(why), as_json=as_json, dry_run=dry_run)


@click.command(epilog=EPILOG)
@click.argument("account", shell_complete=completion.accounts)
@click.option("--profile", is_flag=True, help="Bind the account anew, to the profile of the identity in place.")
@why
@as_json
@dry_run
@click.pass_obj
def trust(runtime: Runtime, account: str, *, profile: bool, why: str, as_json: bool, dry_run: bool) -> None:
    """Believe an account's list of tokens that shrank unexpectedly, and go on.

    Look first: `rotator status` says how many tokens it lacks. Should the doubted list become another one while this
    runs, nothing is believed.

    With --profile it is not about a list: the account may be another profile's from now on. Only for an account that
    has really moved to another profile; where the wrong identity was put in place, put the right one there instead.
    """

    def edits(container: Container) -> Edits:
        return (rebinds if profile else trusts)(container.settings, account)

    _carry_out_edits(runtime, edits, order(why), as_json=as_json, dry_run=dry_run)


def _carry_out_edits(
    runtime: Runtime, edits: Callable[[Container], Edits], ordered: Order, *, as_json: bool, dry_run: bool
) -> NoReturn:
    carry_out(
        runtime,
        plan=lambda container: container.engine.plan_edits(edits(container)),
        act=lambda container: container.engine.edit(edits(container), ordered),
        as_json=as_json,
        dry_run=dry_run,
    )


def _after(now: datetime, lasting: timedelta) -> datetime:
    try:
        return now + lasting
    except OverflowError:
        raise click.UsageError("--for is longer than time goes; leave it out for a pause without an end") from None
