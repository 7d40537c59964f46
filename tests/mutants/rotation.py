"""Rules of a rotation: what is written, proved and fenced in which order."""

from tests.mutants.mutant import of
from tests.mutants.tree import by_pytest, model

_ROTATING = "worker/engine/rotating.py"

ROTATION = (
    of(
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
    of(
        "verification",
        "nothing is promoted that was not verified",
        _ROTATING,
        "        if verdict is not Verification.PROVED:\n            return self._refuse(step, verdict)\n",
        "",
        model("refusals", 50),
    ),
    of(
        "fence-of-a-refused-token",
        "the path is fenced before a staged token is given up",
        _ROTATING,
        "            fence_path(world, self._location, expected=intent.expected_version if intent else 0)\n",
        "            pass\n",
        by_pytest("tests/unit/engine/test_rotating.py"),
    ),
    of(
        "fence-of-an-order",
        "an order that gives an open intent up makes its promote impossible first",
        "worker/engine/orders.py",
        "        # Not read again: whatever another hand writes from here on must make the promote that follows fail.\n"
        "        return replace(facts, path=fence_path(world, facts.location, expected=intent.expected_version))\n",
        "        return facts\n",
        by_pytest("tests/unit/engine/test_orders_races.py tests/unit/engine/test_fencing.py"),
    ),
    of(
        "promote-against-its-version",
        "a promote follows the very version on which the rotation was decided",
        _ROTATING,
        "world.consumers.write(self._location, document, cas=intent.expected_version)",
        "world.consumers.write(self._location, document, cas=world.consumers.read(self._location).version)",
        by_pytest("tests/unit/engine/test_rotating.py"),
    ),
    of(
        "cas-of-the-journal",
        "a journal is written as the version after the one that was read",
        "worker/vault/journals.py",
        "        receipt = self._kv.write(where, journal_data(journal), cas=cas, max_versions=_MAX_VERSIONS)\n",
        "        latest = self._kv.read(where)\n"
        "        cas = latest.version if latest else 0\n"
        "        receipt = self._kv.write(where, journal_data(journal), cas=cas, max_versions=_MAX_VERSIONS)\n",
        by_pytest("tests/contract/test_vault_ports.py"),
    ),
    of(
        "write-id",
        "only our own write id proves that a write landed",
        "worker/vault/kv.py",
        "found.data.get(WRITE_ID) == write_id",
        "WRITE_ID in found.data",
        by_pytest("tests/contract/test_vault_failures.py"),
    ),
    of(
        "derive-deadline",
        "an intent without a token is left alone for as long as its derive may take",
        "worker/policy/rotation.py",
        "        if waited < policy.derive_deadline:\n",
        "        if waited < policy.derive_deadline * 0:\n",
        by_pytest("tests/unit/policy/test_rotation.py"),
    ),
    of(
        "staging-is-tried-again",
        "while Vault is away the only copy of a secret is kept, and written again",
        "worker/engine/staging.py",
        "            if world.clock.monotonic() + pause >= give_up_at:\n",
        "            if world.clock.monotonic() >= 0:\n",
        by_pytest("tests/unit/engine/test_rotating.py"),
    ),
)
