"""A rotation's steps: mint (intent, derive, stage), verify, promote, close, abandon.

Each method does one step against the journal version that this run last saw; a check-and-set that fails stops the run
and leaves everything as the journal says. The order of writes is the one of docs/architecture.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from structlog.contextvars import bind_contextvars, unbind_contextvars

from worker.engine.fencing import fence_path
from worker.engine.freshness import ReadAt, require_fresh
from worker.engine.giving_up import give_up, refusal_sentence, revoke_strange, tell_parked
from worker.engine.minting import why_not_mint
from worker.engine.profiles import remember_profile, require_profile
from worker.engine.staging import stage_secret
from worker.engine.verification import Verification, verify_token
from worker.engine.world import World
from worker.errors import (
    AmbiguousDeriveError,
    CasConflictError,
    ConflictError,
    RotatorError,
    TransitionError,
    WrongProfileError,
)
from worker.journal import (
    Intent,
    VersionedJournal,
    close,
    date_promotion,
    new_journal,
    open_intent,
    reopen_verify,
)
from worker.models import DerivedToken, PathContent, Profile, ServedDocument, Severity, WriteReceipt
from worker.policy.facts import CredentialFacts
from worker.policy.steps import Action, Reason, Step

_URGENT = frozenset({Reason.COMPROMISED, Reason.DANGLING})
"""What waits for nothing: services are rejected, or somebody else has their secrets."""

_DERIVE_SHARE = 3
"""The derive may take this fraction of `derive_deadline`, so that it has ended well before anyone abandons it."""


class Rotation:
    """One run over one credential's rotation steps.

    Args:
        world: everything that it acts on.
        facts: what was read of the credential.
        new_rotation_id: makes them.
        read_at: when that was read; None when a person ordered it just now.

    Attributes:
        lost_race: the last step was not carried out because somebody else changed what it was decided on.
    """

    def __init__(
        self, world: World, facts: CredentialFacts, new_rotation_id: Callable[[], str], *, read_at: ReadAt | None = None
    ) -> None:
        self._world = world
        self._read_at = read_at
        self._facts = facts
        self._credential = facts.credential
        self._location = facts.location
        self._journal = facts.journal
        self._path = facts.path
        self._new_rotation_id = new_rotation_id
        self._staged_by_this_run = False
        self._receipt: WriteReceipt | None = None
        self._written_at: datetime | None = None
        self._closed = False
        self.lost_race = False

    def run(self, steps: Sequence[Step]) -> bool:
        """Carry the steps out in order; return whether all of them were done. Outcomes go to the recorder."""
        acts: dict[Action, Callable[[Step], bool]] = {
            Action.MINT: self._mint,
            Action.VERIFY: self._verify,
            Action.PROMOTE: self._promote,
            Action.CLOSE: self._close,
            Action.ABANDON: self._abandon,
        }
        try:
            # Once it is closed, by whichever step, nothing is left to do of what was planned.
            return all(self._closed or self._act(acts[step.action], step) for step in steps)
        finally:
            unbind_contextvars("rotation_id")

    def _act(self, act: Callable[[Step], bool], step: Step) -> bool:
        if self._world.stopping():
            self._world.recorder.interrupted(self._named(step))
            return False
        try:
            return act(self._named(step))
        except RotatorError as error:
            self.lost_race = isinstance(error, ConflictError)
            self._world.recorder.failed(self._named(step), error)
            return False

    def _named(self, step: Step) -> Step:
        intent = self._journal.journal.intent if self._journal else None
        if intent is None:
            return step
        bind_contextvars(rotation_id=intent.rotation_id)
        token_id = intent.token.token_id if intent.token else None
        return replace(step, rotation_id=intent.rotation_id, label=intent.label, token_id=token_id)

    # --- mint -------------------------------------------------------------------------------------------------------

    def _mint(self, step: Step) -> bool:
        world, credential = self._world, self._credential
        # Before the list is judged: another profile's would look as if it had shrunk.
        profile = require_profile(world, credential.account, self._facts.state)
        hold = why_not_mint(world, self._facts, step.reason)
        if hold is not None:
            world.recorder.holds([hold])
            return False
        if self._read_at is not None and step.reason not in _URGENT:
            require_fresh(world.clock, self._read_at, self._facts)
        # Counted from before the intent, as others count who may abandon it after `derive_deadline`.
        give_up_at = world.clock.monotonic() + credential.policy.derive_deadline.total_seconds()
        opened = self._open_intent(step)
        step = self._named(step)
        label = step.label or ""
        try:
            token = world.exchange.derive_token(
                label,
                tuple(scope.value for scope in credential.scopes),
                deadline=credential.policy.derive_deadline / _DERIVE_SHARE,
                profile=profile,
            )
        except AmbiguousDeriveError as error:
            # The intent stays open: whoever comes after `derive_deadline` abandons it and hunts for the label.
            world.recorder.failed(step, error, reason=Reason.DERIVE_LOST)
            return False
        except RotatorError as error:
            parked = self._give_up(
                Reason.OTHER_PROFILE if isinstance(error, WrongProfileError) else Reason.DERIVE_REFUSED, error
            )
            world.recorder.failed(step, error, reason=Reason.DERIVE_REFUSED)
            if parked:
                self._tell_parked(step)
            return False
        if profile.contradicts(token.profile):
            self._end_strange(step, token, profile)
            return False
        self._journal = stage_secret(world, self._location, opened, token, label=label, give_up_at=give_up_at)
        self._staged_by_this_run = True
        remember_profile(world, credential.account, token.profile)
        step = replace(step, token_id=token.token_id)
        world.recorder.done(step, f"Derived {label} and staged its secret in the journal ({step.reason.value}).")
        return True

    def _end_strange(self, step: Step, token: DerivedToken, profile: Profile) -> None:
        """Revoke a token of another profile than the account's, and give the attempt up."""
        world, wrong = self._world, WrongProfileError(step.account, bound=str(profile), found=str(token.profile))
        ended = revoke_strange(world, step, token)
        parked = self._give_up(Reason.OTHER_PROFILE, wrong)
        world.recorder.stopped(step, Reason.OTHER_PROFILE, f"{ended} {wrong}", Severity.ERROR)
        if parked:
            self._tell_parked(step)

    def _open_intent(self, step: Step) -> VersionedJournal:
        credential, path = self._credential, self._path
        version, journal = self._journal or VersionedJournal(
            0, new_journal(credential.name, credential.account, self._location)
        )
        rotation_id = self._new_rotation_id()
        intended = open_intent(
            journal,
            rotation_id=rotation_id,
            label=f"{credential.name}/{rotation_id}",
            scopes=tuple(scope.value for scope in credential.scopes),
            reason=step.reason.value,
            now=self._world.clock.now(),
            expected_version=path.version if path else 0,
            kind="emergency" if step.reason is Reason.COMPROMISED else "rotation",
        )
        self._journal = self._world.journals.write(self._location, intended, cas=version)
        return self._journal

    # --- verify -----------------------------------------------------------------------------------------------------

    def _verify(self, step: Step) -> bool:
        world = self._world
        intent = self._reread_staged()
        staged = intent.token if intent else None
        if intent is None or staged is None:
            world.recorder.stopped(
                step,
                Reason.SUPERSEDED_BY_OTHER,
                f"The journal of {step.credential} moved on; this run stops and leaves it as it is.",
                Severity.INFO,
            )
            return False
        verdict = verify_token(
            lambda: world.exchange.list_tokens_as(staged.token_id, staged.secret),
            token_id=staged.token_id,
            scopes=intent.scopes,
            deadline=self._credential.policy.verify_deadline,
            clock=world.clock,
        )
        if verdict is not Verification.PROVED:
            return self._refuse(step, verdict)
        world.recorder.done(step, f"A call signed with the staged secret of {step.label} was accepted.")
        return True

    def _reread_staged(self) -> Intent | None:
        """Return the intent as Vault holds it now, in a verify window of this run; None when the journal moved on."""
        world, seen = self._world, self._seen()
        if not self._staged_by_this_run:
            reopened = reopen_verify(seen.journal, now=world.clock.now())
            seen = self._journal = world.journals.write(self._location, reopened, cas=seen.version)
        fresh = world.journals.read(self._location)
        if fresh is None or fresh.version != seen.version:
            return None
        self._journal = fresh
        return fresh.journal.intent

    def _refuse(self, step: Step, verdict: Verification) -> bool:
        """Fence the consumers' path, abandon, and leave the token to the next sweep; the predecessor is untouched."""
        world = self._world
        reason = Reason.SCOPES_DIFFER if verdict is Verification.SCOPES_DIFFER else Reason.VERIFY_REFUSED
        intent = self._seen().journal.intent
        try:
            fence_path(world, self._location, expected=intent.expected_version if intent else 0)
        except CasConflictError:
            self._path = world.consumers.read(self._location)
            if self._serves_staged():
                return self._close(replace(step, action=Action.CLOSE, reason=Reason.PROMOTED_ALREADY))
        parked = self._give_up(reason)
        sentence = refusal_sentence(step, intent, verdict, self._credential.policy)
        world.recorder.stopped(step, reason, sentence, Severity.ERROR)
        if parked:
            self._tell_parked(step)
        return False

    # --- promote, close, abandon ------------------------------------------------------------------------------------

    def _promote(self, step: Step) -> bool:
        world, seen = self._world, self._seen()
        intent = seen.journal.intent
        if intent is None or intent.token is None:
            raise TransitionError(f"Nothing is staged for credential {step.credential} any more; it is left as it is.")
        document = ServedDocument(
            token_id=intent.token.token_id,
            secret=intent.token.secret,
            scopes=intent.token.scopes,
            label=intent.label,
            account=self._credential.account,
            api_url=world.api_url,
            derived_at=intent.token.derived_at,
            promoted_at=world.clock.now(),
            rotation_id=intent.rotation_id,
            sequence=seen.journal.sequence,
        )
        try:
            self._receipt = world.consumers.write(self._location, document, cas=intent.expected_version)
            self._written_at = document.promoted_at
        except CasConflictError as error:
            self._path = world.consumers.read(self._location)
            if not self._serves_staged():
                self.lost_race = True
                world.recorder.stopped(step, Reason.SUPERSEDED_BY_OTHER, str(error), Severity.WARNING)
                return False
        version = self._receipt.version if self._receipt else self._path_version()
        world.recorder.done(
            step,
            f"{step.label} is now served at {self._location} (version {version}).",
            evidence={"version": str(version)},
        )
        return True

    def _close(self, step: Step) -> bool:
        world, seen, path = self._world, self._seen(), self._path
        receipt, written_at, now = self._receipt, self._written_at, world.clock.now()
        if receipt is None and path is not None and path.created_time is not None:
            receipt = WriteReceipt(path.version, path.created_time)
            written_at = path.document.promoted_at if path.document else None
        if receipt is None or seen.journal.intent is None:
            raise TransitionError(f"No version at {self._location} serves what rotation {step.rotation_id} staged.")
        promotion = date_promotion(
            seen.journal.intent,
            receipt.created_time,
            written_at=written_at,
            now=now,
            skew=self._credential.policy.max_clock_skew,
        )
        closed = close(
            seen.journal,
            promoted_version=receipt.version,
            promoted_at=promotion.promoted_at,
            superseded_at=promotion.superseded_at,
            now=now,
        )
        self._journal = world.journals.write(self._location, closed, cas=seen.version)
        self._closed = True
        world.recorder.done(step, f"Rotation {step.rotation_id} of credential {step.credential} is complete.")
        return True

    def _abandon(self, step: Step) -> bool:
        if step.reason is Reason.ORDERED:
            self._fence_changed_path()
        parked = self._give_up(step.reason)
        self._world.recorder.done(step, step.sentence, severity=Severity.WARNING)
        if parked:
            self._tell_parked(step)
        return True

    def _fence_changed_path(self) -> None:
        """Make a promote impossible that the path's version would still allow, and date what a deleted version held."""
        intent, path = self._seen().journal.intent, self._path
        if intent is None or path is None or not path.version:
            return
        if path.version == intent.expected_version or path.content is PathContent.FOREIGN:
            self._path = fence_path(self._world, self._location, expected=path.version)

    def _give_up(self, reason: Reason, error: RotatorError | None = None) -> bool:
        """Write the abandonment; return whether this very failure parks the credential."""
        policy = self._credential.policy
        self._journal, parked = give_up(self._world, self._location, self._seen(), policy, reason, error)
        return parked

    def _tell_parked(self, step: Step) -> None:
        tell_parked(self._world, step, self._seen().journal.failures)

    def _seen(self) -> VersionedJournal:
        if self._journal is None:
            raise ValueError(f"{self._credential.name}: no journal")
        return self._journal

    def _serves_staged(self) -> bool:
        """Whether services are served the staged token with its own secret: somebody promoted it."""
        intent, document = self._seen().journal.intent, self._path.document if self._path else None
        staged = intent.token if intent else None
        if staged is None or document is None:
            return False
        return (document.token_id, document.secret) == (staged.token_id, staged.secret)

    def _path_version(self) -> int:
        return self._path.version if self._path else 0
