"""`make model`: any number of runs, each from its seed; the first broken promises are shown with their traces."""

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.model.driver import STEPS, Ran, run
from tests.model.report import account_of, trace_of
from tests.model.weather import KINDS

_CHUNK = 25


def main() -> int:
    """Run what the command line asks for; return 1 when a promise was broken."""
    asked = _arguments()
    only = frozenset(asked.only.split(",")) - {""} if asked.only is not None else None
    unknown = (only or frozenset()) - set(KINDS)
    if unknown:
        _say(f"Unknown: {', '.join(sorted(unknown))}. Disturbances: {', '.join(KINDS)}")
        return 2
    if asked.seed is not None:
        ran = run(asked.seed, only=only, steps=asked.steps, traced=True)
        _say(trace_of(ran))
        return 1 if ran.violations else 0
    begun = time.monotonic()
    rans = _run_all(range(asked.start, asked.start + asked.examples), only, asked.steps, asked.jobs, asked.most)
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
    parser.add_argument("--seed", type=int, help="run this one alone, and print its trace")
    return parser.parse_args()


def _run_all(seeds: range, only: frozenset[str] | None, steps: int, jobs: int, most: int) -> list[Ran]:
    chunks = [seeds[at : at + _CHUNK] for at in range(0, len(seeds), _CHUNK)]
    rans: list[Ran] = []
    broken: Counter[bool] = Counter()
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(_run_chunk, chunk, only, steps) for chunk in chunks]
        for future in waiting:
            if future.cancelled():
                continue
            found = future.result()
            rans.extend(found)
            broken.update(bool(one.violations) for one in found)
            for one in found:
                for violation in one.violations[:1]:
                    _say(f"seed {one.seed}: {violation.promise.value}: {violation.what}")
            if broken[True] >= most:
                for other in waiting:
                    other.cancel()
    return rans


def _run_chunk(seeds: range, only: frozenset[str] | None, steps: int) -> list[Ran]:
    return [run(seed, only=only, steps=steps) for seed in seeds]


if __name__ == "__main__":
    raise SystemExit(main())
