"""Many runs, in processes of their own."""

import gc
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context

from tests.model.driver import Ran

_CHUNK = 25
_TOLD_EVERY = 500


def run_all(
    seeds: range, one_run: Callable[[int], Ran], *, jobs: int, most: int, say: Callable[[str], None]
) -> list[Ran]:
    """Run the seeds, so many at a time, until so many of them broke a promise; each of these is told at once."""
    chunks = [seeds[at : at + _CHUNK] for at in range(0, len(seeds), _CHUNK)]
    rans: list[Ran] = []
    # A process that has run many is replaced: what Python keeps of its frames adds up.
    with get_context("spawn").Pool(jobs, maxtasksperchild=20) as pool:
        for found in pool.imap(partial(_run_chunk, one_run), chunks):
            rans.extend(found)
            if len(rans) // _TOLD_EVERY > (len(rans) - len(found)) // _TOLD_EVERY:
                say(f"{len(rans)} runs")
            for one in found:
                for violation in one.violations[:1]:
                    say(f"seed {one.seed}: {violation.promise.value}: {violation.what}")
            if sum(bool(one.violations) for one in rans) >= most:
                break
    return rans


def _run_chunk(one_run: Callable[[int], Ran], seeds: range) -> list[Ran]:
    # Looking for cycles all the while costs a quarter of the time; a chunk is small enough to do without.
    gc.disable()
    try:
        return [one_run(seed) for seed in seeds]
    finally:
        gc.enable()
        gc.collect()
