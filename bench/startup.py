"""How long the command line takes before it says anything, against a process that only imports click.

Prints the least, median and most wall seconds over interleaved repetitions, and the ratio of the medians.
"""

import statistics
import subprocess
import sys
import time

REPETITIONS = 9
COMMANDS = {
    "import click": ["-c", "import click"],
    "rotator --version": ["-c", "from worker.cli import main; main(['--version'])"],
    "rotator --help": ["-c", "from worker.cli import main; main(['--help'])"],
    "rotator plan --help": ["-c", "from worker.cli import main; main(['plan', '--help'])"],
}


def main() -> None:
    """Measure and print."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(REPETITIONS):
        for name, arguments in COMMANDS.items():
            begun = time.perf_counter()
            subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)  # noqa: S603 - our own
            seconds[name].append(time.perf_counter() - begun)
    bare = statistics.median(seconds["import click"])
    sys.stdout.write(f"{'command':<22}{'least':>8}{'median':>8}{'most':>8}{'ratio':>8}\n")
    for name, times in seconds.items():
        middle = statistics.median(times)
        sys.stdout.write(f"{name:<22}{min(times):>7.2f}s{middle:>7.2f}s{max(times):>7.2f}s{middle / bare:>8.1f}\n")


if __name__ == "__main__":
    main()
