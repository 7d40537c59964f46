"""Rules of a revocation: what is ours, and what services may still hold."""

from tests.mutants.mutant import of
from tests.mutants.tree import by_pytest, model

_REVOCATION = "worker/policy/revocation.py"

REVOCATION = (
    of(
        "hunt-for-labels",
        "a live token with a label of ours that no record knows is an orphan",
        _REVOCATION,
        "    if journal is None or journal.intent is not None or not tokens:\n        return ()\n    ours =",
        "    if journal is None or tokens is not None:\n        return ()\n    ours =",
        model("lost", 40),
    ),
    of(
        "grace",
        "a superseded token lives for its grace",
        _REVOCATION,
        "    if overlap < policy.grace:\n",
        "    if overlap < policy.grace * 0:\n",
        by_pytest("tests/unit/policy/test_revocation.py"),
    ),
    of(
        "quiet",
        "a token that services use is not revoked before max_age",
        _REVOCATION,
        "    if last is not None and quiet_for_sure(facts, last, now) < quiet_for:\n",
        "    if last is not None and quiet_for_sure(facts, last, now) < quiet_for * 0:\n",
        by_pytest("tests/unit/policy/test_revocation.py"),
    ),
    of(
        "discounted-windows",
        "our own calls are nobody's use",
        "worker/policy/usage.py",
        "    return any(_covers(window, last, policy) for window in record.windows)\n",
        "    return False\n",
        by_pytest("tests/unit/policy/test_usage.py"),
    ),
    of(
        "mark",
        "a token is marked in the journal before it is deleted",
        "worker/engine/revoking.py",
        "        self._write(marked)\n",
        "        self._journal = self._journal._replace(journal=marked)\n",
        by_pytest("tests/unit/engine/test_revoking.py"),
    ),
    of(
        "served-elsewhere",
        "a token that another credential's path serves is not revoked",
        "worker/policy/copies.py",
        "    if isinstance(verdict, Hold) or verdict.action is not Action.REVOKE:\n",
        "    if verdict:\n",
        by_pytest("tests/unit/engine/test_served_elsewhere.py"),
    ),
    of(
        "no-revocation-under-an-intent",
        "nothing is revoked while an intent is open",
        _REVOCATION,
        '    if journal.intent is not None:\n        sentence = f"Nothing of',
        '    if journal.intent is not None and not journal:\n        sentence = f"Nothing of',
        by_pytest("tests/unit/policy/test_revocation.py"),
    ),
    of(
        "only-a-known-404",
        "a 404 ends an entry only for a token that is old enough to be known everywhere",
        _REVOCATION,
        "    return born is not None and now - born > facts.credential.policy.lastused_lag\n",
        "    return True\n",
        by_pytest("tests/unit/policy/test_revocation.py"),
    ),
    of(
        "cap",
        "one sweep revokes no more than the account's cap",
        "worker/policy/caps.py",
        "    return (*turns[:cap], *destroys), held\n",
        "    return (*turns, *destroys), held\n",
        by_pytest("tests/unit/policy/test_properties.py"),
    ),
    of(
        "cap-shared",
        "orphans do not keep superseded tokens waiting for ever",
        "worker/policy/caps.py",
        "chain.from_iterable(zip_longest(first, second))",
        "chain(first, second)",
        by_pytest("tests/unit/engine/test_caps.py"),
    ),
)
