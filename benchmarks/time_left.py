"""What a run says of the time that is left, against what was left: every two seconds of a real run.

    python benchmarks/time_left.py demo quick-look

Each preset is run on a database of its own, so that nothing is known of the machine; `--twice` runs each a second time
on what the first has taught, with another seed. Beside it what it would have said if completions were all alike.
Prints the median of said / true, the worst of each side, and by which factor half and nine tenths of what was said were
off at most. The last ten seconds are left out.
"""

from __future__ import annotations

import os

# As the program itself does.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "3000")

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from qrtui.control import Control
from qrtui.events import ConditionStarted, Decoding, Event, Generated, RunStarted
from qrtui.pace import Pace
from qrtui.presets import load_preset
from qrtui.run import run

EVERY, LAST = 2.0, 10.0
Said = list[tuple[float, float | None]]


class Alike:
    """All completions alike, those under way half done, nothing expected."""

    def __init__(self, total: int) -> None:
        self._total, self._done, self._active = total, 0, 0

    def fold(self, event: Event, spent: float) -> None:
        if isinstance(event, Generated):
            self._done = event.done
        elif isinstance(event, Decoding):
            self._active = event.active

    def left(self, spent: float) -> float | None:
        made = self._done + self._active / 2
        return spent / made * (self._total - made) if self._done else None


def watched(preset: str, database: Path, overrides: Sequence[str]) -> list[tuple[float, Event]]:
    """Every event of a run with its time."""
    events: list[tuple[float, Event]] = []
    begun = time.monotonic()
    experiment = load_preset(preset, tuple(overrides))
    ended = run(experiment, database, lambda event: events.append((time.monotonic() - begun, event)), Control())
    if ended.status != "finished":
        raise SystemExit(f"{preset}: {ended.status}, {ended.reason}")
    return events


def said_by(make: Callable[[RunStarted], Pace | Alike], events: Sequence[tuple[float, Event]]) -> Said:
    """The time since the first completions were begun, and what was said then."""
    started = next(event for _, event in events if isinstance(event, RunStarted))
    origin = next(at for at, event in events if isinstance(event, ConditionStarted))
    pace, said = make(started), Said()
    for at, event in events:
        spent = max(0.0, at - origin)
        pace.fold(event, spent)
        if at >= origin and (not said or spent - said[-1][0] >= EVERY):
            said.append((spent, pace.left(spent)))
    return said


def judged(name: str, said: Said, whole: float) -> None:
    """A line of what it was worth."""
    shares = [max(left, 1.0) / (whole - at) for at, left in said if left is not None and whole - at >= LAST]
    if not shares:
        print(f"  {name:22} too short a run to tell")
        return
    off = sorted(max(share, 1 / share) for share in shares)
    nine_tenths = off[int(0.9 * (len(off) - 1))]
    print(
        f"  {name:22} said / true {statistics.median(shares):.2f} ({min(shares):.2f} to {max(shares):.2f});"
        f" half within a factor of {statistics.median(off):.2f}, nine tenths of {nine_tenths:.2f}"
    )


def show(preset: str, events: Sequence[tuple[float, Event]], trace: bool) -> None:
    origin = next(at for at, event in events if isinstance(event, ConditionStarted))
    made = [at for at, event in events if isinstance(event, Generated)]
    started = next(event for _, event in events if isinstance(event, RunStarted))
    whole = made[-1] - origin
    expected = sum(stretch.seconds or 0.0 for stretch in started.ahead)
    print(f"{preset}: {len(made)} completions in {whole:.0f} s, of which the plan expected {expected:.0f} s")
    ours = said_by(lambda begun: Pace(begun.ahead), events)
    judged("as the app says it", ours, whole)
    judged("all completions alike", said_by(lambda begun: Alike(begun.to_generate), events), whole)
    if trace:
        for at, left in ours[:: max(1, len(ours) // 20)]:
            print(f"    {at:6.0f} s: {'nothing' if left is None else f'{left:.0f} s'} said, {whole - at:.0f} s left")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", default=["demo"])
    parser.add_argument("--quick", action="store_true", help="quick-look with two tasks")
    parser.add_argument("--twice", action="store_true", help="each a second time, with another seed")
    parser.add_argument("--trace", action="store_true", help="what was said in the course of it")
    parser.add_argument("--set", action="append", default=[], metavar="a.b=c", help="as for qrtui run")
    given = parser.parse_args()
    if given.quick:
        given.presets, given.set = ["quick-look"], [*given.set, "tasks.limit=2"]
    for preset in given.presets:
        with TemporaryDirectory() as folder:
            for seed in range(2 if given.twice else 1):
                overrides = [*given.set, *(["seed=1"] if seed else [])]
                show(
                    f"{preset}{', again' if seed else ''}", watched(preset, Path(folder) / "db", overrides), given.trace
                )


if __name__ == "__main__":
    main()
