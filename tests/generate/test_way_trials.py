"""Ways of doing steps: a sound, faster one is taken, any other set aside with its reason; the plain one stays."""

import pytest
import torch

from qrtui.doctor import examine
from qrtui.generate import decode as decode_module
from qrtui.generate import produce as produce_module
from qrtui.generate.produce import produce
from qrtui.generate.sequence import Cancelled
from qrtui.generate.settings import Generation
from qrtui.generate.steps import static_cache
from qrtui.generate.ways import fastest, trials
from qrtui.generate.ways.known import UNFINISHED, Tried, Way, known_ways
from qrtui.generate.ways.trials import try_steps


@pytest.fixture
def loaded(far_seeing, tmp_path, monkeypatch):
    """A model whose every token depends much on all those before it, on a machine where nothing is known yet."""
    monkeypatch.setenv("QRTUI_CACHE", str(tmp_path))
    monkeypatch.setattr(fastest, "_WORTH_TRYING_BYTES", 0)
    return far_seeing()


class Job:
    """What `produce` needs of a job."""

    def __init__(self, prompt):
        self.determinants = type("D", (), {"prompt": prompt})
        self.task = type("T", (), {"is_instruction": False, "task_id": "t"})
        self.style, self.seed = "completion", 0


def texts(loaded, notices, prompts=12, **settings):
    jobs = [Job(f"w{at + 3} " * (1 + at % 4)) for at in range(prompts)]
    generation = Generation(max_new_tokens=10, batch_size=4, **settings)
    made = produce(loaded, jobs, generation, lambda active: None, notices.append)
    return {job.determinants.prompt: answer.text for job, answer in made}


def trial(loaded, *names):
    return try_steps(loaded, names)


def test_a_sound_way_is_measured(loaded):
    (tried,) = trial(loaded, "static").values()
    assert tried.aside == ""
    assert 0.05 < tried.times < 20


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("wrong", ["one column unseen", "one column too many", "places one on", "a row of another"])
def test_a_way_that_is_a_little_wrong_is_set_aside(loaded, monkeypatch, wrong, precision):
    if precision == "bf16":
        loaded.model.to(torch.bfloat16)
    run, put = static_cache.StaticCache._pass, static_cache._StaticLayer.put

    def skewed(self, rows, columns):
        numbers, inputs = self._numbers.clone(), self._inputs.clone()
        if wrong == "one column unseen":
            self._numbers[2] = 10_000
        if wrong == "one column too many":
            self._numbers[columns - 1] = 0
        if wrong == "places one on":
            self._inputs[1, :rows] = (inputs[1, :rows] + 1).clamp(max=columns - 1)
        logits = run(self, rows, columns)
        self._numbers.copy_(numbers)
        self._inputs.copy_(inputs)
        return logits

    monkeypatch.setattr(static_cache.StaticCache, "_pass", skewed)
    if wrong == "a row of another":
        monkeypatch.setattr(
            static_cache._StaticLayer, "put", lambda self, rows, *read: put(self, [*rows[1:], rows[0]], *read)
        )
    (tried,) = trial(loaded, "static").values()
    assert tried.aside.startswith("its logits are ")


def test_what_raises_or_has_no_memory_is_set_aside_with_its_reason(loaded, monkeypatch):
    assert trial(loaded, "graphs") == {
        "graphs": Tried(aside="ValueError: CUDA graphs need a model that lies on one CUDA device")
    }

    def full(self, kept, added=()):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(static_cache.StaticCache, "rebuild", full)
    assert trial(loaded, "static") == {"static": Tried(aside="out of memory")}


def test_nothing_is_found_out_while_noise_makes_the_model_say_nothing_finite(loaded):
    with torch.no_grad():
        loaded.model.model.norm.weight.fill_(torch.nan)
    assert trial(loaded, "static") == {}


def test_the_fastest_sound_way_is_taken_told_once_remembered_and_shown(loaded, monkeypatch, tmp_path):
    monkeypatch.setitem(fastest.CANDIDATES, "cpu", ("graphs", "static"))
    real, used, told = trials.probe, [], []

    def quicker(loaded, steps, *rest, **how):
        seen = real(loaded, steps, *rest, **how)
        seen.seconds = {"growing": 3.0, "static": 2.0}[steps]
        return seen

    monkeypatch.setattr(trials, "probe", quicker)
    plain = texts(loaded, told)
    cache_for = decode_module.cache_for
    monkeypatch.setattr(
        decode_module, "cache_for", lambda f, steps, **how: used.append(steps) or cache_for(f, steps, **how)
    )
    assert texts(loaded, told) == plain
    assert used == ["static"]
    (way,) = known_ways().values()
    assert way.steps["static"] == Tried(times=1.5)
    words = (
        "steps over a static cache, 1.5 times as fast as a growing cache (a static cache in CUDA graphs: set aside,"
        " ValueError: CUDA graphs need a model that lies on one CUDA device)"
    )
    assert len(told) == 1
    assert told[0].endswith(words)
    (shown,) = [check.found for check in examine(tmp_path / "x.db") if check.name == "ways"]
    assert shown.endswith(words)


def test_a_way_whose_trial_ends_the_program_is_not_tried_again(loaded, monkeypatch):
    monkeypatch.setitem(fastest.CANDIDATES, "cpu", ("static",))
    real, tried = trials.probe, []

    def dying(loaded, steps, *rest, **how):
        tried.append(steps)
        if steps == "static":
            raise KeyboardInterrupt
        return real(loaded, steps, *rest, **how)

    monkeypatch.setattr(trials, "probe", dying)
    with pytest.raises(KeyboardInterrupt):
        texts(loaded, [])
    (way,) = known_ways().values()
    assert way.steps == {"static": Tried(aside=UNFINISHED)}
    assert len(texts(loaded, [])) == 12
    assert tried.count("static") == 1


def test_a_trial_that_a_person_stops_is_made_again(loaded, monkeypatch):
    monkeypatch.setitem(fastest.CANDIDATES, "cpu", ("static",))
    passes = []

    def stop(active):
        passes.append(active)
        if known_ways() and any(way.steps for way in known_ways().values()):
            raise Cancelled

    with pytest.raises(Cancelled), fastest.fastest_way(loaded, lambda text: None, stop):
        pass
    assert set(passes) == {0}
    (way,) = known_ways().values()
    assert way.steps == {}
    with fastest.fastest_way(loaded, lambda text: None):
        pass
    (way,) = known_ways().values()
    assert way.steps["static"].times > 0


def test_a_way_that_fails_in_real_work_is_left_and_nothing_is_lost(loaded, monkeypatch):
    told, steps = [], []
    expected = texts(loaded, told)
    (key,) = known_ways()
    fastest.remember(key, known_ways()[key].with_steps({"static": Tried(times=2.0)}))
    step = static_cache.StaticCache.step

    def failing(self, tokens, is_open):
        steps.append(len(tokens))
        if len(steps) == 13:
            raise RuntimeError("operation not permitted when stream is capturing")
        return step(self, tokens, is_open)

    monkeypatch.setattr(static_cache.StaticCache, "step", failing)
    told.clear()
    assert texts(loaded, told) == expected
    assert len(steps) == 13
    assert told == [
        "a static cache failed (RuntimeError: operation not permitted when stream is capturing): going on without it"
    ]
    assert known_ways()[key].fastest_steps(greedy=True, alone=False) == "growing"
    assert texts(loaded, told) == expected


def test_running_out_of_memory_in_another_way_retreats_as_in_the_plain_one(loaded, monkeypatch):
    told, sizes = [], []
    expected = texts(loaded, told)
    (key,) = known_ways()
    fastest.remember(key, known_ways()[key].with_steps({"static": Tried(times=2.0)}))
    real = produce_module.decode

    def limited(model, tokenizer, asked, **how):
        sizes.append((how["slots"], how["steps"]))
        for number, answer in enumerate(real(model, tokenizer, asked, **how)):
            if how["slots"] > 1 and number == 2:
                raise torch.OutOfMemoryError("no more")
            yield answer

    monkeypatch.setattr(produce_module, "decode", limited)
    told.clear()
    assert texts(loaded, told) == expected
    assert [size for size, _ in sizes] == [4, 2, 1]
    assert {steps for _, steps in sizes} == {"static"}
    assert told == ["out of memory: going on with batches of 2", "out of memory: going on with batches of 1"]


def test_work_that_continuous_batching_cannot_do_is_not_given_to_it():
    way = Way(None, 1.0, {"continuous": Tried(times=3.0), "graphs": Tried(times=2.0), "static": Tried(times=1.02)})
    assert way.fastest_steps(greedy=True, alone=False) == "continuous"
    assert way.fastest_steps(greedy=False, alone=False) == "graphs"
    assert way.fastest_steps(greedy=True, alone=True) == "graphs"
    assert way.with_steps({"graphs": Tried(aside="x")}).fastest_steps(greedy=False, alone=False) == "growing"
