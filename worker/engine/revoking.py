"""Revoke: mark in the journal, delete at the exchange, destroy the old versions, end the ledger's entry."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from structlog.contextvars import bound_contextvars

from worker.engine.copies import why_held_elsewhere
from worker.engine.profiles import list_of, require_profile
from worker.engine.world import World
from worker.errors import AmbiguousError, ConflictError, RotatorError, WrongProfileError
from worker.journal import Journal, VersionedJournal, end_record, mark_revoking, note_departure
from worker.models import ConsumersPath, PathContent, RevokeResult, Severity
from worker.policy.departures import first_seen, why_held
from worker.policy.elsewhere import may_have_served
from worker.policy.ended import looks_cut_short
from worker.policy.facts import AccountFacts, CredentialFacts
from worker.policy.revocation import may_end
from worker.policy.steps import ORDERED, Action, Reason, Step
from worker.promoted import promoted_secret

_STILL_LISTED = (
    "The exchange answered 404 for {label}, but its list still has that token, so it may be alive; the revocation "
    "stays open and is tried again by the next sweep. If this lasts, ask the exchange why it does not know a token "
    "that it lists."
)

_CUT_SHORT = (
    "The exchange answered 404 for {label}, and its list lacks that token; but it lacks others that should be there, "
    "too, so it proves nothing. The revocation stays open and is tried again by the next sweep."
)


def revoke_account(world: World, facts: AccountFacts, steps: Sequence[Step]) -> None:
    """Carry out the steps; one credential's failure does not stop another's."""
    by_name = {one.credential.name: one for one in facts.credentials}
    for name in dict.fromkeys(step.credential for step in steps):
        journal = by_name[name].journal
        if journal is not None:
            _Revocations(world, by_name[name], journal, account=facts, judged_at=facts.vault_read_at).run(
                [step for step in steps if step.credential == name]
            )


def revoke_credential(world: World, facts: CredentialFacts, steps: Sequence[Step]) -> bool:
    """Carry out the steps of one credential that a person ordered: no grace stands in their way.

    Return whether somebody else wrote the journal first, so that what is left is to be planned anew.
    """
    if facts.journal is None:
        return False
    now = world.clock.now()
    revocations = _Revocations(world, facts, facts.journal, account=None, judged_at=now, ordered=True)
    revocations.run(steps)
    return revocations.lost_race


class _Revocations:
    """One credential's revocations, each decided on the journal version that this run last saw."""

    def __init__(
        self,
        world: World,
        facts: CredentialFacts,
        journal: VersionedJournal,
        *,
        account: AccountFacts | None,
        judged_at: datetime,
        ordered: bool = False,
    ) -> None:
        self._world = world
        self._facts = facts
        self._journal = journal
        self._account = account
        self._judged_at = judged_at
        self._ordered = ordered
        self.lost_race = False

    def run(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if not self._act(step):
                return

    def _act(self, step: Step) -> bool:
        """Carry one step out; return whether the next one may follow."""
        if self._world.stopping():
            self._world.recorder.interrupted(step)
            return False
        with bound_contextvars(rotation_id=step.rotation_id):
            try:
                if step.action is Action.DESTROY:
                    self._destroy(step)
                elif step.action is Action.RETIRE:
                    self._tombstone(step)
                else:
                    self._revoke(step)
            except (ConflictError, AmbiguousError, WrongProfileError) as error:
                # The journal, or the profile, is not what was read: nothing that was decided on it may be done.
                self.lost_race = isinstance(error, ConflictError)
                self._world.recorder.failed(step, error)
                return False
            except RotatorError as error:
                self._world.recorder.failed(step, error)
        return True

    def _revoke(self, step: Step) -> None:
        world, token_id = self._world, step.token_id or ""
        profile = require_profile(world, step.account, self._facts.state)
        ordered = self._ordered or step.reason.value in ORDERED
        if not ordered and self._is_held_by_its_path(step):
            return
        marked = mark_revoking(
            self._journal.journal,
            token_id=token_id,
            label=step.label or "",
            reason=step.reason.value,
            now=world.clock.now(),
            last_used_by_others=step.last_used_by_others,
        )
        self._write(marked)
        if not ordered and self._is_served_again(step):
            return
        answer = world.exchange.revoke_token(token_id, profile=profile)
        if answer is RevokeResult.ALREADY_GONE:
            tokens = list_of(world, step.account, profile)
            if tokens.by_id(token_id) is not None:
                world.recorder.stopped(step, step.reason, _STILL_LISTED.format(label=step.label), Severity.WARNING)
                return
            if looks_cut_short(tokens, token_id, self._facts, world.clock.now()):
                world.recorder.stopped(step, step.reason, _CUT_SHORT.format(label=step.label), Severity.WARNING)
                return
        record = self._journal.journal.record_of(token_id)
        if record is None or not may_end(record, answer, self._facts, world.clock.now()):
            world.recorder.done(step, f"{step.label} is not known at the exchange yet; it is asked for again.")
            return
        destroyed = self._try_to_destroy(step)
        ended = end_record(
            self._journal.journal, token_id=token_id, now=world.clock.now(), secret_destroyed=destroyed is not None
        )
        self._write(ended)
        how = "was gone already" if answer is RevokeResult.ALREADY_GONE else "is revoked"
        world.recorder.done(
            step,
            f"{step.label} {how} ({step.reason.value}); versions destroyed: {_numbers(destroyed)}.",
            severity=step.severity,
            evidence={"answer": answer.value, "rule": step.sentence},
        )

    def _is_held_by_its_path(self, step: Step) -> bool:
        """Whether the path's versions say that services may hold the token; from when on is noted in the journal."""
        world, token_id, label = self._world, step.token_id or "", step.label or ""
        policy, now = self._facts.credential.policy, self._judged_at
        if self._is_held_elsewhere(step):
            return True
        known = self._journal.journal.record_of(token_id)
        # Where its secret is known, an id alone does not count as served: who can write the path could keep any alive.
        secret = promoted_secret(world.consumers, self._facts, token_id)
        found = world.consumers.departure(self._facts.location, token_id, secret=secret)
        departure = first_seen(found, known, now, policy.max_clock_skew)
        sentence = why_held(departure, label, policy, now)
        if departure is None or sentence is None:
            return False
        if departure.left_at is None:
            world.recorder.stopped(step, Reason.STILL_USED, sentence, Severity.WARNING)
            return True
        noted = note_departure(self._journal.journal, departure, token_id=token_id, label=label)
        if noted != self._journal.journal:
            self._write(noted)
        world.recorder.stopped(step, Reason.IN_GRACE, sentence, Severity.INFO)
        return True

    def _is_held_elsewhere(self, step: Step) -> bool:
        """Whether the versions of another credential's path say that its services may hold the token."""
        if self._account is None:
            return False
        for reader in may_have_served(self._account, step, self._judged_at):
            sentence = why_held_elsewhere(self._world, self._facts, reader, step, self._judged_at)
            if sentence is not None:
                self._world.recorder.stopped(step, Reason.SERVED_ELSEWHERE, sentence, Severity.INFO)
                return True
        return False

    def _is_served_again(self, step: Step) -> bool:
        """Whether somebody put the token back since the decision: then it is not deleted this time."""
        path = self._world.consumers.read(self._facts.location)
        if path.document is None or path.document.token_id != step.token_id:
            return False
        self._world.recorder.stopped(
            step,
            Reason.STILL_USED,
            f"{step.label} was marked for revocation, and version {path.version} of {self._facts.location} serves it "
            f"again: somebody put it back. It is not revoked while that is so; the next sweep says what to do.",
            Severity.WARNING,
        )
        return True

    def _try_to_destroy(self, step: Step) -> tuple[int, ...] | None:
        """Destroy what still holds the secret; None when something still does, so that a later sweep does it."""
        try:
            destroyed = self._world.consumers.destroy_secret(self._facts.location, step.token_id or "")
        except RotatorError:
            return None
        # The latest version is never destroyed; a token that is served to its end leaves its secret there.
        return None if step.token_id == self._facts.served_token_id else destroyed

    def _tombstone(self, step: Step) -> None:
        path = self._facts.path
        receipt = self._world.consumers.write_tombstone(self._facts.location, cas=path.version if path else 0)
        emptied = ConsumersPath(receipt.version, receipt.created_time, PathContent.TOMBSTONE)
        self._facts = replace(self._facts, path=emptied)
        self._world.recorder.done(step, f"{self._facts.location} serves nothing any more (version {receipt.version}).")

    def _destroy(self, step: Step) -> None:
        world, token_id = self._world, step.token_id or ""
        destroyed = world.consumers.destroy_secret(self._facts.location, token_id)
        self._write(end_record(self._journal.journal, token_id=token_id, now=world.clock.now(), secret_destroyed=True))
        world.recorder.done(
            step, f"Versions that held the secret of {step.label} are destroyed: {_numbers(destroyed)}."
        )

    def _write(self, changed: Journal) -> None:
        self._journal = self._world.journals.write(self._facts.location, changed, cas=self._journal.version)


def _numbers(versions: tuple[int, ...] | None) -> str:
    if versions is None:
        return "not all yet"
    return ", ".join(map(str, versions)) or "none"
