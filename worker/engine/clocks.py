"""Compare the clocks of the exchange, Vault and this worker, and date anew what one that was ahead wrote."""

from collections.abc import Mapping
from dataclasses import replace

from worker.engine.world import World
from worker.errors import ConflictError, RotatorError
from worker.journal import ahead_by, date_anew
from worker.models import Severity, TokenList
from worker.policy.clocks import NO_DATE, Skew, clocks_hold
from worker.policy.facts import CredentialFacts
from worker.policy.safety import hands_off
from worker.policy.steps import Hold, Reason, Result
from worker.policy.wording import span


def exchange_skew(world: World, tokens: TokenList) -> Skew:
    """Return by how much the exchange's clock is ahead, as a list says that has just arrived."""
    return NO_DATE if tokens.server_time is None else tokens.server_time - world.clock.now()


def vault_skew(world: World) -> Skew:
    """Return by how much Vault's clock is ahead."""
    try:
        return world.journals.server_time() - world.clock.now()
    except RotatorError as error:
        return str(error)


def seen_now(world: World, facts: CredentialFacts) -> CredentialFacts:
    """Return the facts with a journal in which nothing that has passed lies in the future.

    A worker whose clock was ahead may have dated an intent, a back-off or a mark; each counts from when it was first
    seen, and that is written before anything is decided on it. A worker that is itself behind sees the future
    everywhere, so only one whose clock agrees with Vault's and the exchange's writes; any other one says why not.
    """
    journal, tolerance = facts.journal, facts.credential.policy.max_clock_skew
    if journal is None or hands_off(facts) is not None:
        return facts
    ahead = ahead_by(journal.journal, world.clock.now())
    if ahead <= tolerance:
        return facts
    what = f"the journal of credential {facts.credential.name} (account {facts.credential.account})"
    hold = _may_be_behind(world, facts, f"Something in {what} is dated {span(ahead)} ahead and is left as it is")
    if hold is not None:
        # The sweeps of the account tell it, once for all of its credentials.
        world.recorder.holds([replace(hold, severity=Severity.INFO)])
        return facts
    anew = date_anew(journal.journal, now=world.clock.now(), skew=tolerance)
    try:
        written = world.journals.write(facts.location, anew, cas=journal.version)
    except ConflictError:
        return facts  # whoever was first has told it; what is planned on these facts stops at the same journal
    except RotatorError as error:
        sentence = f"Something in {what} is dated {span(ahead)} ahead and could not be dated anew: {error}"
        _note(world, facts, Result.FAILED, sentence)
        return facts
    sentence = (
        f"Something in {what} was dated {span(ahead)} ahead, by a worker or a server whose clock was off. It counts as "
        f"of now, when it was first seen. Find the machine and correct its clock."
    )
    _note(world, facts, Result.DONE, sentence)
    return replace(facts, journal=written)


def _may_be_behind(world: World, facts: CredentialFacts, what: str) -> Hold | None:
    """Return why this worker cannot say that something lies in the future.

    Vault is asked first: a worker that is behind comes here at every sweep, and need not trouble the exchange.
    """
    hold = _hold(facts, {"Vault": vault_skew(world)}, what)
    if hold is not None:
        return hold
    try:
        skew = exchange_skew(world, world.exchange.list_tokens())
    except RotatorError as error:
        skew = str(error)
    return _hold(facts, {"the exchange": skew, "Vault": vault_skew(world)}, what)


def _hold(facts: CredentialFacts, skews: Mapping[str, Skew], what: str) -> Hold | None:
    credential = facts.credential
    return clocks_hold(
        skews, credential.policy.max_clock_skew, account=credential.account, credential=credential.name, what=what
    )


def _note(world: World, facts: CredentialFacts, result: Result, sentence: str) -> None:
    account, name = facts.credential.account, facts.credential.name
    world.recorder.note(account, name, result, Reason.FROM_THE_FUTURE, sentence, severity=Severity.WARNING)
