"""A long run that is hurt again and again: what is lost, and what leaks?

    python benchmarks/soak.py [--tasks 250] [--faults 100] [--seed 0] [--quick]

A tiny random model (made here, so that a token costs next to nothing) completes every task in eight conditions through
the real command, judge and database: 2,000 completions. At random moments the program is killed, hung up on, told to
stop, frozen; its judge is killed; its database is locked and its disk filled; its device runs out of memory or is
lost. Whenever it ends it is started again with the same command. Afterwards every completion and verdict is compared
with those of a run that nothing disturbed, and what was shown with what is in the database. Filling the disk takes a
file system of its own, which only root can mount; without it that fault is left out, and said.
"""

from __future__ import annotations

import argparse
import itertools
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from torment.faults import DEADLY, FAULTS, hit, small_disk
from torment.preset import CONDITIONS, prepare
from torment.victim import Sample, Victim, results


def torment(victim: Victim, faults: list[str], rng: random.Random) -> None:
    """Run to the end with these faults, spread over the completions."""
    victim.start()
    moments = sorted(rng.sample(range(1, victim.total - 20), len(faults)))
    for moment, fault in zip(moments, faults, strict=True):
        victim.until(lambda at=moment: victim.ended or victim.completions() >= at)
        victim.look()
        hit(victim, fault)
    victim.until(lambda: victim.ended)
    for _ in itertools.count():
        assert victim.program is not None
        if victim.program.returncode == 0:
            break
        victim.bury([])
        victim.start()
        victim.until(lambda: victim.ended)
    victim.bury([])


def told_of(samples: list[Sample], gentle: list[str]) -> None:
    """How much the longest life held at its beginning and at its end."""
    longest = Counter(sample.life for sample in samples).most_common(1)[0][0]
    life = [sample for sample in samples if sample.life == longest]
    first, last = life[: max(1, len(life) // 4)], life[-max(1, len(life) // 4) :]
    print(
        f"longest life: {len(gentle)} kinds of fault that do not end the program,"
        f" {life[-1].completions - life[0].completions} completions"
    )
    for name, unit in (("memory", 1e6), ("descriptors", 1), ("threads", 1), ("processes", 1), ("files", 1)):
        begin, end = (statistics.median(getattr(one, name) / unit for one in part) for part in (first, last))
        print(f"  {name:12} {begin:8.0f} at first, {end:8.0f} at last{' MB' if unit > 1 else ''}")


def main() -> int:
    """Torment, compare, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=250)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="20 tasks and 8 faults")
    parser.add_argument("--keep", action="store_true", help="leave the folder for a look")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.tasks, chosen.faults = 20, 8
    folder, rng = Path(tempfile.mkdtemp(prefix="soak-")), random.Random(chosen.seed)
    preset, total = prepare(folder, chosen.tasks), chosen.tasks * CONDITIONS
    with small_disk(folder / "disk") as may_fill:
        whole = Victim(folder, preset, folder, total)
        whole.start()
        whole.until(lambda: whole.ended)
        if whole.program is None or whole.program.returncode:
            raise SystemExit(f"the undisturbed run failed: see {folder / 'log'}")
        (folder / "shown").unlink()
        gentle = [fault for fault in FAULTS if fault not in DEADLY and (may_fill or fault != "disk full")]
        if not may_fill:
            print("the disk is not filled: only root can mount one for that")
        half = chosen.faults // 2
        # First what a program must survive in one life, then what ends it.
        faults = [rng.choice(gentle) for _ in range(half)]
        faults += [rng.choice([*DEADLY, *gentle]) for _ in range(chosen.faults - half)]
        victim = Victim(folder, preset, folder / "disk", total)
        begun = time.monotonic()
        torment(victim, faults, rng)
        seconds = time.monotonic() - begun
        expected, found = results(whole.database), results(victim.database)
        told_of(victim.samples, gentle)
    lost = [place for place in expected if found.get(place, (None,) * 4)[3] is None]
    other = [place for place in expected if place not in lost and found[place] != expected[place]]
    left = sum(1 for _ in (folder / "tmp").rglob("*"))
    print(f"faults: {', '.join(f'{fault} {count}' for fault, count in Counter(faults).most_common())}")
    print(f"ends: {dict(victim.ends)}; {victim.lives} lives in {seconds:.0f} s")
    print(
        f"{len(expected)} results: {len(lost)} lost, {len(other)} other than undisturbed; {left} temporary files left"
    )
    for problem in victim.problems:
        print(f"PROBLEM {problem}")
    if chosen.keep:
        print(folder)
    else:
        shutil.rmtree(folder)
    return 1 if lost or other or left or victim.problems else 0


if __name__ == "__main__":
    sys.exit(main())
