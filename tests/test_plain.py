"""A run told as lines of text."""

import io
import signal

from qrtui import plain
from qrtui.events import Ahead, ConditionStarted, Fetching, Generated, Judged, ModelLoaded, RunEnded, RunStarted, Stage
from qrtui.judge.verdict import Verdict
from qrtui.perturb.dose import Dose
from qrtui.plain import Narrator, duration, progress_line


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def told(events, seconds_between=3.0):
    out, clock = io.StringIO(), Clock()
    narrator = Narrator(out, clock)
    for event in events:
        clock.now += seconds_between
        narrator(event)
    return out.getvalue().splitlines()


def judged(at, status="passed", total=10):
    return Judged(7, f"Demo/{at}", 0, Verdict(base=status), at + 1, total)


def test_a_run_from_fetching_to_its_end():
    lines = told(
        [
            Fetching("m", "download", 34_000_000, 93_000_000),
            RunStarted(3, "demo", 10, 4, 6, "cpu", "L2", False, (Ahead("m", "nf4", 6, None, 40.0),)),
            Stage("loading m in nf4"),
            ModelLoaded("m", "nf4", "cpu", 166_000_000, 1.2),
            ConditionStarted(
                7, "m", "nf4", "gaussian 0.003 published", "demo", 6, Dose(share=0.21, noise=0.025, moved=0.02)
            ),
            judged(0, "timeout"),
            *(Generated("k", 40, 1.0, done, 6) for done in range(1, 6)),
            judged(1),
            RunEnded(3, "finished"),
        ]
    )
    assert lines[0].endswith("m: download 34 of 93 MB")
    assert "run 3 (demo) started: 10 completions, 4 known, 6 to make; device cpu, judge L2" in lines[1]
    assert "loaded m in nf4 on cpu: 166 MB of weights" in lines[3]
    assert "noise reaches 21% of the weights, |d|/|W| 0.025, and moves them by 0.02" in lines[4]
    assert "1 of 10 judged, 0 passed; latest Demo/0 m nf4 gaussian 0.003 published: timeout" in lines[5]
    # Five in 18 s of generating: the one that is left takes 4 s.
    assert lines[6].endswith(
        "2 of 10 judged, 1 passed; latest Demo/1 m nf4 gaussian 0.003 published: passed, about 4 s left"
    )
    assert lines[7].endswith("finished")


def test_progress_is_told_rarely_but_the_last_result_always():
    lines = told([judged(at) for at in range(10)], seconds_between=0.1)
    assert [line.split("] ")[1].split(" judged")[0] for line in lines] == ["1 of 10", "10 of 10"]


def test_nothing_to_generate_is_said():
    lines = told([RunStarted(2, "demo", 10, 10, 0, "cpu", "L2", False)])
    assert "every completion is known" in lines[1]


def test_what_a_model_wrote_cannot_drive_the_terminal():
    assert told([Stage("evil \x1b[2J\x07 name")])[0].endswith("evil ␛[2J␇ name")


def test_times_as_people_read_them():
    assert [duration(seconds) for seconds in (0.4, 59, 60, 3599, 3600, 7322)] == [
        "0 s",
        "59 s",
        "1:00 min",
        "59:59 min",
        "1:00 h",
        "2:02 h",
    ]


def test_a_progress_line_in_a_pipe_says_each_stage_once():
    out = io.StringIO()
    with progress_line(out) as show:
        for share in (0.1, 0.2, 0.3):
            show(f"m: download {share:.0%}", share)
        show("m: verify", None)
    assert out.getvalue().splitlines() == ["m: download 10%", "m: verify"]


def test_a_judge_that_isolates_nothing_is_told_where_the_run_begins():
    (line,) = told([RunStarted(3, "demo", 10, 4, 6, "cpu", "L1", False)])
    assert line.endswith("judge L1, NOT isolated")


def test_a_person_at_a_terminal_is_told_at_once_that_it_stops(monkeypatch):
    written = []
    monkeypatch.setattr(plain.os, "isatty", lambda descriptor: True)
    monkeypatch.setattr(plain.os, "write", lambda descriptor, text: written.append((descriptor, text)))
    with plain.stopping_on_signals() as control:
        signal.raise_signal(signal.SIGINT)
        assert control.stopping
    assert written == [(2, b"\nstopping; once more ends it at once\n")]
