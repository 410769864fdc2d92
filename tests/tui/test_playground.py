from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from textual.widgets import Input, OptionList, Select, TextArea

from qrtui.events import ModelsHeld, SideJudged, Streamed, TurnEnded, TurnStage, TurnStarted, Written
from qrtui.judge.verdict import Verdict
from qrtui.perturb.attacks.character import CharacterAttack
from qrtui.results.store import Store
from qrtui.spec import ModelChoice, Precisions, TaskSelection
from qrtui.tui.engine import Engine, Mailbox
from qrtui.tui.widgets.attacked_prompt import changed_places, marked_edits
from qrtui.tui.widgets.stream_pane import StreamPane

from . import filled
from .conftest import until

FAILED = Verdict(base="failed", failing_input="f('Apple')", expected="2", got="0")


class FakePlayground:
    """Takes the place of the engine's Playground: writes a letter at each step that the test lets it."""

    def __init__(self, database, emit, *, allow_unsafe_judge=False) -> None:
        self.emit = emit
        self.gate = threading.Semaphore(0)
        self.turns, self.warmed, self.released = [], [], []

    def __call__(self, database, emit, *, allow_unsafe_judge=False):
        self.emit = emit
        return self

    def warm(self, turn, control) -> None:
        self.warmed.append(turn.precisions)
        self.emit(TurnStage(None, "loading"))
        self.emit(ModelsHeld(("tiny in fp32", "tiny in int8"), 758_000_000))

    def release(self, reason="") -> None:
        self.released.append(reason)
        self.emit(ModelsHeld((), 0, reason))

    def play(self, number, turn, control, *, together=True):
        self.turns.append(turn)
        self.emit(TurnStarted(number, turn.prompt, True))
        text = "def f(text):\n    return 1\n"
        for at in range(1, len(text) + 1):
            while not self.gate.acquire(timeout=0.005):
                if control.stopping:
                    self.emit(TurnEnded(number, "stopped"))
                    return
            finish = "stop" if at == len(text) else None
            original = Written(text[:at], at, at / 10, 0.2, finish)
            self.emit(Streamed(number, original, Written(text[:at].replace("1", "2"), at, at / 5, 0.3, finish)))
        self.emit(SideJudged(number, True, FAILED))
        self.emit(SideJudged(number, False, Verdict(base="passed")))
        self.emit(TurnEnded(number, "finished"))


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakePlayground:
    fake = FakePlayground(None, None)
    monkeypatch.setattr("qrtui.playground.playing.Playground", fake)
    return fake


async def enter(app, pilot) -> None:
    await pilot.press("6")
    await until(pilot, lambda: app.current_mode == "playground" and app.screen.query("#play-text"))
    await until(pilot, lambda: app.screen.query_one("#play-text", TextArea).text)


def side(app, which: str) -> StreamPane:
    return app.screen.query_one(f"#side-{which}", StreamPane)


def badge(app, which: str) -> str:
    return str(side(app, which).query_one(".stream-badge").content)


def line(app) -> str:
    return str(app.screen.query_one("#play-state").content)


def changed(app) -> str:
    panel = app.screen.query_one("#play-attacked")
    return str(app.screen.query_one("#play-changed").content) if panel.display else ""


async def test_both_sides_stream_and_are_judged(opened, fake):
    async with opened() as (app, pilot):
        await enter(app, pilot)
        assert "s puts the prompt to both models" in badge(app, "original")
        await until(pilot, lambda: "loaded, 758 MB. s starts." in line(app))
        assert fake.warmed == [("fp32", "int8")]
        await pilot.press("s")
        fake.gate.release(7)
        await until(pilot, lambda: side(app, "quantized").text == "def f(t")
        assert badge(app, "original") == "writing"
        assert side(app, "original").border_subtitle == "7 tok  10 tok/s  first 0.2 s"
        assert "x stops" in line(app)
        fake.gate.release(100)
        await until(pilot, lambda: "diverge: only the quantized passes" in line(app))
        assert badge(app, "original").splitlines() == ["✗ failed", "f('Apple')", "expected 2  got 0"]
        assert badge(app, "quantized") == "✓ passed"
        text = str(side(app, "original").query_one(".stream-text").content).splitlines()
        assert [line.startswith("▌") for line in text] == [False, True]


async def test_stop_and_start_again_with_another_prompt(opened, fake):
    async with opened() as (app, pilot):
        await enter(app, pilot)
        await pilot.press("s")
        fake.gate.release(3)
        await until(pilot, lambda: side(app, "original").text == "def")
        await pilot.press("x")
        await until(pilot, lambda: app.play.phase == "stopped")
        assert badge(app, "original") == "stopped"
        await pilot.press("n")
        await until(pilot, lambda: app.screen.query_one("#play-prompt").border_title == "Demo/2")
        assert "The choice has changed" in line(app)
        await pilot.press("s")
        fake.gate.release(100)
        await until(pilot, lambda: app.play.phase == "finished")
        assert [turn.task.task_id for turn in fake.turns] == ["Demo/1", "Demo/2"]


async def test_an_answer_to_the_former_prompt_says_so_under_another(opened, fake):
    async with opened() as (app, pilot):
        await enter(app, pilot)
        await pilot.press("s")
        fake.gate.release(100)
        await until(pilot, lambda: badge(app, "quantized") == "✓ passed")
        assert side(app, "quantized").border_title == "int8 quantized: clean"
        await pilot.press("n")
        await until(pilot, lambda: badge(app, "quantized") == "not of the prompt above\n✓ passed")
        assert side(app, "quantized").border_title == "int8 quantized: Demo/1, clean"
        text = side(app, "quantized").query_one(".stream-text").content
        assert {str(span.style) for span in text.spans} == {"$muted"}
        await pilot.press("p")
        await until(pilot, lambda: badge(app, "quantized") == "✓ passed")
        await pilot.press("b")
        await until(pilot, lambda: badge(app, "quantized") == "of the former choice\n✓ passed")


async def test_attack_reroll_and_clean(opened, fake):
    async with opened() as (app, pilot):
        await enter(app, pilot)
        clean = app.screen.query_one("#play-text", TextArea).text
        assert changed(app) == ""
        await pilot.press("a")
        await until(pilot, lambda: changed(app) not in ("", clean))
        first = changed(app)
        assert first.lower() == clean.lower()
        assert "Demo/1, char, seed 0" in app.screen.query_one("#play-attacked").border_title
        await pilot.press("r")
        await until(pilot, lambda: changed(app) not in ("", first))
        assert str(app.screen.query_one("#play-seed").content) == "seed 1"
        await pilot.press("c")
        await until(pilot, lambda: changed(app) == "")
        await pilot.press("c", "s")
        await until(pilot, lambda: fake.turns)
        assert (fake.turns[0].perturbation.label, fake.turns[0].seed, fake.turns[0].prompt) == ("char", 1, clean)


async def test_a_prompt_of_ones_own_is_typed_and_its_assertions_are_its_tests(opened, fake):
    async with opened() as (app, pilot):
        await enter(app, pilot)
        await pilot.press("t")
        await until(
            pilot, lambda: app.screen.query("#picker-list") and app.screen.query_one(OptionList).option_count > 40
        )
        await pilot.press(*"nothing like it")
        await until(pilot, lambda: app.screen.query_one(OptionList).option_count == 1)
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.query("#play-text"))
        title = "Your own prompt, {}"
        for typed, judged in (
            ("assert g(", "no tests: not judged, 1 unreadable"),
            ("2)==4", "judged by its assert lines"),
        ):
            await pilot.press(*typed)
            await until(
                pilot,
                lambda judged=judged: app.screen.query_one("#play-prompt").border_title == title.format(judged),
            )
        await pilot.press("escape", "s")
        await until(pilot, lambda: fake.turns)
        (turn,) = fake.turns
        assert (turn.prompt, turn.task.base_input) == ("assert g(2)==4", [[2]])


async def test_a_task_is_found_by_what_its_prompt_says(opened, fake):
    async with opened() as (app, pilot):
        await enter(app, pilot)
        await pilot.press("t")
        await until(
            pilot, lambda: app.screen.query("#picker-list") and app.screen.query_one(OptionList).option_count > 40
        )
        await pilot.press(*"first last name")
        await until(pilot, lambda: app.screen.query_one(OptionList).option_count < 5)
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.query("#play-text"))
        assert app.screen.query_one("#play-prompt").border_title == "Demo/0"
        await pilot.press("e", "x")
        await until(pilot, lambda: app.screen.query_one("#play-prompt").border_title == "Demo/0, edited")


async def test_a_run_has_the_engine_and_takes_the_memory(opened, fake, fake_run):
    async with opened() as (app, pilot):
        await enter(app, pilot)
        await pilot.press("s")
        fake.gate.release(3)
        await until(pilot, lambda: side(app, "original").text == "def")
        app.start_run(filled.EXPERIMENT)
        await until(pilot, lambda: app.state.phase == "running")
        assert fake.released == ["a run began and has the memory"]
        assert app.play.phase == "stopped"
        await pilot.press("6")
        await until(pilot, lambda: "A run is under way" in line(app))
        await pilot.press("s")
        assert len(fake.turns) == 1
        fake_run.let(1000)
        await until(pilot, lambda: app.state.phase == "finished")
        await until(pilot, lambda: "A run is under way" not in line(app))


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
async def test_everything_is_in_sight_at_every_size(opened, fake, size):
    async with opened(size=size) as (app, pilot):
        await enter(app, pilot)
        await pilot.press("a")
        await until(pilot, lambda: changed(app))
        screen = app.screen
        for selector in ("#play-model", "#play-quantized", "#play-perturbation", "#play-seed", "#play-state"):
            region = screen.query_one(selector).region
            assert region.width
            assert region.right <= size[0], selector
        panes = [side(app, which).region for which in ("original", "quantized")]
        assert all(pane.height >= 9 for pane in panes)
        assert panes[1].right == size[0]
        await pilot.press("e")
        await until(pilot, lambda: screen.query_one("#play-text").region.height > 0)
        assert screen.query_one("#play-text").has_focus


def own_experiment(model: Path):
    return filled.EXPERIMENT.__class__(
        name="own",
        models=(ModelChoice(id=str(model)),),
        precisions=Precisions(baseline="fp32", quantized=("bf16",)),
        tasks=TaskSelection(datasets=("demo",)),
        attacks=(CharacterAttack(),),
    )


async def test_a_real_model_is_played_kept_and_known(opened, tiny_llama, database, monkeypatch, tmp_path):
    monkeypatch.setenv("QRTUI_CACHE", str(tmp_path / "cache"))
    async with opened(experiment=own_experiment(tiny_llama)) as (app, pilot):
        await enter(app, pilot)
        assert app.screen.query_one("#play-quantized", Select).value == "bf16"
        app.screen.query_one("#play-tokens", Input).value = "8"
        area = app.screen.query_one("#play-text", TextArea)
        area.text = area.text.rstrip() + "\n# w33"
        await pilot.press("a")
        await until(pilot, lambda: changed(app))
        await pilot.press("s")
        await until(pilot, lambda: app.play.phase == "finished")
        assert side(app, "original").text.startswith("w33")
        await pilot.press("w")
        await until(pilot, lambda: "Kept as run 1" in line(app))
        # Going away from it and back shows what is known, without a key.
        await pilot.press("c")
        await until(pilot, lambda: "The choice has changed" in line(app))
        await pilot.press("s")
        await until(pilot, lambda: app.play.phase == "finished" and app.play.turn.perturbation.label == "clean")
        await pilot.press("c")
        await until(pilot, lambda: app.play.turn.perturbation.label == "char" and app.play.phase == "finished")
        assert "made before" in side(app, "original").border_subtitle
        await pilot.press("y")
        assert app.clipboard.startswith("# Demo/1, edited: char")
        await pilot.press("3")
        await until(pilot, lambda: app.shown_run == 1)
        app.engine.close(5)
    with Store(database) as store:
        assert [record.name for record in store.runs()] == ["playground"]


def test_the_engine_plays_the_latest_turn_and_a_run_ends_it(tmp_path: Path, fake):
    box = Mailbox(lambda: None)
    begun, release = threading.Event(), threading.Event()

    def run(experiment, database, emit, control, *, allow_unsafe_judge):
        from qrtui.events import RunEnded

        begun.set()
        release.wait(5)
        return RunEnded(1, "finished")

    engine = Engine(tmp_path / "db", box, run, make_playground=fake)
    turn = type("T", (), {"prompt": "p", "precisions": ("fp32", "int8")})()
    first, second = engine.play(turn), engine.play(turn)
    assert (first, second) == (1, 2)
    engine.start("experiment")
    assert begun.wait(5)
    with pytest.raises(RuntimeError):
        engine.play(turn)
    ended = [event for event in box.take() if isinstance(event, TurnEnded)]
    assert [(event.turn, event.status) for event in ended] == [(1, "stopped"), (2, "stopped")]
    assert fake.released == ["a run began and has the memory"]
    release.set()
    assert engine.wait(5)
    assert engine.close(5)
    deadline = time.monotonic() + 5
    while engine.at_work and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not engine.at_work


def test_an_error_that_nobody_foresaw_ends_the_turn_in_words(tmp_path: Path, fake):
    box = Mailbox(lambda: None)
    fake.play = lambda *given, **more: {}["nobody knows"]
    engine = Engine(tmp_path / "db", box, make_playground=fake)
    number = engine.play(None)
    assert engine.close(5)
    assert TurnEnded(number, "failed", "KeyError: 'nobody knows'") in box.take()


def test_only_the_changed_letters_of_a_prompt_are_marked():
    from qrtui.perturb.attack import AttackedPrompt, Edit

    attacked = AttackedPrompt(
        "count the vowels", "couNt teh vowel sounds", [Edit(0, 5, "couNt"), Edit(6, 9, "teh"), Edit(15, 16, " sounds")]
    )
    assert [attacked.after[start:end] for start, end in changed_places(attacked)] == ["N", "e", "h", " sounds"]
    assert str(marked_edits(attacked)) == attacked.after
