"""Many runs, in processes of their own."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
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
    broken = 0
    # A process that has run many is replaced: what Python keeps of its frames adds up.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), max_tasks_per_child=20) as pool:
        waiting = [pool.submit(_run_chunk, chunk, one_run) for chunk in chunks]
        for future in waiting:
            if future.cancelled():
                continue
            rans.extend(future.result())
            if len(rans) // _TOLD_EVERY > (len(rans) - len(future.result())) // _TOLD_EVERY:
                say(f"{len(rans)} runs")
            for one in future.result():
                broken += bool(one.violations)
                for violation in one.violations[:1]:
                    say(f"seed {one.seed}: {violation.promise.value}: {violation.what}")
            if broken >= most:
                for other in waiting:
                    other.cancel()
    return rans


def _run_chunk(seeds: range, one_run: Callable[[int], Ran]) -> list[Ran]:
    return [one_run(seed) for seed in seeds]
