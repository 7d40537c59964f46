"""What a person reads of the model's runs: one run's trace, or the account of many."""

from collections import Counter
from collections.abc import Sequence

from tests.model.driver import Ran

_SHOWN = 80


def trace_of(ran: Ran, last: int | None = None) -> str:
    """Return a run as text: what was drawn, what happened (the last lines alone, if asked), what was broken."""
    lines = [f"seed {ran.seed}; disturbances: {ran.weather or 'none'}"]
    first = min((one.at for one in ran.violations), default=None)
    trace = [one for one in ran.trace if first is None or float(one[:14]) <= first]
    lines += trace[-last:] if last is not None else trace
    lines += [f"at {one.at:.2f} s: {one.promise.name}: {one.promise.value}: {one.what}" for one in ran.violations[:3]]
    return "\n".join(lines)


def account_of(rans: Sequence[Ran], seconds: float) -> str:
    """Return what was run and what was found, as docs/reliability.md states it."""
    counts: Counter[str] = Counter()
    for one in rans:
        counts.update(one.counts)
    kinds = Counter(one.violations[0].promise.value for one in rans if one.violations)
    runs = f"{len(rans):,} runs in {seconds:,.0f} s: " + ", ".join(f"{n:,} {what}" for what, n in counts.items())
    if not kinds:
        return f"{runs}; no promise was broken"
    first = next(one.seed for one in rans if one.violations)
    broken = "\n".join(f"  {number:>5}  {what}" for what, number in kinds.most_common())
    return f'{runs}\n{broken}\nTo see the first of them: make model ARGS="--seed {first}"'


def shown(ran: Ran) -> str:
    """Return the end of a run's trace and how to see all of it."""
    return f'{trace_of(ran, _SHOWN)}\nThe whole of it: make model ARGS="--seed {ran.seed}"'
