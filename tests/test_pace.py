"""The time that is left: what was expected, corrected by what it took so far."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from qrtui.events import Ahead, ConditionStarted, Decoding, Generated, ModelLoaded
from qrtui.pace import Pace, Stretch, seconds_left

TOKENS, ROWS = 60, 8


def told(ahead: tuple[Ahead, ...], step: dict[str, float], loading: float = 0.0) -> Iterator[tuple[float, float]]:
    """Spent seconds and what a pace says then, of a run that makes its completions in batches of `ROWS`.

    A token of a batch takes `step` seconds, by precision.
    """
    pace, now, tokens, last, begun = Pace(ahead), 0.0, 0, "", False
    for stretch in ahead:
        if stretch.precision != last:
            pace.fold(ModelLoaded("m", stretch.precision, "cpu", 1, loading), now)
            now, last, begun = now + loading * begun, stretch.precision, True
        pace.fold(ConditionStarted(1, "m", stretch.precision, "clean", "demo", stretch.completions, None), now)
        for _ in range(0, stretch.completions, ROWS):
            for _ in range(TOKENS):
                now, tokens = now + step[stretch.precision], tokens + ROWS
                pace.fold(Decoding(tokens, now, ROWS), now)
                yield now, pace.left(now)
            for _ in range(ROWS):
                pace.fold(Generated("key", TOKENS, 1.0, 0, 0), now)
    yield now, pace.left(now)


def shares(found: list[tuple[float, float]], begin: float, end: float) -> list[float]:
    """What was said as a share of what was true, from a part of the run to another."""
    whole = found[-1][0]
    return [left / (whole - now) for now, left in found[:-1] if begin < now / whole < end]


def test_at_first_the_plan_is_believed():
    ahead = (Ahead("m", "fp32", 40, 80.0), Ahead("m", "int8", 40, 20.0))
    assert Pace(ahead).left(0.0) == pytest.approx(100.0)


def test_precisions_that_cost_differently_are_not_taken_for_alike():
    ahead = (
        Ahead("m", "fp32", 80, 600.0, TOKENS),
        Ahead("m", "fp32", 40, 300.0, TOKENS),
        Ahead("m", "int8", 80, 200.0, TOKENS),
        Ahead("m", "int8", 40, 100.0, TOKENS),
    )
    found = list(told(ahead, {"fp32": 0.5, "int8": 0.5 / 3}))
    # The machine is twice as fast as was expected of it.
    assert all(0.8 < share < 1.2 for share in shares(found, 0.2, 0.95))
    assert found[-1][1] == pytest.approx(0.0, abs=1e-6)


def test_a_precision_that_turns_out_slower_than_expected_is_slow_in_what_is_to_come_as_well():
    ahead = tuple(Ahead("m", name, 80, 60.0, TOKENS) for name in ("fp32", "int8", "int8", "int8"))
    found = list(told(ahead, {"fp32": 0.1, "int8": 0.3}))
    assert all(0.8 < share < 1.1 for share in shares(found, 0.3, 0.95))


def test_loading_is_expected_to_take_as_long_as_it_took():
    ahead = tuple(Ahead("m", name, 40, 30.0, TOKENS) for name in ("fp32", "int8", "nf4"))
    assert seconds_left([Stretch(one) for one in ahead]) == pytest.approx(90.0)
    assert seconds_left([Stretch(ahead[0], before=20.0), *map(Stretch, ahead[1:])]) == pytest.approx(130.0)
    same = {"fp32": 0.1, "int8": 0.1, "nf4": 0.1}
    assert all(0.8 < share < 1.1 for share in shares(list(told(ahead, same, loading=20.0)), 0.1, 0.85))


def test_where_nothing_is_known_it_waits_for_the_run_to_tell():
    ahead = (Ahead("m", "fp32", 80, None, TOKENS), Ahead("m", "int8", 80, None, TOKENS))
    found = list(told(ahead, {"fp32": 0.1, "int8": 0.1}))
    assert found[0][1] is None
    assert all(0.8 < share < 1.2 for share in shares(found, 0.2, 0.95))


def test_completions_made_again_to_keep_others_company_are_work_too():
    alone, beside = (Pace((Ahead("m", "int8", 8, 60.0, TOKENS, known),)) for known in (0, 56))
    for pace in (alone, beside):
        pace.fold(ConditionStarted(1, "m", "int8", "clean", "demo", 8, None), 0.0)
        pace.fold(Decoding(16 * TOKENS, 15.0, 8), 15.0)
    # A quarter of the 64 is written, and twice as much as the 8 would have.
    assert alone.left(15.0) < 5 < 30 < beside.left(15.0) < 60


def test_a_run_that_has_nothing_to_make_takes_no_time():
    assert Pace(()).left(0.0) in (None, 0.0)
    assert Pace((Ahead("m", "fp32", 0, 0.0),)).left(0.0) in (None, 0.0)
