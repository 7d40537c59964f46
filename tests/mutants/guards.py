"""Rules that hold a credential or an account back."""

from tests.mutants.mutant import of
from tests.mutants.tree import by_pytest

_GUARDS = "worker/policy/guards.py"

GUARDS = (
    of(
        "clock-guard",
        "nothing is revoked while the clocks differ",
        "worker/policy/clocks.py",
        "    if apart <= tolerance:\n",
        "    if apart is not None:\n",
        by_pytest("tests/unit/policy/test_revocation.py"),
    ),
    of(
        "fresh-facts",
        "a worker that stood still derives nothing on what it read before",
        "worker/engine/freshness.py",
        "    if age > LONGEST:\n",
        "    if age is None:\n",
        by_pytest("tests/unit/engine/test_freshness.py"),
    ),
    of(
        "pause",
        "what a person paused is left alone",
        _GUARDS,
        "    if pause is not None:\n",
        "    if pause is not None and not ledger:\n",
        by_pytest("tests/unit/policy/test_guards.py"),
    ),
    of(
        "freeze",
        "what is frozen is left alone",
        _GUARDS,
        "    if freeze is not None:\n",
        "    if freeze is not None and not ledger:\n",
        by_pytest("tests/unit/policy/test_guards.py"),
    ),
    of(
        "doubted-list",
        "a list that shrank stops derives and revocations",
        _GUARDS,
        "    if ledger.suspicion is not None:\n",
        "    if ledger.suspicion is not None and not ledger:\n",
        by_pytest("tests/unit/policy/test_guards.py"),
    ),
    of(
        "journal-behind",
        "a journal that was restored from a backup stops the credential",
        "worker/policy/safety.py",
        "    if path.document is not None and is_ahead(facts):\n",
        "    if path.document is not None and path is None:\n",
        by_pytest(
            "tests/unit/policy/test_rotation.py tests/unit/policy/test_revocation.py tests/unit/policy/test_orders.py"
        ),
    ),
    of(
        "drift",
        "nothing is done while a path holds what another hand wrote",
        "worker/policy/safety.py",
        "    return _drift(facts, journal, path, name)\n",
        "    return _drift(facts, journal, path, name) if not path else None\n",
        by_pytest(
            "tests/unit/policy/test_rotation.py tests/unit/policy/test_revocation.py tests/unit/policy/test_orders.py"
        ),
    ),
)
