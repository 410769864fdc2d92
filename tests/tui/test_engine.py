from __future__ import annotations

import threading
from pathlib import Path

from qrtui.events import Ahead, ConditionStarted, Decoding, Fetching, Generated, Paused, RunEnded, RunStarted, Stage
from qrtui.tui.comparison import Comparison, Pair, TaskKey
from qrtui.tui.engine import Engine, EngineFailed, Mailbox
from qrtui.tui.run_state import RunState
from qrtui.tui.run_words import progress_in_words, stage_in_words


def test_a_flood_wakes_the_screen_once_and_keeps_only_the_last_of_what_is_replaced():
    woken = []
    box = Mailbox(lambda: woken.append(1))
    for tokens in range(1000):
        box.put(Decoding(tokens, 1.0, 1))
    box.put(Stage("loading"))
    box.put(Fetching("model", "download", 1, 2))
    assert len(woken) == 1
    assert box.take() == [Decoding(999, 1.0, 1), Stage("loading"), Fetching("model", "download", 1, 2)]
    box.put(Stage("again"))
    assert len(woken) == 1
    assert box.take() == [Stage("again")]
    assert box.take() == []
    box.put(Stage("once more"))
    assert len(woken) == 2


def test_the_engine_takes_the_next_run_only_after_the_last_has_ended(tmp_path: Path):
    ended, release = threading.Event(), threading.Event()
    box = Mailbox(ended.set)
    threads = set()

    def run(experiment, database, emit, control, *, allow_unsafe_judge):
        threads.add(threading.get_ident())
        release.wait(5)
        emit(RunEnded(1, "finished"))
        if experiment == "bad":
            raise KeyError("nobody knows")
        return RunEnded(1, "finished")

    engine = Engine(tmp_path / "db", box, run)
    engine.start("good")
    assert engine.busy
    release.set()
    assert engine.wait(5)
    assert ended.wait(5)
    assert box.take() == [RunEnded(1, "finished")]
    engine.start("bad")
    assert engine.wait(5)
    while not (events := box.take()):
        pass
    assert events == [EngineFailed("KeyError: 'nobody knows'")]
    assert len(threads) == 1


def test_time_left_follows_the_runs_own_pace_and_leaves_pauses_out():
    state = RunState()
    state.begin(experiment=None)
    assert state.remaining(0) is None
    ahead = (Ahead("m", "int8", 40, 100.0, 40), Ahead("m", "int8", 40, 100.0, 40))
    state.fold(RunStarted(3, "demo", 100, 20, 80, "cpu", "L2", False, ahead), 0)
    assert state.remaining(0) == 200
    state.fold(ConditionStarted(1, "m", "int8", "clean", "demo", 40, None), 10)
    for done in range(1, 41):
        state.fold(Generated("key", 40, 1.0, done, 80), 10 + 5 * done)
    # It took 200 s, twice what was expected.
    assert 150 < state.remaining(210) < 200
    state.fold(ConditionStarted(2, "m", "int8", "char", "demo", 40, None), 210)
    state.fold(Paused(True), 210)
    assert state.remaining(500) == state.remaining(210)
    state.fold(Paused(False), 500)
    waited = state.remaining(500)
    state.fold(Decoding(40 * 40 + 20 * 40, 10.0, 20), 600)
    assert 0.3 * waited < state.remaining(600) < 0.7 * waited
    state.fold(RunEnded(3, "stopped"), 600)
    assert state.remaining(600) is None
    assert state.stage == "stopped after 5 min"


def test_conditions_of_one_group_are_at_work_together():
    state = RunState()
    for condition in (1, 2):
        state.fold(ConditionStarted(condition, "m", "int8", "clean", "demo", 4, None), 0)
    assert state.conditions == {1, 2}
    state.fold(Generated("key", 40, 1.0, 1, 8), 1)
    state.fold(ConditionStarted(3, "m", "int8", "noise", "demo", 4, None), 2)
    assert state.conditions == {3}


def test_unjudged_tasks_do_not_diverge():
    comparison = Comparison([], [])
    task, pair = TaskKey("demo", "Demo/1"), Pair("m", "int8", "clean")
    assert not comparison.diverges(task, pair)
    assert comparison.first_pair() is None
    assert comparison.next_divergence([], 0, pair, 1) is None


def test_fetching_is_told_with_its_progress():
    state = RunState()
    state.begin(experiment=None)
    state.fold(Fetching("smollm2-135m", "download", 34_000_000, 93_000_000), 0)
    assert stage_in_words(state) == "fetching smollm2-135m 34 MB of 93 MB"
    assert progress_in_words(state, 1) == (34 / 93, "37%")
