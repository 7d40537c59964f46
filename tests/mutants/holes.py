"""Rules whose lack broke a promise under some order of events: each was once missing."""

from tests.mutants.mutant import Mutant, of
from tests.mutants.tree import Change, by_pytest, model

_COPIES = "worker/policy/copies.py"
_MINTING = "worker/engine/minting.py"
_REVOKING = "worker/engine/revoking.py"
_ORDERS = "worker/journal/orders.py"

_AT_THE_PATH = "AT_THE_PATH = frozenset({Reason.DRIFTED, Reason.NOT_ADOPTED, Reason.JOURNAL_BEHIND})\n"
_NOTHING = "AT_THE_PATH: frozenset[Reason] = frozenset()\n"

_ENDS = (
    of(
        "a-lease-that-outlasts",
        "a lease is held for as long as the slowest run of a rotation takes",
        "worker/policy/deadlines.py",
        "    return 2 * policy.derive_deadline + policy.verify_deadline\n",
        "    return policy.derive_deadline\n",
        by_pytest("tests/unit/engine/test_staging.py -k lease"),
    ),
    Mutant(
        "a-journal-wide-check",
        "a token is revoked unstaged only when its id is nowhere in the journal and no version of the path holds it",
        (
            Change(
                "worker/journal/attempts.py",
                "token_id) or journal.record_of(token_id) is not None:\n"
                "        return False\n"
                "    return any(\n"
                "        record.label == label and record.token_id is None and record.state is RecordState.ABANDONED\n"
                "        for record in journal.ledger\n"
                "    )\n",
                "token_id):\n        return False\n    return True\n",
            ),
            Change(
                "worker/engine/staging.py",
                "        if world.consumers.departure(location, token.token_id) is None:\n",
                "        if world is not None:\n",
            ),
        ),
        (model("lost,stops,leases", 25), by_pytest("tests/unit/engine/test_staging.py")),
    ),
    Mutant(
        "b-a-run-ends-with-its-close",
        "a run whose rotation is closed, by whichever step, does nothing more",
        (
            Change("worker/engine/rotating.py", "all(self._closed or self._act(", "all(self._act("),
            Change(
                "worker/engine/rotating.py",
                'raise TransitionError(f"Nothing is staged for',
                'raise ValueError(f"Nothing is staged for',
            ),
        ),
        (by_pytest("tests/unit/engine/test_refusals_race.py"),),
    ),
    Mutant(
        "b-found-by-the-model",
        "the same, found by the model",
        (
            Change("worker/engine/rotating.py", "all(self._closed or self._act(", "all(self._act("),
            Change(
                "worker/engine/rotating.py",
                'raise TransitionError(f"Nothing is staged for',
                'raise ValueError(f"Nothing is staged for',
            ),
        ),
        (model("refusals,stops", 300),),
    ),
    Mutant(
        "c-grace-of-what-was-served",
        "what was at a consumers' path has its grace from the moment it left",
        (
            Change(
                _REVOKING,
                "        if not ordered and self._is_held_by_its_path(step):\n",
                "        if not ordered and step is None:\n",
            ),
            Change(
                "worker/engine/departures.py",
                "    found = world.consumers.departure(location, intent.token.token_id, secret=intent.token.secret)\n",
                "    found = None\n",
            ),
        ),
        (model("paths,kills,acts between calls", 25), by_pytest("tests/unit/engine/test_departures.py")),
    ),
    of(
        "c-path-read-before-the-delete",
        "between mark and DELETE the path is read once more",
        _REVOKING,
        "        if not ordered and self._is_served_again(step):\n",
        "        if not ordered and step is None:\n",
        by_pytest("tests/unit/engine/test_departures.py"),
    ),
    of(
        "c-copy-that-no-sweep-saw",
        "a copy that came and went between two sweeps leaves its readers a grace",
        "worker/policy/elsewhere.py",
        "one.credential.name == seen_in or _written_by_others(one, now, policy.grace)",
        "one.credential.name == seen_in",
        by_pytest("tests/unit/engine/test_served_elsewhere.py"),
    ),
    of(
        "c-grace-of-a-copy",
        "a token that another path served has its grace once it is gone from there",
        _COPIES,
        "copy.works is not False) and subject.was_elsewhere and",
        "copy.works is not False) and subject is None and",
        by_pytest("tests/unit/engine/test_served_elsewhere.py"),
    ),
)

_CLOCKS = (
    of(
        "d-due-by-a-clock-that-was-compared",
        "what is due is judged again by the reading of the clock that was compared with the others",
        _MINTING,
        "        if not again.steps:\n",
        "        if again is None:\n",
        by_pytest("tests/unit/engine/test_clocks.py"),
    ),
    of(
        "d-clock-guard-of-a-mint",
        "nothing is derived while the clocks differ",
        _MINTING,
        "    if hold is not None:\n",
        "    if hold is not None and world is None:\n",
        by_pytest("tests/unit/engine/test_clocks.py"),
    ),
    of(
        "d-dating-of-a-promotion",
        "no promotion is dated by a Vault whose clock differs",
        "worker/journal/dating.py",
        "    if max(before) - skew <= created_time <= now + skew:\n",
        "    if before:\n",
        model("vault clock", 30),
        by_pytest("tests/unit/engine/test_clocks.py"),
    ),
    of(
        "e-dated-anew",
        "what is dated in the future counts from when it was first seen",
        "worker/engine/clocks.py",
        "    if ahead <= tolerance:\n        return facts\n",
        "    if ahead is not None:\n        return facts\n",
        by_pytest("tests/unit/engine/test_clocks.py"),
    ),
    Mutant(
        "e-intent-from-the-future",
        "a worker whose clock is ahead opens no intent, and one that is dated ahead counts from when it is seen",
        (
            Change(
                "worker/engine/clocks.py",
                "    if ahead <= tolerance:\n        return facts\n",
                "    if ahead is not None:\n        return facts\n",
            ),
            Change(_MINTING, "    if hold is not None:\n", "    if hold is not None and world is None:\n"),
        ),
        (model("clocks,kills", 100),),
    ),
)

_PEOPLE = (
    Mutant(
        "g-break-glass",
        "no forged path keeps a person's order from ending what is ours",
        (
            Change(
                "worker/policy/ahead.py",
                "    if document is None or not counted < document.sequence <= counted + MOST_AHEAD:\n"
                "        return False\n"
                "    return _can_be_ours(document, facts.credential.name, journal)\n",
                "    return document is not None and counted < document.sequence\n",
            ),
            Change("worker/policy/safety.py", _AT_THE_PATH, _NOTHING),
        ),
        (model("forgeries,orders", 25),),
    ),
    of(
        "g-sane-sequence",
        "a sequence counts only on a document of ours, and within a sane range",
        "worker/policy/ahead.py",
        "    if document is None or not counted < document.sequence <= counted + MOST_AHEAD:\n        return False\n"
        "    return _can_be_ours(document, facts.credential.name, journal)\n",
        "    return document is not None and counted < document.sequence\n",
        by_pytest("tests/unit/policy/test_ahead.py"),
    ),
    of(
        "g-orders-at-a-forged-path",
        "a person's order ends what is ours, whatever is at the path",
        "worker/policy/safety.py",
        _AT_THE_PATH,
        _NOTHING,
        by_pytest("tests/unit/engine/test_break_glass.py"),
    ),
    of(
        "g-intent-that-an-order-waits-for",
        "an intent that cannot go on is given up when what was ordered to end waits for it",
        "worker/policy/rotation.py",
        "    return Plan(_steps(facts, (Action.ABANDON,), Reason.ORDERED, sentence, intent).steps, (hold,))\n",
        "    return Plan((), (hold,)) if sentence else Plan()\n",
        by_pytest("tests/unit/engine/test_break_glass.py"),
    ),
    of(
        "g-fence-of-an-intent-that-an-order-waits-for",
        "such an intent is given up only behind a fence",
        "worker/engine/rotating.py",
        "        if step.reason is Reason.ORDERED:\n",
        "        if step.reason is Reason.FENCED:\n",
        by_pytest("tests/unit/engine/test_break_glass.py"),
    ),
    of(
        "g-emergency-over-nobodys-token",
        "an emergency goes on over a document that says it is ours and whose token nobody can use",
        "worker/policy/served.py",
        "        is_nobodys=_is_nobodys(account, facts),\n",
        "        is_nobodys=account is None,\n",
        by_pytest("tests/unit/engine/test_break_glass.py"),
    ),
    of(
        "g-believed-list-of-an-emergency",
        "only a list that is believed says that nobody can use what is served",
        "worker/policy/served.py",
        "state is None or state.ledger.suspicion is not None:\n",
        "state is None:\n",
        by_pytest("tests/unit/engine/test_break_glass.py"),
    ),
    of(
        "g-emergency-behind",
        "an emergency goes on above the larger sequence when the journal is behind",
        "worker/policy/orders.py",
        "    if hold is not None and found.ours is not None and",
        "    if hold is not None and found.ours is hold and",
        by_pytest("tests/unit/engine/test_break_glass.py"),
    ),
    of(
        "g-emergency-survives-a-reclaim",
        "an open emergency survives a reclaim",
        _ORDERS,
        '            "failures": Failures(),\n        }\n    )\n\n\ndef _missed(',
        '            "failures": Failures(),\n            "emergency_at": None,\n        }\n    )\n\n\ndef _missed(',
        by_pytest("tests/unit/engine/test_break_glass.py"),
    ),
    of(
        "g-emergency-outlives-its-intent",
        "an emergency whose intent is given up is still open",
        _ORDERS,
        '    since = journal.emergency_at or (intent.opened_at if intent.kind == "emergency" else None)\n',
        "    since = None\n",
        by_pytest("tests/unit/engine/test_break_glass.py"),
    ),
    of(
        "h-lost-answers-never-park",
        "answers that are lost back off and never park",
        "worker/engine/giving_up.py",
        "        lost=reason is Reason.DERIVE_LOST,\n",
        "",
        model("lost,mute", 25),
        by_pytest("tests/unit/engine/test_lost_answers.py"),
    ),
    Mutant(
        "i-copied-path",
        "a token at another path is kept for who reads it there, read or not in this sweep",
        (
            Change(
                _COPIES, "        if unread is not None and subject.was_served and", "        if unread is facts and"
            ),
            Change(
                _COPIES,
                "copy.works is not False) and subject.was_elsewhere and",
                "copy.works is not False) and subject is None and",
            ),
            Change(
                "worker/policy/elsewhere.py",
                "    if age is None or age > policy.max_age:\n",
                "    if age is None or policy is not None:\n",
            ),
        ),
        (model("copies,errors,tokens", 100),),
    ),
    of(
        "i-secret-of-a-copy",
        "an id at another path keeps a token alive only beside its secret",
        "worker/snapshot.py",
        "works=secret == reader.path.document.secret",
        "works=True",
        by_pytest("tests/unit/engine/test_served_elsewhere.py"),
    ),
    of(
        "i-secret-that-we-promoted",
        "a copy's secret is compared with the version that a worker promoted, not with what people wrote",
        "worker/promoted.py",
        "if found is not None and found.version == record.promoted_version else None",
        "if found is not None else None",
        by_pytest("tests/unit/engine/test_served_elsewhere.py"),
    ),
    of(
        "i-max-age-of-a-copy",
        "no copy keeps a token alive past max_age",
        _COPIES,
        "        return self.age is not None and self.age <= self._longest(works=works)\n",
        "        return self.age is not None and works is not False\n",
        by_pytest("tests/unit/engine/test_served_elsewhere.py"),
    ),
    of(
        "i-unread-path-waits",
        "a token waits for another path that cannot be read in this sweep",
        _COPIES,
        "        if unread is not None and subject.was_served and",
        "        if unread is not None and subject is None and",
        by_pytest("tests/unit/engine/test_served_elsewhere.py"),
    ),
    of(
        "j-byte-for-byte",
        "a fence leaves the owner's fields of a document as they were",
        "worker/vault/documents.py",
        "    return {**data, WRITE_ID: fresh if",
        '    known = {*_OTHER_FIELDS, "token_id", "secret", WRITE_ID}\n'
        "    data = {one: value for one, value in data.items() if one in known}\n"
        "    return {**data, WRITE_ID: fresh if",
        model("refusals", 50),
        by_pytest("tests/unit/engine/test_fencing.py"),
    ),
    of(
        "k-list-before-the-intent",
        "a list that lacks what is known lets no derive through",
        _MINTING,
        "    return _why_shrunk(world, facts)\n",
        "    return hold\n",
        model("lists", 25),
        by_pytest("tests/unit/engine/test_minting.py"),
    ),
    of(
        "k-part-of-what-should-be-there",
        "a list is judged by the tokens that we did not revoke",
        "worker/account_ledger.py",
        "(ledger.baseline.token_ids if ledger.baseline else expected) if one not in ended]",
        "(ledger.baseline.token_ids if ledger.baseline else expected)]",
        by_pytest("tests/unit/test_account_ledger.py"),
    ),
    of(
        "k-first-list-that-lacks-what-journals-know",
        "a first list is compared with what journals call current",
        "worker/policy/observation.py",
        "        expected=sorted(_surely_listed(facts, now)),\n",
        "",
        by_pytest("tests/unit/engine/test_minting.py"),
    ),
)

HOLES = (*_ENDS, *_CLOCKS, *_PEOPLE)
