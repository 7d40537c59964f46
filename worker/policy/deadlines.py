"""How long one run of a rotation may take: what its lease must outlast."""

from datetime import timedelta

from config.schema import Policy


def longest_run(policy: Policy) -> timedelta:
    """Return for how long a credential is held while it is rotated.

    From the intent on, the derive and the staging of its secret have one `derive_deadline`, after which anybody may
    abandon the attempt; `verify_deadline` follows. Whatever else is asked of Vault and exchange (reading, listing,
    promoting, closing) has its own time-outs, and has another `derive_deadline` here. Who is slower than that loses its
    lease, and check-and-set decides.
    """
    return 2 * policy.derive_deadline + policy.verify_deadline
