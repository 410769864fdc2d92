"""How the screens write numbers: bytes, durations, shares, verdicts and the RRS."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from qrtui.perturb.naming import level_name, perturbation_name
from qrtui.results.metrics import ARROWS, MoreRobust

NOTHING = "–"
"""Stands where there is no value (yet)."""


def in_bytes(count: int | float | None) -> str:
    """A size with its unit, three digits at most.

    >>> in_bytes(92_871_040), in_bytes(1_100_000_000), in_bytes(None)
    ('93 MB', '1.1 GB', '–')
    """
    if count is None:
        return NOTHING
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size * 0.9995:
            number = count / size
            return f"{number:.1f} {unit}" if number < 10 and unit == "GB" else f"{number:.0f} {unit}"
    return f"{count:.0f} B"


def in_time(seconds: float | None) -> str:
    """A duration as a person would say it.

    >>> in_time(7), in_time(190), in_time(7500), in_time(None)
    ('7 s', '3 min 10 s', '2 h 5 min', '–')
    """
    if seconds is None:
        return NOTHING
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 600:
        rest = whole % 60 // 10 * 10
        return f"{whole // 60} min {rest} s" if rest else f"{whole // 60} min"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def share(value: float | None) -> str:
    """A share to three digits, without the leading zero that a column of shares does not need.

    >>> share(0.55), share(-0.05), share(1.0), share(None)
    ('.550', '-.050', '1.000', '–')
    """
    if value is None:
        return NOTHING
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.3f}"


def robustness(value: float | None, more_robust: MoreRobust | None) -> str:
    """The RRS with its arrow; the arrow alone where the ratio has no meaning.

    >>> robustness(1.3333, "quantized"), robustness(None, "original"), robustness(None, None)
    ('1.333 ↓', '↑', '–')
    """
    if more_robust is None:
        return NOTHING
    return f"{value:.3f} {ARROWS[more_robust]}" if value is not None else ARROWS[more_robust]


def interval(low: float | None, high: float | None) -> str:
    """The ends of an interval of ratios; an open end is infinite.

    >>> interval(0.8, 2.13), interval(0.5, None), interval(None, None)
    ('.80–2.1', '.50–∞', '–')
    """
    if low is None and high is None:
        return NOTHING
    return f"{_short_ratio(low or 0.0)}–{'∞' if high is None else _short_ratio(high)}"


def _short_ratio(value: float) -> str:
    return f"{value:.2f}".removeprefix("0") if value < 1 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def rate(tokens_per_second: float | None) -> str:
    """Tokens a second."""
    return NOTHING if tokens_per_second is None else f"{tokens_per_second:.0f}"


def local_time(moment: str | None) -> str:
    """The store's UTC time on this machine's clock; only the time of day for today."""
    if not moment:
        return NOTHING
    then = datetime.fromisoformat(moment).astimezone()
    return then.strftime("%H:%M" if then.date() == datetime.now().astimezone().date() else "%Y-%m-%d %H:%M")


def mark(status: str | None) -> str:
    """One character for a verdict: ✓ passed, ◷ out of time, ✗ anything else, · not judged."""
    if status is None:
        return "·"
    return {"passed": "✓", "timeout": "◷"}.get(status, "✗")


def without_common_protocol(perturbations: Sequence[str]) -> tuple[dict[str, str], str]:
    """The perturbations' labels in short, less the noise protocol where all share one; and that protocol, or nothing.

    Where there are several protocols the labels keep them, and are shortened otherwise.

    >>> without_common_protocol(["clean", "gaussian 0.003 published", "sentence engine=apertium"])[0].values()
    dict_values(['clean', 'gaussian 0.003', 'sentence apertium'])
    """
    noises = [label for label in perturbations if is_noise(label)]
    protocols = {label.split()[2] for label in noises}
    short = {label: perturbation_name(label) for label in perturbations}
    if len(protocols) != 1:
        return short | {label: _short(label) for label in noises}, ""
    return short | {label: label.rpartition(" ")[0] for label in noises}, protocols.pop()


def _short(noise: str) -> str:
    kind, level, protocol = noise.split()
    return f"{kind.replace('ian', '')} {level_name(float(level))} {protocol}"


def is_noise(perturbation: str) -> bool:
    """Whether a perturbation's label is a noise's: kind, level, protocol."""
    words = perturbation.split()
    return len(words) == 3 and words[0] in ("gaussian", "uniform")
