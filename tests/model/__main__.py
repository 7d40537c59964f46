"""`make model`: any number of runs, each from its seed; the first broken promises are shown with their traces."""

import argparse
import sys
import time
from functools import partial

from tests.model.driver import STEPS, run
from tests.model.many import run_all
from tests.model.report import account_of, trace_of
from tests.model.weather import KINDS


def main() -> int:
    """Run what the command line asks for; return 1 when a promise was broken."""
    asked = _arguments()
    only = frozenset(asked.only.split(",")) - {""} if asked.only is not None else None
    unknown = (only or frozenset()) - set(KINDS)
    if unknown:
        _say(f"Unknown: {', '.join(sorted(unknown))}. Disturbances: {', '.join(KINDS)}")
        return 2
    past = frozenset(asked.past.split(","))
    if asked.seed is not None:
        ran = run(asked.seed, only=only, steps=asked.steps, traced=True, past=past)
        _say(trace_of(ran))
        return 1 if ran.violations else 0
    begun = time.monotonic()
    seeds = range(asked.start, asked.start + asked.examples)
    one_run = partial(run, only=only, steps=asked.steps, past=past)
    rans = run_all(seeds, one_run, jobs=asked.jobs, most=asked.most, say=_say)
    _say(account_of(rans, time.monotonic() - begun))
    return 1 if any(one.violations for one in rans) else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=main.__doc__)
    parser.add_argument("--examples", type=int, default=1000, help="how many runs (1000)")
    parser.add_argument("--from", dest="start", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time (2)")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"events of a storm ({STEPS})")
    parser.add_argument("--only", help="these disturbances alone, separated by commas; drawn unless given")
    parser.add_argument("--most", type=int, default=20, help="stop after so many runs with a broken promise (20)")
    parser.add_argument("--past", default="", help="names of promises to look past, while a hole is known and open")
    parser.add_argument("--seed", type=int, help="run this one alone, and print its trace")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
