"""The Playground's engine: a real (tiny, random) model, the real judge, the real database."""

import json
import shutil

import msgspec
import pytest
from click.testing import CliRunner

from qrtui.cli import cli
from qrtui.control import Control
from qrtui.errors import StoreError
from qrtui.events import ModelsHeld, SideJudged, Streamed, TurnEnded, TurnStage, TurnStarted
from qrtui.generate.settings import Generation
from qrtui.judge.pool import JudgePool
from qrtui.models.catalog import local_path, resolve
from qrtui.perturb.attacks.character import CharacterAttack
from qrtui.perturb.noise import Noise
from qrtui.playground.keeping import is_known, keep
from qrtui.playground.own_task import can_be_judged, is_own, task_of
from qrtui.playground.playing import Playground
from qrtui.playground.turn import Turn
from qrtui.results.store import Store
from qrtui.run import run
from qrtui.spec import ModelChoice, Perturbation, read_experiment
from qrtui.tasks.datasets import find_task, load_tasks

TASK = {
    "task_id": "Own/0",
    "prompt": 'def f0(w):\n    """Return the w5 w9 of the given number as a w30 word."""\n    # w33\n',
    "entry_point": "f0",
    "canonical_solution": "    return w\n",
    "base_input": [[1], [2]],
}
ATTACK = Perturbation(attack=CharacterAttack())


@pytest.fixture
def file(tmp_path, own_cache, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    path = tmp_path / "own.jsonl"
    path.write_text(json.dumps(TASK))
    return path


@pytest.fixture
def turn(file, tiny_llama):
    (task,) = load_tasks(str(file))
    return Turn(
        model=ModelChoice(id=str(tiny_llama)),
        quantized="bf16",
        prompt=task.prompt,
        task=task,
        generation=Generation(max_new_tokens=6),
    )


class Room:
    """A Playground whose events are kept, and which can be stopped at the first piece of text."""

    def __init__(self, database):
        self.events, self.control, self.stops = [], Control(), False
        self.database = database
        self.playground = Playground(database, self)

    def __call__(self, event):
        self.events.append(event)
        if self.stops and isinstance(event, Streamed):
            self.control.stop()

    def play(self, turn, **how):
        self.events.clear()
        return self.playground.play(1, turn, self.control, **how).status

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def stages(self):
        return [stage.text for stage in self.of(TurnStage)]

    @property
    def last(self):
        return self.of(Streamed)[-1]


@pytest.fixture
def room(tmp_path):
    room = Room(tmp_path / "a.db")
    yield room
    room.playground.release()


def test_a_turn_is_streamed_judged_kept_in_mind_and_not_made_again(room, turn):
    assert room.play(turn) == "finished"
    assert [stage for stage in room.stages if "loading" in stage] == [
        "loading tiny-llama0 in fp32",
        "loading tiny-llama0 in bf16",
    ]
    (started,) = room.of(TurnStarted)
    assert (started.prompt, started.judged) == (turn.prompt, True)
    # The original writes before the other is loaded.
    kinds = [event.text if isinstance(event, TurnStage) else type(event) for event in room.events]
    assert kinds.index(Streamed) < kinds.index("loading tiny-llama0 in bf16")
    first, last = room.of(Streamed)[0], room.last
    assert first.original.text
    assert not first.quantized.finish
    assert last.original.text.startswith(first.original.text)
    assert (last.original.finish, last.original.tokens) == ("length", 6)
    assert last.quantized.finish
    assert 0 < last.original.first_token <= last.original.seconds
    assert {event.is_original for event in room.of(SideJudged)} == {True, False}
    assert isinstance(room.events[-1], TurnEnded)

    assert room.play(turn) == "finished"
    assert not room.stages
    assert (room.last.original.known, room.last.original.text) == (True, last.original.text)
    assert len(room.of(SideJudged)) == 2

    # The models are still there: another prompt needs no loading.
    assert room.play(msgspec.structs.replace(turn, prompt=turn.prompt.replace("number", "digit"))) == "finished"
    assert not [stage for stage in room.stages if "loading" in stage]
    room.playground.release("a run began")
    assert room.events[-1] == ModelsHeld((), 0, "a run began")


def test_one_after_the_other_writes_the_same(room, turn, tmp_path):
    room.play(turn)
    other = Room(tmp_path / "b.db")
    other.play(turn, together=False)
    other.playground.release()
    ends = next(at for at, event in enumerate(other.of(Streamed)) if event.original.finish)
    assert all(not event.quantized.text for event in other.of(Streamed)[: ends + 1])
    assert (other.last.original.text, other.last.quantized.text) == (room.last.original.text, room.last.quantized.text)


def test_stopping_takes_effect_within_a_token_and_leaves_nothing_half_made(room, turn):
    room.stops = True
    assert room.play(turn) == "stopped"
    assert room.last.original.tokens == 1
    assert not room.last.quantized.text
    with Store(room.database) as store:
        assert not is_known(store, turn)
        with pytest.raises(StoreError, match="not played to its end"):
            keep(store, turn)


def test_what_a_run_made_is_known_here_and_what_was_kept_opens_as_a_run(room, turn, file):
    preset = {
        "name": "tiny",
        "models": [{"id": turn.model.id}],
        "precisions": {"baseline": "fp32", "quantized": ["bf16"]},
        "tasks": {"datasets": [str(file)]},
        "attacks": [{"kind": "char"}],
        "generation": {"max_new_tokens": 6},
    }
    assert run(read_experiment(preset, "test"), room.database, lambda event: None, Control()).status == "finished"
    attacked = msgspec.structs.replace(turn, perturbation=ATTACK)
    assert room.play(attacked) == "finished"
    assert not room.stages
    assert room.of(TurnStarted)[0].prompt != turn.prompt
    rerolled = msgspec.structs.replace(attacked, seed=1)
    assert room.play(rerolled) == "finished"
    assert "reading the prompt with tiny-llama0 in fp32" in room.stages

    with Store(room.database) as store:
        record = store.run(str(keep(store, rerolled)))
        conditions = store.conditions(record.id)
        (case, *_) = store.cases(record.id, "Own/0")
    assert (record.name, record.status, record.environment["judge_level"]) == ("playground", "finished", case.level)
    assert record.experiment["seed"] == 1
    assert [(c.precision, c.is_baseline, c.perturbation) for c in conditions] == [
        ("fp32", True, "clean"),
        ("fp32", True, "char"),
        ("bf16", False, "clean"),
        ("bf16", False, "char"),
    ]
    assert case.base is not None


def test_only_what_was_played_is_kept(room, turn):
    attacked = msgspec.structs.replace(turn, perturbation=ATTACK)
    room.play(attacked)
    with Store(room.database) as store:
        conditions = store.conditions(keep(store, attacked))
    assert [c.perturbation for c in conditions] == ["char", "char"]


def test_noise_is_put_on_for_one_turn_and_taken_off_again(room, turn, tmp_path):
    noise = Perturbation(noise=Noise(kind="gaussian", level=0.5))
    room.play(turn)
    clean = room.last.original.text
    room.play(msgspec.structs.replace(turn, perturbation=noise))
    assert room.last.original.text != clean
    # A fresh database, the same models.
    room.playground._database = tmp_path / "b.db"
    room.play(turn)
    assert (room.last.original.text, room.last.original.known) == (clean, False)


def test_a_prompt_of_ones_own_without_tests_is_written_and_not_judged(room, turn):
    own = msgspec.structs.replace(turn, prompt="w7 w8 w9", task=task_of("w7 w8 w9", turn.task))
    assert room.play(own) == "finished"
    assert not room.of(TurnStarted)[0].judged
    assert room.last.quantized.finish
    assert not room.of(SideJudged)
    with Store(room.database) as store:
        run_id = keep(store, own)
        (original, quantized) = store.cases(run_id, own.task.task_id)
    assert (original.prompt, original.base, quantized.base) == ("w7 w8 w9", None, None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"quantized": "fp32"}, "compared with itself"),
        ({"model": ModelChoice(id="nothing")}, "no model is called"),
        ({"device": "cuda:7"}, "cuda:7"),
    ],
)
def test_what_cannot_be_played_ends_in_words(room, turn, change, words):
    assert room.play(msgspec.structs.replace(turn, **change)) == "failed"
    assert words in room.events[-1].reason


def test_a_template_that_loops_on_one_prompt_ends_that_turn_and_no_other(room, turn, tiny_llama, tmp_path):
    model = shutil.copytree(tiny_llama, tmp_path / "model")
    loop = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    content = "messages[0]['content']"
    (model / "chat_template.jinja").write_text(
        "{% if 'w7' in " + content + " %}" + loop + "{% endif %}{{ " + content + " }}{{ messages[1]['content'] }}"
    )
    turn = msgspec.structs.replace(turn, model=ModelChoice(id=str(model)))
    assert room.play(turn) == "finished"
    assert room.play(msgspec.structs.replace(turn, prompt="w3 w7")) == "failed"
    assert "the chat template or tokenizer of model cannot be used for" in room.events[-1].reason
    assert room.play(msgspec.structs.replace(turn, prompt="w3 w4")) == "finished"


SQUARE = "Write a function that squares.\nassert sq(3) == 9\nassert sq(1) == 1\n"


def test_the_assertions_in_a_prompt_judge_its_answers(tmp_path, monkeypatch):
    monkeypatch.setenv("QRTUI_CACHE", str(tmp_path))
    by_examples = task_of(SQUARE, None)
    by_check = task_of('def sq(x):\n    """Square.\n    >>> assert sq(3) > 8\n    """\n', None)
    right, wrong = "def sq(x):\n    return x * x\n", "def sq(x):\n    return x\n"
    with JudgePool() as pool:
        asked = [(task, program) for task in (by_examples, by_check) for program in (right, wrong)]
        verdicts = [future.result() for future in [pool.submit(*one) for one in asked]]
    assert [verdict.base for verdict in verdicts] == ["passed", "failed", "passed", "failed"]
    assert (verdicts[1].failing_input, verdicts[1].expected, verdicts[1].got) == ("sq(3)", "9", "3")
    assert "assert sq(3) > 8" in verdicts[3].error


def test_a_task_judges_as_long_as_its_function_is_named(turn):
    assert task_of(turn.prompt.replace("word", "wOrd"), turn.task) is turn.task
    own = task_of(SQUARE, turn.task)
    assert is_own(own)
    assert can_be_judged(own)
    for nothing in ("Say something.", "assert", "assert len([1]) == 1", "def g(:\n assert (\n"):
        assert not can_be_judged(task_of(nothing, turn.task)), nothing


def tried(database, *arguments):
    result = CliRunner().invoke(cli, ["--db", str(database), "try", *arguments], catch_exceptions=True)
    return result.exit_code, result.stdout, result.exception


def test_the_command_tells_the_same_and_keeps_it(room, turn, file):
    given = ["--text", SQUARE, "--model", turn.model.id, "--precision", "bf16", "--max-new-tokens", "6"]
    code, out, _ = tried(room.database, *given, "--attack", "char", "--keep", "--json")
    told = json.loads(out)
    assert (code, told["task"], told["perturbation"], told["changed"], told["run"]) == (0, None, "char", True, 1)
    assert [(side["precision"], side["original"], side["known"]) for side in told["sides"]] == [
        ("fp32", True, False),
        ("bf16", False, False),
    ]
    assert all(side["status"] != "passed" and side["tokens"] == 6 for side in told["sides"])
    code, out, _ = tried(room.database, *given, "--attack", "char")
    assert code == 0
    assert told["prompt"].strip() in out
    assert out.count("made before") == 2
    assert told["sides"][0]["text"] in out


def test_an_assertion_that_python_cannot_read_is_told_and_not_passed_over(room, turn):
    broken = SQUARE + "assert sq(2) = 4\n"
    given = ["--model", turn.model.id, "--precision", "bf16", "--max-new-tokens", "3"]
    code, out, _ = tried(room.database, "--text", broken, *given)
    assert code == 0
    assert out.count("no test, as Python cannot read it: assert sq(2) = 4") == 2
    code, out, _ = tried(room.database, "--text", broken, *given, "--json")
    assert json.loads(out)["unread_tests"] == ["assert sq(2) = 4"]
    code, out, _ = tried(room.database, "--text", SQUARE, *given)
    assert (code, "no test" in out) == (0, False)


def test_the_command_refuses_in_one_line(room, turn):
    given = ["--text", "w5", "--model", turn.model.id]
    for more, words in [
        (["--attack", "chr"], "--attack: there is no attack 'chr'"),
        (["--noise", "loud"], "gaussian 0.003"),
        (["--precision", "int9"], "did you mean int8"),
    ]:
        code, _, error = tried(room.database, *given, *more)
        assert code == 1
        assert words in str(error)


@pytest.mark.model
def test_the_embedded_model_writes_a_function_on_both_sides(tmp_path):
    info = resolve("smollm2-135m")
    if local_path(info) is None:
        pytest.skip("the embedded model is not here")
    task = find_task("Demo/1")
    turn = Turn(
        model=ModelChoice(id=info.name), prompt=task.prompt, task=task, generation=Generation(max_new_tokens=32)
    )
    room = Room(tmp_path / "a.db")
    assert room.play(turn) == "finished"
    room.playground.release()
    for written in (room.last.original, room.last.quantized):
        assert written.text.startswith("def convert_to_capital")
        assert 4 < written.tokens <= 32
    # Long before the end there was something to see.
    assert len(room.of(Streamed)) > 4
    assert [event.verdict.level for event in room.of(SideJudged)]
