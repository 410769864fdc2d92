"""transformers' continuous batching, for real on a CPU: what of ours it carries, and what it is kept away from."""

import threading
import time

import pytest
import torch
from transformers.generation.continuous_batching import ContinuousBatchingManager

from qrtui.generate.decode import decode
from qrtui.generate.sequence import Cancelled, NotFiniteError, Request
from qrtui.generate.steps.continuous import decode_continuously
from qrtui.generate.ways import fastest, trials
from qrtui.generate.ways.known import Tried, known_ways
from qrtui.generate.ways.trials import try_steps
from tests.generate.test_way_trials import texts

SHARED = " ".join(f"w{n}" for n in range(3, 14))


@pytest.fixture
def loaded(far_seeing):
    """A model whose every token depends much on all those before it."""
    return far_seeing()


@pytest.fixture
def taking_continuous(monkeypatch, tmp_path):
    """A machine on which continuous batching becomes the fastest way once the returned function is called."""
    monkeypatch.setenv("QRTUI_CACHE", str(tmp_path))
    monkeypatch.setattr(fastest, "_WORTH_TRYING_BYTES", 0)

    def take():
        (key,) = known_ways()
        fastest.remember(key, known_ways()[key].with_steps({"continuous": Tried(times=2.0)}))
        return key

    return take


def requests(count=11, stops=()):
    return [Request(f"{SHARED} w{at + 20} " + f"w{at + 9} " * (at % 4), stops, True) for at in range(count)]


def answers(decoding, loaded, asked, **how):
    made = list(decoding(loaded.model, loaded.tokenizer, asked, **{"max_new_tokens": 14, "slots": 4, **how}))
    assert all(answer.seconds > 0 for answer in made)
    return sorted((answer.request, answer.text, answer.tokens, answer.finish) for answer in made)


def loops():
    return [one for one in threading.enumerate() if "_run_generation_loop" in one.name]


def test_it_writes_what_the_plain_way_writes_with_stops_and_refilled_places(loaded):
    word = answers(decode, loaded, requests())[2][1].split()[4]
    for asked in (requests(), requests(stops=(word, "w9"))):
        plain = answers(decode, loaded, asked)
        assert answers(decode_continuously, loaded, asked) == plain
    assert {finish for *_, finish in plain} == {"stop", "length"}
    assert loops() == []


def test_it_is_left_where_numbers_are_not_finite_for_they_leak_to_neighbours(loaded, monkeypatch, taking_continuous):
    plain = texts(loaded, [])
    word, forward = int(next(iter(plain.values())).split()[3][1:]), loaded.model.model.embed_tokens.forward
    monkeypatch.setattr(
        loaded.model.model.embed_tokens,
        "forward",
        lambda ids: torch.where((ids == word).unsqueeze(-1), torch.nan, forward(ids)),
    )
    with pytest.raises(NotFiniteError):
        answers(decode_continuously, loaded, requests())
    key = taking_continuous()
    told = []
    spoilt = texts(loaded, told)
    why = "NotFiniteError: met numbers that are not finite"
    assert told == [f"transformers' continuous batching failed ({why}): going on without it"]
    assert known_ways()[key].fastest_steps(greedy=True, alone=False) == "continuous"
    assert any(spoilt[prompt] != text for prompt, text in plain.items())
    fastest.remember(key, known_ways()[key].with_steps({"continuous": Tried(aside="not now")}))
    assert texts(loaded, []) == spoilt


def test_cancelling_ends_the_loop_and_leaves_the_model_as_it_was(loaded):
    before, steps = loaded.model.config._attn_implementation, []

    def cancel(active):
        steps.append(active)
        if sum(steps) > 6:
            raise Cancelled

    with pytest.raises(Cancelled):
        answers(decode_continuously, loaded, requests(), max_new_tokens=400, on_token=cancel)
    assert loops() == []
    assert loaded.model.config._attn_implementation == before
    assert answers(decode_continuously, loaded, requests()) == answers(decode, loaded, requests())


@pytest.mark.parametrize("pausing", ["the library's", "ours, as for transformers 5.17"])
def test_the_loop_waits_while_a_person_pauses(loaded, monkeypatch, pausing):
    if pausing != "the library's":
        monkeypatch.delattr(ContinuousBatchingManager, "pause", raising=False)
    passes, during, forward = [], [], loaded.model.forward

    def counted(*args, **kwargs):
        passes.append(time.monotonic())
        return forward(*args, **kwargs)

    monkeypatch.setattr(loaded.model, "forward", counted)

    def pause(active):
        if active and not during:
            time.sleep(1.0)  # by now the loop has been told
            held = len(passes)
            time.sleep(0.5)
            during.extend((len(passes) - held, len(passes)))

    plain = answers(decode, loaded, requests(2), max_new_tokens=400)
    passes.clear()
    assert answers(decode_continuously, loaded, requests(2), max_new_tokens=400, on_token=pause) == plain
    assert during[0] == 0
    assert during[1] < len(passes)


def test_a_loop_that_fails_says_why(loaded, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("CUDA out of memory, it says")

    monkeypatch.setattr(loaded.model, "forward", broken)
    with pytest.raises(RuntimeError, match="out of memory, it says"):
        answers(decode_continuously, loaded, requests())
    assert loops() == []


def test_it_passes_its_trial_serves_greedy_batches_and_nothing_else(loaded, monkeypatch, taking_continuous):
    (tried,) = try_steps(loaded, ["continuous"]).values()
    assert tried.aside == ""
    assert tried.times > 0
    plain, sampled = texts(loaded, []), texts(loaded, [], temperature=1.0)
    taking_continuous()
    used = []
    start = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda self: used.append(self.name) or start(self))
    assert texts(loaded, [], temperature=1.0) == sampled
    assert not any("_run_generation_loop" in name for name in used)
    assert texts(loaded, []) == plain
    assert any("_run_generation_loop" in name for name in used)


def test_a_step_is_timed_as_long_as_a_pass_takes_however_its_tokens_arrive(loaded, monkeypatch):
    passes, forward = [], loaded.model.forward

    def counted(*args, **kwargs):
        passes.append(1)
        # This model's passes are so short that all may be done before the thread that takes tokens gets a turn.
        time.sleep(0.01)
        return forward(*args, **kwargs)

    monkeypatch.setattr(loaded.model, "forward", counted)
    monkeypatch.setattr(trials.time, "perf_counter", lambda: float(len(passes)))
    # In passes: one, but for what the other thread does while a token is on its way.
    assert 0.1 < trials.probe_continuous(loaded, slots=5, prompts=8).seconds < 4


def test_a_wrong_one_is_set_aside(loaded, monkeypatch):
    from transformers.generation.continuous_batching.input_outputs import ContinuousBatchingIOs

    real = ContinuousBatchingIOs.get_model_kwargs

    def skewed(self, *args, **kwargs):
        given = real(self, *args, **kwargs)
        given["position_ids"] = given["position_ids"] + 3 * (given["position_ids"] > 20)
        return given

    monkeypatch.setattr(ContinuousBatchingIOs, "get_model_kwargs", skewed)
    (tried,) = try_steps(loaded, ["continuous"]).values()
    assert tried.aside.startswith("its logits are ")
