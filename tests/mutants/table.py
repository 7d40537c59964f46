"""The rules of the protocol, each with the change that takes it out and the suites of which one must turn red."""

from dataclasses import dataclass

from tests.mutants.tree import Change, Suite, by_pytest, model

_ROTATING = "worker/engine/rotating.py"
_REVOCATION = "worker/policy/revocation.py"
_GUARDS = "worker/policy/guards.py"


@dataclass(frozen=True)
class Mutant:
    """One rule that is taken out.

    Args:
        name: what the command line calls it.
        rule: what no longer holds.
        changes: of the copy's files.
        suites: tried in this order until one turns red.
    """

    name: str
    rule: str
    changes: tuple[Change, ...]
    suites: tuple[Suite, ...]


def _of(name: str, rule: str, file: str, old: str, new: str, *suites: Suite) -> Mutant:
    return Mutant(name, rule, (Change(file, old, new),), suites)


PROTOCOL = (
    _of(
        "read-back",
        "a staged secret is verified as Vault holds it, not as it is in memory",
        _ROTATING,
        "        fresh = world.journals.read(self._location)\n"
        "        if fresh is None or fresh.version != seen.version:\n"
        "            return None\n"
        "        self._journal = fresh\n"
        "        return fresh.journal.intent\n",
        "        return seen.journal.intent\n",
        model("", 10),
    ),
    _of(
        "verification",
        "nothing is promoted that was not verified",
        _ROTATING,
        "        if verdict is not Verification.PROVED:\n            return self._refuse(step, verdict)\n",
        "",
        model("refusals", 100),
    ),
    _of(
        "fence-of-a-refused-token",
        "the path is fenced before a staged token is given up",
        _ROTATING,
        "            fence_path(world, self._location, self._path, "
        "expected=intent.expected_version if intent else 0)\n",
        "            pass\n",
        by_pytest("tests/unit/engine/test_rotating.py"),
    ),
    _of(
        "fence-of-an-order",
        "an order that gives an open intent up makes its promote impossible first",
        "worker/engine/orders.py",
        "        # Not read again: whatever another hand writes from here on must make the promote that follows fail.\n"
        "        return replace(facts, path=fence_path(world, facts.location, path, "
        "expected=intent.expected_version))\n",
        "        return facts\n",
        model("orders,stops,leases", 200),
    ),
    _of(
        "promote-against-its-version",
        "a promote follows the very version on which the rotation was decided",
        _ROTATING,
        "world.consumers.write(self._location, document, cas=intent.expected_version)",
        "world.consumers.write(self._location, document, cas=world.consumers.read(self._location).version)",
        by_pytest("tests/unit/engine/test_rotating.py"),
    ),
    _of(
        "cas-of-the-journal",
        "a journal is written as the version after the one that was read",
        "worker/vault/journals.py",
        "        receipt = self._kv.write(where, journal_data(journal), cas=cas, max_versions=_MAX_VERSIONS)\n",
        "        latest = self._kv.read(where)\n"
        "        cas = latest.version if latest else 0\n"
        "        receipt = self._kv.write(where, journal_data(journal), cas=cas, max_versions=_MAX_VERSIONS)\n",
        model("leases,stops,kills", 200),
    ),
    _of(
        "write-id",
        "only our own write id proves that a write landed",
        "worker/vault/kv.py",
        "found.data.get(WRITE_ID) == write_id",
        "WRITE_ID in found.data",
        by_pytest("tests/contract/test_vault_failures.py"),
    ),
    _of(
        "derive-deadline",
        "an intent without a token is left alone for as long as its derive may take",
        "worker/policy/rotation.py",
        "        if waited < policy.derive_deadline:\n",
        "        if waited < policy.derive_deadline * 0:\n",
        by_pytest("tests/unit/policy/test_rotation.py"),
    ),
    _of(
        "hunt-for-labels",
        "a live token with a label of ours that no record knows is an orphan",
        _REVOCATION,
        "    if journal is None or journal.intent is not None or not tokens:\n        return ()\n    ours =",
        "    if journal is None or tokens is not None:\n        return ()\n    ours =",
        model("lost", 40),
    ),
    _of(
        "grace",
        "a superseded token lives for its grace",
        _REVOCATION,
        "    if overlap < policy.grace:\n",
        "    if overlap < policy.grace * 0:\n",
        model("stops", 60),
        by_pytest("tests/unit/policy/test_revocation.py"),
    ),
    _of(
        "quiet",
        "a token that services use is not revoked before max_age",
        _REVOCATION,
        "    if last is not None and _quiet_for(facts, last, now) < quiet_for:\n",
        "    if last is not None and _quiet_for(facts, last, now) < quiet_for * 0:\n",
        by_pytest("tests/unit/policy/test_revocation.py"),
    ),
    _of(
        "discounted-windows",
        "our own calls are nobody's use",
        "worker/policy/usage.py",
        "    return any(_covers(window, last, policy) for window in record.windows)\n",
        "    return False\n",
        by_pytest("tests/unit/policy/test_usage.py"),
    ),
    _of(
        "mark",
        "a token is marked in the journal before it is deleted",
        "worker/engine/revoking.py",
        "        self._write(marked)\n",
        "        self._journal = self._journal._replace(journal=marked)\n",
        by_pytest("tests/unit/engine/test_revoking.py"),
    ),
    _of(
        "served-elsewhere",
        "a token that another credential's path serves is not revoked",
        _REVOCATION,
        "    if isinstance(verdict, Hold) or verdict.action is not Action.REVOKE:\n",
        "    if verdict:\n",
        model("copies", 100),
    ),
    _of(
        "no-revocation-under-an-intent",
        "nothing is revoked while an intent is open",
        _REVOCATION,
        '    if journal.intent is not None:\n        sentence = f"Nothing of',
        '    if journal.intent is not None and not journal:\n        sentence = f"Nothing of',
        by_pytest("tests/unit/policy/test_revocation.py"),
    ),
    _of(
        "only-a-known-404",
        "a 404 ends an entry only for a token that is old enough to be known everywhere",
        _REVOCATION,
        "    return born is not None and now - born > facts.credential.policy.lastused_lag\n",
        "    return True\n",
        by_pytest("tests/unit/policy/test_revocation.py"),
    ),
    _of(
        "cap",
        "one sweep revokes no more than the account's cap",
        "worker/policy/caps.py",
        "    return (*revokes[:cap], *destroys), held\n",
        "    return (*revokes, *destroys), held\n",
        by_pytest("tests/unit/policy/test_properties.py"),
    ),
    _of(
        "clock-guard",
        "nothing is revoked while the clocks differ",
        "worker/policy/safety.py",
        "    if apart > tolerance:\n",
        "    if apart > tolerance and not facts:\n",
        by_pytest("tests/unit/policy/test_revocation.py"),
    ),
    _of(
        "pause",
        "what a person paused is left alone",
        _GUARDS,
        "    if pause is not None:\n",
        "    if pause is not None and not ledger:\n",
        by_pytest("tests/unit/policy/test_guards.py"),
    ),
    _of(
        "freeze",
        "what is frozen is left alone",
        _GUARDS,
        "    if freeze is not None:\n",
        "    if freeze is not None and not ledger:\n",
        by_pytest("tests/unit/policy/test_guards.py"),
    ),
    _of(
        "doubted-list",
        "a list that shrank stops derives and revocations",
        _GUARDS,
        "    if ledger.suspicion is not None:\n",
        "    if ledger.suspicion is not None and not ledger:\n",
        by_pytest("tests/unit/policy/test_guards.py"),
    ),
    _of(
        "journal-behind",
        "a journal that was restored from a backup stops the credential",
        "worker/policy/safety.py",
        "    if path.document is not None and path.document.sequence > (journal.sequence if journal else 0):\n",
        "    if path.document is not None and path.document.sequence < 0:\n",
        by_pytest("tests/unit/policy"),
    ),
    _of(
        "drift",
        "nothing is done while a path holds what another hand wrote",
        "worker/policy/safety.py",
        "    return _drift(facts, journal, path, name)\n",
        "    return _drift(facts, journal, path, name) if not path else None\n",
        by_pytest("tests/unit/policy"),
    ),
    _of(
        "staging-is-tried-again",
        "while Vault is away the only copy of a secret is kept, and written again",
        "worker/engine/staging.py",
        "            if world.clock.monotonic() >= give_up_at:\n",
        "            if world.clock.monotonic() >= 0:\n",
        by_pytest("tests/unit/engine/test_rotating.py"),
    ),
)

MUTANTS = PROTOCOL
