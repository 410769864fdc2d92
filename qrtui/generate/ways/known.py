"""Which way of generating was found to be the fastest on this machine, kept between runs."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import msgspec

from qrtui import paths
from qrtui.generate.steps.names import NAMES, PLAIN, Steps
from qrtui.whole_file import write_whole

UNFINISHED = "its trial did not come to an end"
# What is not faster than the plain way by more than a measurement's error is not worth its rounding.
_CLEARLY = 1.05


class Tried(msgspec.Struct, frozen=True):
    """What a trial found: how many times as fast as the plain way it is, or why it is set aside."""

    times: float = 0.0
    aside: str = ""


class Way(msgspec.Struct, frozen=True):
    """What was found for a model: whether its weights are packed (on a CPU), how many times as fast that is, and what
    became of the ways of doing steps that were tried. On a GPU nothing is packed.
    """

    packs: bool | None
    times: float
    steps: dict[Steps, Tried] = {}

    def fastest_steps(self, *, greedy: bool, alone: bool) -> Steps:
        """The fastest steps that can do such work: greedy or sampled, one sequence at a time or many.

        Continuous batching draws all tokens from one stream of random numbers and its passes depend on who is
        there, so that it can do neither samples that have seeds of their own nor sequences one by one.
        """
        can = {
            name: tried.times
            for name, tried in self.steps.items()
            if not tried.aside and tried.times > _CLEARLY and (name != "continuous" or (greedy and not alone))
        }
        return max(can, key=lambda name: can[name], default=PLAIN)

    def with_steps(self, found: dict[Steps, Tried]) -> Way:
        """The same with what was found of some ways of doing steps."""
        return msgspec.structs.replace(self, steps={**self.steps, **found})

    @property
    def in_words(self) -> str:
        """`packed weights, 1.3 times as fast as plain ones`; `steps over a growing cache (a static cache: ...)`."""
        words = []
        if self.packs is not None:
            names = ("packed", "plain") if self.packs else ("plain", "packed")
            words.append(f"{names[0]} weights, {self.times:.1f} times as fast as {names[1]} ones")
        if self.steps:
            taken = self.fastest_steps(greedy=True, alone=False)
            others = [f"{NAMES[name]}: {_fate(tried)}" for name, tried in self.steps.items() if name != taken]
            speed = f", {self.steps[taken].times:.1f} times as fast as {NAMES[PLAIN]}" if taken != PLAIN else ""
            words.append(f"steps over {NAMES[taken]}" if taken != "continuous" else f"steps by {NAMES[taken]}")
            words[-1] += speed + (f" ({'; '.join(others)})" if others else "")
        return "; ".join(words)


def _fate(tried: Tried) -> str:
    return f"set aside, {tried.aside}" if tried.aside else f"{tried.times:.2f} times as fast"


def ways_file() -> Path:
    """Where it is kept. Whoever wants all to be tried anew deletes it."""
    return paths.cache("ways.json")


def known_ways() -> dict[str, Way]:
    """What was found on this machine so far, by model, precision, device, threads and torch. Empty where unreadable."""
    try:
        return msgspec.json.decode(ways_file().read_bytes(), type=dict[str, Way])
    except (OSError, msgspec.DecodeError):
        return {}


def remember(key: str, way: Way) -> None:
    """Keep what was found; where the folder cannot be written it is tried again next time."""
    known = {**known_ways(), key: way}
    with contextlib.suppress(OSError):
        ways_file().parent.mkdir(parents=True, exist_ok=True)
        write_whole(ways_file(), json.dumps(msgspec.to_builtins(known), indent=1))
