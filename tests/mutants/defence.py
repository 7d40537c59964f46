"""Rules that hold against Redis, servers and networks that are not trusted."""

from tests.mutants.mutant import Mutant, of
from tests.mutants.tree import Change, by_pytest

_GATE = "worker/gate.py"
_OF_THE_GATE = by_pytest("tests/unit/celery/test_gate.py")

DEFENCE = (
    of(
        "gate-own-tasks",
        "a message wakes up a task of our own list alone",
        _GATE,
        "    known = expected.get(task) if isinstance(task, str) else None\n",
        "    known = expected.get(task, next(iter(expected.values()))) if isinstance(task, str) else None\n",
        _OF_THE_GATE,
    ),
    of(
        "gate-known-names",
        "a message names one thing that is configured",
        _GATE,
        "or not isinstance(args[0], str) or args[0] not in known.names:\n",
        "or not isinstance(args[0], str):\n",
        _OF_THE_GATE,
    ),
    of(
        "gate-no-extras",
        "a message is no more than a wake-up: no links, times, or compression",
        _GATE,
        "    if any(headers.get(one) not in _EMPTY for one in _SENT_EMPTY):\n",
        "    if headers is None:\n",
        _OF_THE_GATE,
    ),
    of(
        "total-deadline",
        "one deadline bounds all of an exchange with a server",
        "worker/network.py",
        "    left = bounds.ends_at - time.monotonic()\n",
        "    left = bounds.ends_at + 30 - time.monotonic()\n",
        by_pytest("tests/unit/exchange/test_hostile.py -k derive_whose_answer_drips"),
    ),
    of(
        "redirects-of-the-exchange",
        "no redirect of the exchange is followed",
        "worker/exchange/transport.py",
        "                follow_redirects=False,\n",
        "                follow_redirects=True,\n",
        by_pytest("tests/unit/exchange"),
    ),
    Mutant(
        "redirects-of-vault",
        "no redirect of Vault is followed",
        (
            Change(
                "worker/vault/network.py",
                "        del resp\n        return None\n",
                "        return super().get_redirect_target(resp)\n",
            ),
            Change(
                "worker/vault/client.py",
                "                allow_redirects=False,\n                adapter",
                "                allow_redirects=True,\n                adapter",
            ),
        ),
        (by_pytest("tests/unit/vault/test_hostile.py"),),
    ),
    of(
        "encoding-of-the-exchange",
        "an answer of the exchange in an encoding is not unpacked",
        "worker/exchange/transport.py",
        'response.headers.get("content-encoding", "identity").strip()',
        '"identity".strip()',
        by_pytest("tests/unit/exchange/test_hostile.py -k encoding"),
    ),
    of(
        "encoding-of-vault",
        "an answer of Vault in an encoding is not unpacked",
        "worker/vault/network.py",
        '        if encoding not in {"", "identity"} and',
        "        if encoding is None and",
        by_pytest("tests/unit/vault/test_hostile.py -k encoding"),
    ),
)
