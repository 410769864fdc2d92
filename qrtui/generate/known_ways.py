"""What was found to be the faster way of multiplying on this machine, kept between runs."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Literal

import msgspec

from qrtui import paths

Steps = Literal["growing", "static", "graphs"]


class Way(msgspec.Struct, frozen=True):
    """What was found for a model: whether its weights are packed, and how many times as fast that is."""

    packs: bool
    times: float

    @property
    def in_words(self) -> str:
        """`packed weights, 1.3 times as fast as plain ones`."""
        names = ("packed", "plain") if self.packs else ("plain", "packed")
        return f"{names[0]} weights, {self.times:.1f} times as fast as {names[1]} ones"


def ways_file() -> Path:
    """Where it is kept."""
    return paths.cache("ways.json")


def known_ways() -> dict[str, Way]:
    """What was found on this machine so far, by model, precision, device, threads and torch. Empty where unreadable."""
    try:
        return msgspec.json.decode(ways_file().read_bytes(), type=dict[str, Way])
    except (OSError, msgspec.DecodeError):
        return {}


def remember(known: dict[str, Way]) -> None:
    """Keep what was found; where the folder cannot be written it is tried again next time."""
    with contextlib.suppress(OSError):
        ways_file().parent.mkdir(parents=True, exist_ok=True)
        fresh = ways_file().with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(msgspec.to_builtins(known), indent=1))
        fresh.replace(ways_file())
