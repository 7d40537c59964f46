"""How an attempt is given up: what the journal says then, when the next one may follow, and what people are told."""

from typing import NamedTuple

from config.schema import Policy
from worker.engine.departures import departure_of_staged
from worker.engine.verification import Verification
from worker.engine.world import World
from worker.errors import RotatorError, TransientError
from worker.journal import Failures, Intent, VersionedJournal, abandon
from worker.models import DerivedToken, PathLocation, Severity
from worker.policy.rotation import is_parked, longest_backoff
from worker.policy.steps import Reason, Step


class GivenUp(NamedTuple):
    """The journal after an attempt was given up, and whether this very failure parks the credential."""

    journal: VersionedJournal
    parked: bool


def give_up(
    world: World,
    location: PathLocation,
    seen: VersionedJournal,
    policy: Policy,
    reason: Reason,
    error: RotatorError | None = None,
) -> GivenUp:
    """Write the abandonment, with the moment before which no further attempt is made.

    Raises:
        TransitionError: the staged token may be served after all.
        RotatorError: it could not be written.
    """
    now, intent, before = world.clock.now(), seen.journal.intent, seen.journal.failures
    departure = departure_of_staged(world, location, intent) if intent else None
    wait = longest_backoff(before.attempts + 1, policy) * world.jitter()
    if isinstance(error, TransientError) and error.retry_after is not None:
        wait = max(wait, min(error.retry_after, policy.backoff_cap))
    abandoned = abandon(
        seen.journal,
        reason=reason.value,
        now=now,
        retry_at=now + wait,
        passing=isinstance(error, TransientError),
        lost=reason is Reason.DERIVE_LOST,
        departure=departure,
    )
    written = world.journals.write(location, abandoned, cas=seen.version)
    return GivenUp(written, not is_parked(before, policy) and is_parked(abandoned.failures, policy))


def tell_parked(world: World, step: Step, failures: Failures) -> None:
    """Alert at the very failure that parks the credential, and only then."""
    world.recorder.stopped(
        step,
        Reason.PARKED,
        f"Credential {step.credential} (account {step.account}) is parked after {failures.count} failed "
        f"attempts in a row (the last: {failures.last_reason}). Services keep their token; nothing more is "
        f"tried. Find the cause, then: rotator resume {step.credential}",
        Severity.ERROR,
    )


def revoke_strange(world: World, step: Step, token: DerivedToken) -> str:
    """Revoke a token that was derived for another profile than the account's, and say what became of it.

    Its id never reached the journal, and no list of the account will ever show it.
    """
    try:
        world.exchange.revoke_token(token.token_id, profile=token.profile)
    except RotatorError as error:
        return (
            f"Token {token.token_id}, derived as {step.label}, is served to nobody, but it could not be revoked: "
            f"log in to that profile and revoke it by hand. ({error})"
        )
    return f"Token {token.token_id}, derived as {step.label}, was revoked at once and served to nobody."


def refusal_sentence(step: Step, intent: Intent | None, verdict: Verification, policy: Policy) -> str:
    """Return what a person is told of a staged token that was refused for good."""
    what = {
        Verification.SCOPES_DIFFER: "has other scopes than were asked for",
        Verification.UNUSABLE: "has a secret that nothing can be signed with",
    }.get(verdict, f"was answered 401 for {policy.verify_deadline.total_seconds():g} s")
    whose = f"{step.label} of credential {step.credential} (account {step.account})"
    if intent is not None and intent.kind == "rollback":
        return f"The predecessor {whose} {what}, so it is not served again; services keep the present token."
    return (
        f"The new token {whose} {what}. It was abandoned and will be revoked; services keep the old token. If "
        f"this repeats, look at the exchange."
    )
