"""When a credential is rotated, and how an open intent goes on."""

from dataclasses import replace
from datetime import datetime, timedelta

from config.schema import Policy
from worker.journal import Failures, Intent, RecordState
from worker.models import Severity
from worker.policy.due import Due, is_overdue, judge_due
from worker.policy.facts import CredentialFacts
from worker.policy.guards import credential_held_back
from worker.policy.safety import AT_THE_PATH, hands_off
from worker.policy.steps import ORDERED, Action, Hold, Plan, Reason, Step
from worker.policy.thaw import turn_of
from worker.policy.wording import span

LONGEST_WAIT_OF_REJECTED = timedelta(minutes=15)
"""The longest time from one failed attempt to the next while services are rejected."""

ROTATION = (Action.MINT, Action.VERIFY, Action.PROMOTE, Action.CLOSE)
_PURPOSE = {
    Action.MINT: "write the intent, derive a token and stage its secret in the journal",
    Action.VERIFY: "sign a harmless call with the staged secret as Vault holds it",
    Action.PROMOTE: "make the staged token the current version at the consumers' path",
    Action.CLOSE: "close the rotation in the ledger",
    Action.ABANDON: "give the attempt up in the journal; its token, if it exists, is then an orphan and revoked",
}


def purpose_of(action: Action) -> str:
    """Return what a step of a rotation does, as the end of a sentence."""
    return _PURPOSE[action]


def plan_rotation(facts: CredentialFacts, now: datetime, *, requested_at: datetime | None = None) -> Plan:
    """Return the steps that this credential needs now: an open intent first, else a rotation when one is due.

    Args:
        facts: of the credential.
        now: the present, UTC.
        requested_at: when a person asked for a rotation; any promotion since then satisfies the request. A request
            bypasses back-off, parking and windows, never the safety rules.
    """
    hold = hands_off(facts)
    if hold is not None:
        return _plan_beside_a_changed_path(facts, hold, now)
    held = credential_held_back(facts, now)
    if facts.intent is not None:
        return _plan_open_intent(facts, facts.intent, now, held)
    if facts.ledger is not None and facts.ledger.retired_at is not None:
        return _held(facts, Reason.RETIRED, _retired(facts, facts.ledger.retired_at))
    if facts.ledger is not None and facts.ledger.emergency_at is not None:
        return _plan_emergency(facts, facts.ledger.emergency_at, now)
    return _plan_due(facts, now, requested_at, held)


def _plan_beside_a_changed_path(facts: CredentialFacts, hold: Hold, now: datetime) -> Plan:
    """Give up an open intent when tokens that a person ordered to end wait for it: it cannot go on here."""
    intent = facts.intent
    if intent is None or facts.ledger is None or hold.reason not in AT_THE_PATH:
        return Plan(holds=(hold,))
    if not any(one.state is RecordState.REVOKING and one.revoking_reason in ORDERED for one in facts.ledger.ledger):
        return Plan(holds=(hold,))
    if intent.token is None:
        return Plan(_plan_open_intent(facts, intent, now, None).steps, (hold,))
    sentence = (
        f"rotation {intent.rotation_id} of {facts.credential.name} cannot go on beside what somebody else changed at "
        f"the consumers' path, and tokens that a person ordered to end wait for it."
    )
    return Plan(_steps(facts, (Action.ABANDON,), Reason.ORDERED, sentence, intent).steps, (hold,))


def _retired(facts: CredentialFacts, at: datetime) -> str:
    return (
        f"{_name(facts)} was retired at {at:%Y-%m-%d} UTC and is never rotated again; who needs it back gives it "
        f"another name and another path."
    )


def _plan_emergency(facts: CredentialFacts, since: datetime, now: datetime) -> Plan:
    """Go on with an emergency that was interrupted: neither pause, freeze, window nor parking holds it back."""
    sentence = f"{_name(facts)} is compromised: a person ordered at {since:%Y-%m-%d %H:%M:%S} UTC to replace all of it."
    failures = facts.ledger.failures if facts.ledger else Failures()
    wait = backoff_left(failures, facts.credential.policy, now)
    if wait > timedelta():
        return _held(
            facts,
            Reason.BACKING_OFF,
            f"{sentence} The last attempt failed ({failures.last_reason}); the next one is in {span(wait)}. To cut its "
            f"tokens off without a replacement: rotator revoke {facts.credential.name} --all",
            Severity.ERROR,
        )
    return _steps(facts, ROTATION, Reason.COMPROMISED, sentence)


def _name(facts: CredentialFacts) -> str:
    return f"Credential {facts.credential.name} (account {facts.credential.account})"


def _plan_open_intent(facts: CredentialFacts, intent: Intent, now: datetime, held: Hold | None) -> Plan:
    policy, attempt = facts.credential.policy, f"rotation {intent.rotation_id} of {facts.credential.name}"
    if intent.token is None:
        waited = now - intent.opened_at
        if waited < -policy.max_clock_skew:
            return _held(
                facts,
                Reason.TIME_UNKNOWN,
                f"{attempt} (account {facts.credential.account}) was begun {span(-waited)} ahead of this machine's "
                f"clock. It counts as begun when it is first seen by a worker whose clock agrees with Vault's and the "
                f"exchange's. Correct the clock that is off.",
                Severity.WARNING,
            )
        if waited < policy.derive_deadline:
            return _held(
                facts,
                Reason.DERIVE_IN_FLIGHT,
                f"The derive of {attempt} was asked for {span(waited)} ago and its answer may still be on its way; "
                f"it is left alone for {span(policy.derive_deadline)}.",
            )
        sentence = f"The answer to the derive of {attempt} never came ({span(waited)}): its secret is lost."
        return _steps(facts, (Action.ABANDON,), Reason.DERIVE_LOST, sentence, intent)
    path_version = facts.path.version if facts.path else None
    if facts.served_token_id == intent.token.token_id:
        sentence = f"{attempt} is promoted already (version {path_version}) but not closed."
        return _steps(facts, (Action.CLOSE,), Reason.PROMOTED_ALREADY, sentence, intent)
    if path_version == intent.expected_version:
        if held is not None and _keeps_staged(facts, intent, held):
            # The secret is safe in the journal; what services are served does not change now.
            return Plan(holds=(held,))
        sentence = f"{attempt} was interrupted after its secret was staged; it goes on from there."
        return _steps(facts, (Action.VERIFY, Action.PROMOTE, Action.CLOSE), Reason.ROLL_FORWARD, sentence, intent)
    sentence = (
        f"{attempt} can no longer be promoted: the consumers' path is at version {path_version}, past version "
        f"{intent.expected_version} on which it was decided, and does not serve its token."
    )
    return _steps(facts, (Action.ABANDON,), Reason.FENCED, sentence, intent)


def _keeps_staged(facts: CredentialFacts, intent: Intent, held: Hold) -> bool:
    """Whether that hold keeps a staged token from being promoted.

    A list that shrank stops only derives and revocations. A freeze does not keep services waiting that are rejected.
    """
    if intent.kind == "emergency" or held.reason is Reason.LIST_SHRANK:
        return False
    return held.reason is Reason.PAUSED or _rejected(facts) is None


def _rejected(facts: CredentialFacts) -> str | None:
    """Return why services are being rejected: they are served a token that was proved dead, or that we ended."""
    dangling = facts.state.ledger.dangling_token(facts.current.token_id) if facts.state and facts.current else None
    if dangling is not None:
        return f"{_name(facts)} serves a token that the exchange refuses (proved at {dangling.proved_at:%H:%M:%S})."
    served = facts.ledger.record_of(facts.served_token_id) if facts.ledger and facts.served_token_id else None
    if served is not None and served.state in {RecordState.REVOKING, RecordState.REVOKED}:
        return f"{_name(facts)} still serves {served.label}, which was revoked ({served.revoking_reason})."
    return None


def _plan_due(facts: CredentialFacts, now: datetime, requested_at: datetime | None, held: Hold | None) -> Plan:
    policy, current = facts.credential.policy, facts.current
    promoted_at = current.promoted_at if current else None
    rejected = _rejected(facts)
    if rejected is not None and held is not None and held.reason is Reason.PAUSED:
        return Plan(holds=(replace(held, sentence=f"{rejected} {held.sentence}"),))
    if rejected is not None:
        return _plan_rejected(facts, rejected, now, asked=requested_at is not None)
    if requested_at is not None:
        return _plan_requested(facts, promoted_at, requested_at, held)
    if current is None:
        reason, sentence = Reason.NEVER_ISSUED, f"{_name(facts)} has no live token of ours."
    elif promoted_at is None:
        sentence = f"When the current token of {_name(facts)} was promoted is unknown, so nobody can say if it is due."
        return _held(facts, Reason.TIME_UNKNOWN, sentence, Severity.WARNING)
    elif promoted_at - now > policy.max_clock_skew:
        return _held(
            facts,
            Reason.TIME_UNKNOWN,
            f"{_name(facts)} was promoted at {promoted_at:%Y-%m-%d %H:%M:%S} UTC, in the future of this machine's "
            f"clock: whether it is due is unknown. Correct the clock that is off.",
            Severity.WARNING,
        )
    else:
        verdict, age = judge_due(facts.credential.name, policy, promoted_at, now), now - promoted_at
        turn = turn_of(facts, verdict.next_at, now)
        if is_overdue(current, policy, now):
            reason, sentence = Reason.OVERDUE, f"{_name(facts)} is older than max_age {span(policy.max_age)}."
        elif verdict.due and now < turn:
            return _held(
                facts,
                Reason.NOT_DUE,
                f"{_name(facts)} fell due in a freeze that is over. Credentials that fell due during it are spread "
                f"out; this one's turn comes in {span(turn - now)}.",
            )
        elif verdict.due:
            reason, sentence = (
                Reason.PERIOD_REACHED,
                f"{_name(facts)} is {span(age)} old and was due {_since(verdict, now)}.",
            )
        else:
            missed = verdict.missed is not None
            why = f"the window of {verdict.missed:%Y-%m-%d %H:%M} UTC is closed, " if verdict.missed else ""
            return _held(
                facts,
                Reason.WINDOW_CLOSED if missed else Reason.NOT_DUE,
                f"{_name(facts)} is {span(age)} old; {why}it is due in {span(verdict.next_at - now)}.",
            )
    if held is not None:
        return Plan(holds=(held,))
    return _unless_failing(facts, reason, sentence, now)


def _plan_rejected(facts: CredentialFacts, rejected: str, now: datetime, *, asked: bool) -> Plan:
    """Rotate: services are being rejected already, and no window, freeze or parking makes that better.

    But where as many attempts as would park it have made nothing, further ones only pile up tokens that nothing may
    revoke while the current one is not live: from then on they are a little apart.
    """
    policy, failures = facts.credential.policy, facts.ledger.failures if facts.ledger else Failures()
    last = failures.last_at
    if asked or last is None or failures.may_have_made_tokens < policy.park_after:
        return _steps(facts, ROTATION, Reason.DANGLING, rejected)
    wait = min(backoff_left(failures, policy, now), LONGEST_WAIT_OF_REJECTED - max(timedelta(), now - last))
    if wait <= timedelta():
        return _steps(facts, ROTATION, Reason.DANGLING, rejected)
    return _held(
        facts,
        Reason.BACKING_OFF,
        f"{rejected} The last {failures.attempts} attempts failed ({failures.last_reason}); the next one is in "
        f"{span(wait)}. To try at once: rotator rotate {facts.credential.name}",
        Severity.ERROR,
    )


def _plan_requested(
    facts: CredentialFacts, promoted_at: datetime | None, requested_at: datetime, held: Hold | None
) -> Plan:
    if promoted_at is not None and promoted_at >= requested_at:
        sentence = f"{_name(facts)} was rotated at {promoted_at:%H:%M:%S} UTC, since it was asked for."
        return _held(facts, Reason.REQUESTED, sentence)
    sentence = f"{_name(facts)} is rotated because a person asked for it."
    return Plan(holds=(held,)) if held else _steps(facts, ROTATION, Reason.REQUESTED, sentence)


def _since(verdict: Due, now: datetime) -> str:
    return f"{span(now - verdict.next_at)} ago" if now > verdict.next_at else "just now"


def _unless_failing(facts: CredentialFacts, reason: Reason, sentence: str, now: datetime) -> Plan:
    policy, failures = facts.credential.policy, facts.ledger.failures if facts.ledger else Failures()
    if is_parked(failures, policy):
        return _held(
            facts,
            Reason.PARKED,
            f"{sentence} It is parked after {failures.count} failed attempts ({failures.last_reason}): nothing is "
            f"tried until a person has looked. Then: rotator resume {facts.credential.name}",
        )
    wait = backoff_left(failures, policy, now)
    if wait > timedelta():
        return _held(
            facts,
            Reason.BACKING_OFF,
            f"{sentence} The last {failures.attempts} attempts failed ({failures.last_reason}); the next one is in "
            f"{span(wait)}.",
        )
    return _steps(facts, ROTATION, reason, sentence)


def is_parked(failures: Failures, policy: Policy) -> bool:
    """Whether so many attempts in a row failed that only a person starts the next one."""
    return failures.count >= policy.park_after


def longest_backoff(failures: int, policy: Policy) -> timedelta:
    """Return the ceiling of the wait after that many failures: `backoff_base`, doubled for each further one, capped.

    The wait itself is drawn from zero to here (full jitter), once, when the attempt fails.
    """
    doublings: int = 2 ** min(max(failures - 1, 0), 20)
    return min(policy.backoff_cap, policy.backoff_base * doublings)


def backoff_left(failures: Failures, policy: Policy, now: datetime) -> timedelta:
    """Return how long the next attempt still waits; never longer than `backoff_cap`, wherever the clocks are."""
    if failures.attempts == 0 or failures.retry_at is None:
        return timedelta()
    return min(policy.backoff_cap, max(timedelta(), failures.retry_at - now))


def _held(facts: CredentialFacts, reason: Reason, sentence: str, severity: Severity = Severity.INFO) -> Plan:
    return Plan(holds=(Hold(facts.credential.account, facts.credential.name, reason, sentence, severity),))


def _steps(
    facts: CredentialFacts, actions: tuple[Action, ...], reason: Reason, why: str, intent: Intent | None = None
) -> Plan:
    return Plan(
        steps=tuple(
            Step(
                action=action,
                account=facts.credential.account,
                credential=facts.credential.name,
                reason=reason,
                sentence=f"{why} Next: {_PURPOSE[action]}.",
                token_id=intent.token.token_id if intent and intent.token else None,
                label=intent.label if intent else None,
                rotation_id=intent.rotation_id if intent else None,
            )
            for action in actions
        )
    )
