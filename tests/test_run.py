"""The runner, whole: a real (tiny, random) model, the real judge, the real database."""

import json
import re
import shutil
from collections import Counter

import msgspec
import pytest
import torch

from qrtui import run as run_module
from qrtui.control import Control
from qrtui.errors import QrtuiError
from qrtui.events import ConditionStarted, Generated, Judged, ModelLoaded, Notice, RunEnded, RunStarted, Stage
from qrtui.generate import produce
from qrtui.generate.settings import Generation
from qrtui.plan import Group, make_plan
from qrtui.results.exchange.exporting import export_run
from qrtui.results.provenance import provenance, provenance_lines
from qrtui.results.store import Store
from qrtui.results.table import table
from qrtui.run import run
from qrtui.spec import ModelChoice, NoiseGrid, Precisions, TaskSelection, read_experiment

TASKS = [
    {
        "task_id": f"Own/{at}",
        "prompt": f'def f{at}(w):\n    """Return the w{at + 5} w{at + 9} of the given number as a w30 word."""\n',
        "entry_point": f"f{at}",
        "canonical_solution": f"    return w + {at}\n",
        "base_input": [[1], [2]],
    }
    for at in range(4)
]


@pytest.fixture
def experiment(tmp_path, own_cache, tiny_llama, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, TASKS)))
    return read_experiment(
        {
            "name": "tiny",
            "models": [{"id": str(tiny_llama)}],
            "precisions": {"baseline": "fp32", "quantized": ["bf16"]},
            "tasks": {"datasets": [str(tmp_path / "own.jsonl")]},
            "attacks": [{"kind": "char"}],
            "noise": {"kinds": ["gaussian"], "levels": [0.1]},
            "generation": {"max_new_tokens": 6, "batch_size": 3},
        },
        "test",
    )


class Watcher:
    """Keeps events, and stops the run after so many completions."""

    def __init__(self, stop_after=None):
        self.events, self.control, self._stop_after = [], Control(), stop_after

    def __call__(self, event):
        self.events.append(event)
        if isinstance(event, Generated) and event.done == self._stop_after:
            self.control.stop()

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


def execute(experiment, database, stop_after=None):
    watcher = Watcher(stop_after)
    return run(experiment, database, watcher, watcher.control), watcher


def verdicts(database, which="latest"):
    with Store(database) as store:
        record = store.run(which)
        conditions = {c.id: (c.precision, c.perturbation) for c in store.conditions(record.id)}
        return {(*conditions[o.condition], o.task): o.base for o in store.outcomes(record.id)}


def test_a_run_from_start_to_finish_and_again(experiment, tmp_path, monkeypatch):
    database, read_ahead = tmp_path / "a.db", []
    monkeypatch.setenv("HF_TOKEN", "hf_averyprivatetoken")
    monkeypatch.setattr(run_module, "read_ahead", read_ahead.append)
    ended, watched = execute(experiment, database)
    assert ended.status == "finished"
    assert isinstance(watched.events[-1], RunEnded)
    (started,) = watched.of(RunStarted)
    assert (started.total, started.known, started.to_generate) == (24, 0, 24)
    assert len(watched.of(Generated)) == 24
    assert watched.of(Judged)[-1].judged == 24
    # One load per precision, for all its conditions.
    assert [loaded.precision for loaded in watched.of(ModelLoaded)] == ["fp32", "bf16"]
    assert len(read_ahead) == 1
    noisy = [event for event in watched.of(ConditionStarted) if event.perturbation.startswith("gaussian")]
    assert [event.dose.share for event in noisy] == [1.0, 1.0]
    with Store(database) as store:
        rows = table(store.conditions(1), store.outcomes(1))
    assert [(row.n, row.total) for row in rows] == [(4, 4)] * 6
    assert all(row.condition.memory for row in rows)

    shares = [row.condition.weights_perturbed for row in rows]
    assert shares == [None, None, 1.0, None, None, 1.0]

    again, watched_again = execute(experiment, database)
    assert again.status == "finished"
    assert again.run != ended.run
    assert watched_again.of(RunStarted)[0].to_generate == 0
    assert not watched_again.of(Generated)
    assert not watched_again.of(ModelLoaded)
    assert verdicts(database, "1") == verdicts(database, str(again.run))
    with Store(database) as store:
        # What was measured belongs to the completions, and so to every run that uses them.
        facts = [[(c.memory, c.weights_perturbed) for c in store.conditions(run)] for run in (1, again.run)]
    assert facts[0] == facts[1]

    fresh = tmp_path / "b.db"
    execute(experiment, fresh)
    assert verdicts(fresh) == verdicts(database)

    # What the environment holds of secrets is in no file that a run leaves, nor in what is handed on.
    with Store(fresh) as store:
        export_run(store, store.run(), tmp_path / "handed on")
        written = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert len(written) > 8
    assert not [content for content in written if b"hf_averyprivatetoken" in content]


def test_a_stopped_run_is_resumed_where_it_was(experiment, tmp_path):
    whole, broken = tmp_path / "whole.db", tmp_path / "broken.db"
    execute(experiment, whole)
    ended, watched = execute(experiment, broken, stop_after=7)
    assert ended.status == "stopped"
    made = len(watched.of(Generated))
    # What ended in the same step as the seventh is kept too.
    assert 7 <= made < 24
    with Store(broken) as store:
        assert store.run().status == "stopped"
        assert make_plan(experiment, store).known == made

    ended, watched = execute(experiment, broken)
    assert (ended.status, ended.run) == ("finished", 1)
    assert watched.of(RunStarted)[0].resumed
    assert len(watched.of(Generated)) == 24 - made
    assert verdicts(broken) == verdicts(whole)


@pytest.fixture
def torn(experiment, tmp_path, loud_llama):
    """Twelve unlike prompts, in int8."""

    def words(at):
        return " ".join(f"w{3 + (at * 7 + n * n * (at + 2)) % 60}" for n in range(4 + at % 5))

    tasks = [
        {
            **TASKS[0],
            "task_id": f"Torn/{at}",
            "prompt": f"def f0(w):\n    # {words(at)}\n",
        }
        for at in range(12)
    ]
    (tmp_path / "torn.jsonl").write_text("\n".join(map(json.dumps, tasks)))
    return msgspec.structs.replace(
        experiment,
        models=(ModelChoice(id=str(loud_llama)),),
        precisions=Precisions(quantized=("int8",)),
        tasks=TaskSelection(datasets=(str(tmp_path / "torn.jsonl"),)),
        attacks=(),
        noise=NoiseGrid(),
        generation=Generation(max_new_tokens=40, batch_size=4),
    )


def texts(database, precision):
    with Store(database) as store:
        cases = [case for at in range(12) for case in store.cases(store.run().id, f"Torn/{at}")]
    return {case.task: case.text for case in cases if case.condition.precision == precision}


@pytest.mark.parametrize(("portion", "stop_after", "most_again"), [(8, 16, 11), (1, 18, 3)])
def test_a_precision_that_sees_its_batch_is_resumed_in_the_batches_it_began_in(
    torn, tmp_path, monkeypatch, portion, stop_after, most_again
):
    """Of what was begun together no more is made again than the portions that were interrupted."""
    monkeypatch.setattr(produce, "_BATCHES_IN_A_PORTION", portion)
    alone = msgspec.structs.replace(torn, generation=Generation(max_new_tokens=40, batch_size=1))
    execute(torn, tmp_path / "unbroken.db")
    unbroken = texts(tmp_path / "unbroken.db", "int8")
    assert len(unbroken) == 12

    database = tmp_path / "torn.db"
    _, watched = execute(torn, database, stop_after=stop_after)
    kept = {event.key for event in watched.of(Generated)}
    shutil.copy(database, tmp_path / "only-missing.db")
    with Store(database) as store:
        plan = make_plan(torn, store)
        (group,) = (group for group in plan.groups if group.again)
        assert (group.precision, len(group.again)) == ("int8", 12)
        assert len(group.jobs) == plan.to_generate == 24 - len(kept)
        assert not any(group.again for group in make_plan(alone, store).groups)
    ended, watched = execute(torn, database)
    assert ended.status == "finished"
    assert len(watched.of(Generated)) == plan.to_generate
    assert not {event.key for event in watched.of(Generated)} & kept
    assert texts(database, "int8") == unbroken
    (again,) = re.findall(r"(\d+) known completions are made again", "".join(n.text for n in watched.of(Notice)))
    assert 0 < int(again) <= most_again

    # Another run that finds them all says so.
    execute(msgspec.structs.replace(torn, name="again"), database)
    with Store(database) as store:
        assert provenance(store, store.run("1")).from_earlier_runs == {}
        with store.writing() as db:
            db.execute("UPDATE runs SET started = '2999-01-01' WHERE id = 2")
        known = provenance(store, store.run("2"))
    assert known.from_earlier_runs == {"int8": 12}
    assert any(line.startswith("int8: 12 results from earlier runs") for line in provenance_lines(known))

    # What was known before a run began is not made again to keep its batches company.
    few = msgspec.structs.replace(torn, tasks=msgspec.structs.replace(torn.tasks, limit=4))
    execute(few, tmp_path / "after-few.db")
    with Store(tmp_path / "after-few.db") as store, store.writing() as db:
        # Times are kept in whole seconds, and all of this may happen in one.
        db.execute("UPDATE completions SET created = '2000-01-01T00:00:00+00:00'")
    execute(torn, tmp_path / "after-few.db", stop_after=10)
    with Store(tmp_path / "after-few.db") as store:
        (group,) = (group for group in make_plan(torn, store).groups if group.again)
    assert [job.task.task_id for job in group.again] == [f"Torn/{at}" for at in range(4, 12)]

    # Those of single prompts are others, which no run's batches bear upon.
    with Store(database) as store:
        plan = make_plan(alone, store)
        assert {group.precision: len(group.jobs) for group in plan.groups} == {"fp32": 0, "int8": 12}
    execute(alone, database)
    execute(msgspec.structs.replace(alone, name="again"), database)
    with Store(database) as store:
        assert (make_plan(alone, store).to_generate, make_plan(torn, store).to_generate) == (0, 0)
        with store.writing() as db:
            db.execute("UPDATE runs SET started = '2999-01-01' WHERE id = 4")
        assert provenance(store, store.run("4")).from_earlier_runs == {}

    # And that it is the batches: what is missing alone comes out otherwise.
    monkeypatch.setattr(Group, "decoded", property(lambda group: group.jobs))
    execute(torn, tmp_path / "only-missing.db")
    assert texts(tmp_path / "only-missing.db", "int8") != unbroken


def test_a_completion_that_two_results_need_is_made_once(experiment, tmp_path):
    from qrtui.perturb.attacks.character import CharacterAttack

    # An attack that leaves every prompt as it was needs nothing beyond the clean completions.
    idle = msgspec.structs.replace(experiment, attacks=(CharacterAttack(probability=0.0),))
    ended, watched = execute(idle, tmp_path / "a.db")
    assert ended.status == "finished"
    assert len(watched.of(Generated)) == 16
    counts = Counter((event.condition, event.task) for event in watched.of(Judged))
    assert len(counts) == 24
    assert set(counts.values()) == {1}


def test_an_error_that_nobody_foresaw_is_noted_with_the_run_and_told(experiment, tmp_path):
    class Broken(Watcher):
        def __call__(self, event):
            super().__call__(event)
            if isinstance(event, Generated):
                raise OSError("the pipe is gone")

    watcher = Broken()
    with pytest.raises(OSError, match="pipe"):
        run(experiment, tmp_path / "a.db", watcher, watcher.control)
    with Store(tmp_path / "a.db") as store:
        assert store.run().status == "failed"
    ended, watched = execute(experiment, tmp_path / "a.db")
    assert (ended.run, ended.status) == (1, "finished")
    assert watched.of(RunStarted)[0].known == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (torch.AcceleratorError("CUDA error: device-side assert triggered\nCompile with ..."), "the GPU failed (CUDA"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), "ran out of memory"),
    ],
)
def test_a_device_that_fails_interrupts_the_run_and_loses_nothing(experiment, tmp_path, monkeypatch, error, words):
    from qrtui.perturb import weights

    def fail(*_args):
        raise error

    whole, broken = tmp_path / "whole.db", tmp_path / "broken.db"
    execute(experiment, whole)
    with monkeypatch.context() as patched:
        # Putting on noise, the place where nothing else catches it; what is clean was generated before.
        patched.setattr(weights.NoiseCarrier, "carrying", fail)
        ended, watched = execute(experiment, broken)
    assert ended.status == "interrupted"
    assert words in ended.reason
    assert "\n" not in ended.reason
    made = len(watched.of(Generated))
    assert made > 0
    with Store(broken) as store:
        assert store.run().status == "interrupted"
    ended, watched = execute(experiment, broken)
    assert (ended.run, ended.status) == (1, "finished")
    assert len(watched.of(Generated)) == 24 - made
    assert verdicts(broken) == verdicts(whole)


def test_a_stop_before_anything_began_is_a_stop(experiment, tmp_path):
    watcher = Watcher()
    watcher.control.stop()
    assert run(experiment, tmp_path / "a.db", watcher, watcher.control).status == "stopped"


def test_what_goes_wrong_ends_the_run_in_words(experiment, tmp_path):
    absent = msgspec.structs.replace(experiment, models=(ModelChoice(id="smollm2-135mm"),))
    ended, _ = execute(absent, tmp_path / "a.db")
    assert ended.status == "failed"
    assert "smollm2-135m" in ended.reason


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda e: {"generation": Generation(prompt="chat")}, "no chat template"),
        (lambda e: {"models": (*e.models, ModelChoice(id=e.models[0].id + "/"))}, "picked already"),
        (
            lambda e: {"tasks": TaskSelection(datasets=e.tasks.datasets, tasks=("Own/1", "Own/99"), limit=1)},
            "no task 'Own/99'",
        ),
    ],
)
def test_a_plan_refuses_what_cannot_mean_anything(experiment, tmp_path, change, words):
    with Store(tmp_path / "a.db") as store, pytest.raises(QrtuiError, match=words):
        make_plan(msgspec.structs.replace(experiment, **change(experiment)), store)


def test_the_three_protocols_are_one_where_nothing_is_quantized(experiment, tmp_path):
    noise = NoiseGrid(kinds=("gaussian",), levels=(0.05,), protocols=("published", "before", "after"))
    change = {"attacks": (), "noise": noise, "precisions": Precisions(baseline="fp32", quantized=("nf4",))}
    ended, watched = execute(msgspec.structs.replace(experiment, **change), tmp_path / "a.db")
    assert ended.status == "finished"
    # Of 4 tasks: clean and one noise in fp32, clean and three in nf4.
    assert len(watched.of(Generated)) == 4 * (2 + 4)
    assert [loaded.precision for loaded in watched.of(ModelLoaded)] == ["fp32", "nf4"]
    with Store(tmp_path / "a.db") as store:
        conditions = store.conditions(ended.run)
    doses = {(c.precision, c.perturbation.rpartition(" ")[2]): c.dose for c in conditions}
    assert {key: dose.share == 1 for key, dose in doses.items() if dose} == {
        ("fp32", "published"): True,
        ("fp32", "before"): True,
        ("fp32", "after"): True,
        ("nf4", "published"): False,
        ("nf4", "before"): True,
        ("nf4", "after"): True,
    }
    mlp = {key: next(layer for layer in dose.layers if layer.kind == "mlp") for key, dose in doses.items() if dose}
    assert mlp["nf4", "published"].moved == 0
    assert mlp["nf4", "after"].noise == pytest.approx(mlp["fp32", "published"].noise, rel=0.05)


def test_a_model_that_noise_makes_overflow_is_a_result_without_output(experiment, tmp_path):
    noise = NoiseGrid(kinds=("gaussian",), levels=(3e38,))
    ended, _ = execute(msgspec.structs.replace(experiment, attacks=(), noise=noise), tmp_path / "a.db")
    assert ended.status == "finished"
    with Store(tmp_path / "a.db") as store:
        rows = table(store.conditions(ended.run), store.outcomes(ended.run))
        case = store.cases(ended.run, "Own/0")[1]
    assert (case.condition.perturbation, case.finish, case.text) == ("gaussian 3e+38 published", "nan", "")
    assert [(row.n, row.passed) for row in rows if row.condition.perturbation != "clean"] == [(4, 0), (4, 0)]


def test_the_last_model_is_gone_before_the_next_is_loaded(experiment, tmp_path, monkeypatch):
    import gc
    import weakref

    from qrtui.models import load as loading

    load, former, alive = loading.load, [], []

    def watched(*arguments, **options):
        gc.collect()
        alive.append([reference() is not None for reference in former])
        loaded = load(*arguments, **options)
        former.append(weakref.ref(next(loaded.model.parameters())))
        return loaded

    monkeypatch.setattr(loading, "load", watched)
    ended, _ = execute(experiment, tmp_path / "a.db")
    assert ended.status == "finished"
    assert alive == [[], [False]]


def test_sentences_are_translated_once_before_the_model_is_loaded(experiment, tmp_path, monkeypatch):
    from qrtui import preparing
    from qrtui.perturb.attacks.sentence import SentenceAttack

    asked, closed = [], []

    class Shouting:
        name, revision = "mbart-50", "test"

        def translate(self, sentences, progress):
            asked.extend(sentences)
            return [sentence.replace("Return", "Give back") for sentence in sentences]

        def close(self):
            closed.append(True)

    monkeypatch.setattr(preparing, "is_available", lambda name: True)
    monkeypatch.setattr(preparing, "open_engine", lambda name, device: Shouting())
    translated = msgspec.structs.replace(
        experiment, attacks=(SentenceAttack(),), noise=NoiseGrid(), tasks=experiment.tasks
    )
    with Store(tmp_path / "a.db") as store:
        plan = make_plan(translated, store)
        assert plan.to_translate["mbart-50"] > 0
        assert "fetch mbart-50" in plan.first
    ended, watched = execute(translated, tmp_path / "a.db")
    assert ended.status == "finished"
    assert len(asked) == len(set(asked)) == plan.to_translate["mbart-50"]
    assert closed == [True]
    with Store(tmp_path / "a.db") as store:
        prompts = store.prompts(ended.run)
        assert make_plan(translated, store).first == []
        assert store.run().environment["attacks"] == {"mbart-50": "test"}
    assert "Give back" in prompts[2]["Own/0"]
    asked.clear()
    again, _ = execute(translated, tmp_path / "a.db")
    assert again.status == "finished"
    assert not asked
    stages = [event.text for event in watched.of(Stage)]
    translating = next(at for at, text in enumerate(stages) if text.startswith("translating"))
    assert translating < next(at for at, text in enumerate(stages) if text.endswith("in fp32"))
