"""How soon qrtui is there: processor seconds of `qrtui --help`, and a warm start of the demo until it generates.

The first against starting Python at all, the second against `import torch, transformers` alone; turn by turn, medians.
Files are in the page cache from an unmeasured first turn. The demo runs as plain text into a new database.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sides.turns import machine, spread

BARE = "import torch, transformers"


def processor_seconds(*arguments: str) -> float:
    """What a command used of the processor."""
    before = os.times()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def seconds(*arguments: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def until_generating(database: Path) -> dict[str, float]:
    """Seconds from starting the demo until each new stage of it, the last of them that it generates."""
    started, stages = time.perf_counter(), {}
    command = [sys.executable, "-u", "-m", "qrtui", "demo", "--db", str(database)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            stages[line.strip()] = time.perf_counter() - started
            if "generating with" in line:
                break
        process.send_signal(signal.SIGINT)
        process.stdout.read()
    if not any("generating with" in line for line in stages):
        raise SystemExit("\n".join(["the demo did not generate:", *stages]))
    return stages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two repetitions")
    parser.add_argument("--repetitions", type=int, default=5)
    given = parser.parse_args()
    times = 2 if given.quick else given.repetitions
    print(machine())
    pairs = [(processor_seconds("-m", "qrtui", "--help"), processor_seconds("-c", "pass")) for _ in range(times + 1)]
    helped, nothing = (list(column) for column in zip(*pairs[1:], strict=True))
    print(f"qrtui --help                  {spread(helped, 2)} s of the processor")
    print(f"python -c pass                {spread(nothing, 2)} s, ratio {ratio(helped, nothing):.1f}")
    with tempfile.TemporaryDirectory() as folder:
        turns = [(until_generating(Path(folder) / f"{at}.db"), seconds("-c", BARE)) for at in range(times + 1)][1:]
    begun, bare = [max(stages.values()) for stages, _ in turns], [imports for _, imports in turns]
    print(f"demo until it generates       {spread(begun)} s")
    print(f"{BARE:<30}{spread(bare)} s, ratio {ratio(begun, bare):.1f}")
    last = 0.0
    for line, when in turns[-1][0].items():
        print(f"  {when - last:5.1f} s   {line[:80]}")
        last = when


def ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


if __name__ == "__main__":
    main()
