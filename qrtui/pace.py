"""How long the rest of a run will take: what was expected, corrected by what the run took so far.

A run goes through stretches: completions made on the same weights, one model in one precision under one noise. They
do not cost alike, so completions are not counted alike: each stretch has the seconds it is expected to take, and these
are scaled by what stretches took against their expectation, those in the same precision above all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from qrtui.events import Ahead, ConditionStarted, Decoding, Event, Generated, ModelLoaded

_PRIOR = 24
_PRIOR_TOKENS = 8
_READING = 0.3
_ENOUGH = 4


@dataclass(slots=True)
class Stretch:
    """What is made on the same weights, and how far it is.

    `share` of it is done (0 to 1) after `took` seconds; `before` are the seconds between the last stretch and this one:
    for loading or for other noise. None where that is not known yet.
    """

    ahead: Ahead
    share: float = 0.0
    took: float = 0.0
    before: float | None = None

    @property
    def weights(self) -> tuple[str, str]:
        """The model and its precision."""
        return self.ahead.model, self.ahead.precision


def seconds_left(stretches: Sequence[Stretch]) -> float | None:
    """Seconds until all is made; None while nothing can be said.

    What the plan expects counts as much as `_PRIOR` completions: it rules at first and is forgotten soon.

    >>> fp32, int8 = (Ahead("m", name, 60, each * 60) for name, each in (("fp32", 2.0), ("int8", 1.0)))
    >>> seconds_left([Stretch(fp32), Stretch(int8)]), seconds_left([Stretch(fp32, 1.0, 120.0), Stretch(int8)])
    (180.0, 60.0)
    >>> round(seconds_left([Stretch(fp32, 1.0, 240.0), Stretch(int8)]))
    106
    """
    expected = _expected(stretches)
    if expected is None:
        return None
    done = [seconds * one.share for seconds, one in zip(expected, stretches, strict=True)]
    prior = _PRIOR * sum(expected) / max(1, sum(one.ahead.completions for one in stretches))
    pace = _pace(sum(one.took for one in stretches), sum(done), prior, 1.0)
    paces = {}
    for weights in {one.weights for one in stretches}:
        same = [at for at, one in enumerate(stretches) if one.weights == weights]
        paces[weights] = _pace(sum(stretches[at].took for at in same), sum(done[at] for at in same), prior, pace)
    left = [(seconds - now) * paces[one.weights] for seconds, now, one in zip(expected, done, stretches, strict=True)]
    return sum(left) + _between(stretches)


def _pace(took: float, expected: float, prior: float, prior_pace: float) -> float:
    """Seconds that a second of expectation takes."""
    return (took + prior * prior_pace) / (expected + prior) if expected + prior else prior_pace


def _expected(stretches: Sequence[Stretch]) -> list[float] | None:
    """The seconds that each is expected to take; where the plan does not know them, as long as the run itself tells."""
    known = [one.ahead for one in stretches if one.ahead.seconds is not None]
    if known:
        each = sum(ahead.seconds or 0.0 for ahead in known) / max(1, sum(ahead.completions for ahead in known))
    else:
        made = sum(one.share * one.ahead.completions for one in stretches)
        if made < _ENOUGH:
            return None
        each = sum(one.took for one in stretches) / made
    return [each * one.ahead.completions if one.ahead.seconds is None else one.ahead.seconds for one in stretches]


def _between(stretches: Sequence[Stretch]) -> float:
    """Seconds for loading models and changing noise, as long as it took so far."""
    loads = [at == 0 or one.weights != stretches[at - 1].weights for at, one in enumerate(stretches)]
    left = 0.0
    for loading in (True, False):
        same = [one.before for one, loads_it in zip(stretches, loads, strict=True) if loads_it == loading]
        known = [seconds for seconds in same if seconds is not None]
        left += fmean(known) * (len(same) - len(known)) if known else 0.0
    return left


class Pace:
    """Follows a run by its events and says how long the rest will take.

    The events come with `spent`, the seconds since the first completions were begun, pauses left out.
    """

    def __init__(self, ahead: Sequence[Ahead]) -> None:
        self._stretches = [Stretch(one) for one in ahead if one.completions]
        self._at = 0
        self._done = self._tokens = 0
        self._all_done = self._all_tokens = 0
        self._decoded = self._decoded_before = self._active = 0
        self._begun: float | None = None
        self._ended: float | None = None
        self._load = 0.0

    def fold(self, event: Event, spent: float) -> None:
        """Take in an event; those that say nothing of the pace are passed over."""
        match event:
            case ModelLoaded():
                self._load = event.seconds
            case ConditionStarted():
                self._begin(spent)
            case Decoding():
                self._decoded, self._active = event.tokens, event.active
            case Generated():
                self._made(event.tokens, spent)

    def left(self, spent: float) -> float | None:
        """Seconds until all is made; None while nothing can be said."""
        if self._begun is not None:
            now = self._stretches[self._at]
            now.took, now.share = spent - self._begun, self._share(now.ahead)
        return seconds_left(self._stretches)

    def _begin(self, spent: float) -> None:
        # The conditions that run on the same weights are announced in one go.
        if self._begun is None and self._at < len(self._stretches):
            self._begun = spent
            self._stretches[self._at].before = self._load if self._ended is None else spent - self._ended

    def _made(self, tokens: int, spent: float) -> None:
        if self._begun is None:
            return
        self._done, self._tokens = self._done + 1, self._tokens + tokens
        self._all_done, self._all_tokens = self._all_done + 1, self._all_tokens + tokens
        now = self._stretches[self._at]
        if self._done == now.ahead.completions:
            now.took, now.share = spent - self._begun, 1.0
            self._at, self._begun, self._ended = self._at + 1, None, spent
            # Signs of life come now and then: the last one may have been before the last tokens.
            self._decoded_before = max(self._decoded, self._decoded_before + self._tokens)
            self._done = self._tokens = self._active = 0

    def _share(self, ahead: Ahead) -> float:
        """How much of a stretch is done: prompts that are read, and tokens against those that are to be expected."""
        decoded = ahead.completions + ahead.beside
        read = min(1.0, (self._done + self._active) / decoded)
        long = (self._all_tokens + _PRIOR_TOKENS * ahead.tokens) / (self._all_done + _PRIOR_TOKENS)
        growing = max(0, self._decoded - self._decoded_before - self._tokens)
        rest = max((decoded - self._done) * long, growing)
        written = (self._tokens + growing) / max(1.0, self._tokens + rest)
        return _READING * read + (1 - _READING) * written
