"""The decoder on a tiny random model: what it writes must be what transformers writes, one prompt at a time."""

import weakref

import pytest
import torch

from qrtui.errors import ModelError
from qrtui.generate import decode as decode_module
from qrtui.generate import produce as produce_module
from qrtui.generate.batching import by_length
from qrtui.generate.decode import decode, stream
from qrtui.generate.pieces import Piece
from qrtui.generate.produce import produce
from qrtui.generate.sequence import Answer, Cancelled, Request
from qrtui.generate.settings import Generation
from qrtui.generate.steps.chosen import cache_for
from qrtui.models.catalog import resolve
from qrtui.models.load import load
from qrtui.models.precisions import PRECISIONS

SHARED = " ".join(f"w{n}" for n in range(3, 15))
PROMPTS = [f"{SHARED} w20 w21 w22", f"{SHARED} w30", f"{SHARED} w40 w41 w42 w43 w44 w45", f"{SHARED} w50 w51"]


@pytest.fixture(scope="module")
def loaded(tiny_llama):
    torch.set_num_threads(1)
    return load(resolve(str(tiny_llama)), PRECISIONS["fp32"], "cpu")


def requests(prompts, stops=()):
    return [Request(prompt, stops, add_special_tokens=True) for prompt in prompts]


def complete(loaded, prompts, stops=(), **settings):
    answers = decode(loaded.model, loaded.tokenizer, requests(prompts, stops), **{"max_new_tokens": 12, **settings})
    return {answer.request: answer for answer in answers}


def reference(loaded, prompt, tokens=12):
    ids = loaded.tokenizer(prompt, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        for _ in range(tokens):
            chosen = loaded.model(ids).logits[0, -1].argmax()
            if int(chosen) == loaded.tokenizer.eos_token_id:
                break
            ids = torch.cat([ids, chosen.view(1, 1)], dim=-1)
    return loaded.tokenizer.decode(ids[0, len(loaded.tokenizer(prompt)["input_ids"]) :], skip_special_tokens=True)


def test_a_batch_with_a_common_beginning_writes_what_each_prompt_gets_alone(loaded):
    answers = complete(loaded, PROMPTS)
    assert [answers[at].text for at in range(4)] == [reference(loaded, prompt) for prompt in PROMPTS]
    alone = [complete(loaded, [prompt])[0].text for prompt in PROMPTS]
    assert [answers[at].text for at in range(4)] == alone


def test_prompts_without_a_common_beginning(loaded):
    prompts = ["w9 w8 w7", "w3", "w5 w5 w5 w5 w5 w5 w5 w5 w5"]
    answers = complete(loaded, prompts)
    assert [answers[at].text for at in range(3)] == [reference(loaded, prompt) for prompt in prompts]


def test_a_sequence_ends_at_its_stop_and_the_others_go_on_unchanged(loaded):
    free = complete(loaded, PROMPTS)
    word = free[0].text.split()[3]
    stopped = complete(loaded, PROMPTS, stops=(word,))
    for at, answer in stopped.items():
        expected = free[at].text
        assert answer.text == (expected[: expected.index(word)] if word in expected else expected)
        assert answer.finish == ("stop" if word in expected else "length")
        assert answer.seconds > 0
    assert stopped[0].tokens <= 4


def test_a_stop_of_several_tokens_ends_a_sequence_at_its_last_one(loaded):
    free = complete(loaded, PROMPTS[:1])[0].text
    stop = " ".join(free.split()[2:6])
    stopped = complete(loaded, PROMPTS[:1], stops=(stop,))[0]
    begins = free.index(stop)
    told = len(free[: begins + len(stop)].split())
    assert (stopped.text, stopped.finish, stopped.tokens) == (free[:begins], "stop", told)
    assert told < 12


def test_cancelling_takes_effect_before_the_next_token(loaded):
    steps = []

    def cancel_at_third(active):
        steps.append(active)
        if len(steps) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        list(decode(loaded.model, loaded.tokenizer, requests(PROMPTS), max_new_tokens=50, on_token=cancel_at_third))
    assert len(steps) == 3


def test_a_model_that_gives_no_finite_number_ends_as_nan(loaded, monkeypatch):
    forward = loaded.model.forward

    def broken(*args, **kwargs):
        output = forward(*args, **kwargs)
        output.logits = output.logits * float("nan")
        return output

    monkeypatch.setattr(loaded.model, "forward", broken)
    assert {answer.finish for answer in complete(loaded, PROMPTS).values()} == {"nan"}


def test_a_sample_depends_on_its_seed_and_not_on_its_neighbours(loaded):
    def sample(prompts_and_seeds):
        asked = [Request(prompt, (), True, seed) for prompt, seed in prompts_and_seeds]
        answers = decode(loaded.model, loaded.tokenizer, asked, max_new_tokens=12, temperature=2.0)
        return [answer.text for answer in sorted(answers, key=lambda answer: answer.request)]

    together = sample([(PROMPTS[0], 1), (PROMPTS[0], 2), (PROMPTS[1], 3)])
    assert together[0] != together[1]
    assert together == [sample([pair])[0] for pair in [(PROMPTS[0], 1), (PROMPTS[0], 2), (PROMPTS[1], 3)]]


class Job:
    """What `produce` needs of a job."""

    def __init__(self, prompt):
        self.determinants = type("D", (), {"prompt": prompt})
        self.task = type("T", (), {"is_instruction": False})
        self.style, self.seed = "completion", 0


def produced(loaded, prompts, monkeypatch, capacity):
    sizes, notices = [], []
    real = produce_module.decode

    def limited(model, tokenizer, asked, **settings):
        sizes.append(settings["slots"])
        if min(len(asked), settings["slots"]) > capacity:
            raise torch.OutOfMemoryError("no more")
        yield from real(model, tokenizer, asked, **settings)

    monkeypatch.setattr(produce_module, "decode", limited)
    settings = Generation(max_new_tokens=3, batch_size=8)
    answers = list(produce(loaded, [Job(p) for p in prompts], settings, lambda active: None, notices.append))
    return sizes, notices, answers


def test_running_out_of_memory_halves_the_batch_and_loses_nothing(loaded, monkeypatch):
    prompts = PROMPTS * 2
    sizes, notices, answers = produced(loaded, prompts, monkeypatch, capacity=2)
    assert sizes == [8, 4, 2]
    assert notices == ["out of memory: going on with batches of 4", "out of memory: going on with batches of 2"]
    assert sorted(job.determinants.prompt for job, _ in answers) == sorted(prompts)


def test_a_prompt_that_does_not_fit_alone_is_an_error_in_words(loaded, monkeypatch):
    with pytest.raises(ModelError, match="max_new_tokens"):
        produced(loaded, PROMPTS[:1], monkeypatch, capacity=0)


def test_neighbours_go_by_length_and_no_job_is_lost():
    items = [f"{'x' * (at * 7 % 5)}{at}" for at in range(30)]
    ordered = by_length(items, len, 3)
    assert sorted(ordered) == sorted(items)
    assert [ordered[at : at + 12] for at in (0, 12, 24)] == [
        sorted(items[at : at + 12], key=len, reverse=True) for at in (0, 12, 24)
    ]


@pytest.mark.parametrize("slots", [1, 2, 3, 5])
def test_slots_that_are_filled_again_change_nothing(loaded, slots):
    prompts = [f"{SHARED} w{at} {'w60 ' * (at % 4)}w{at + 9}" for at in range(20, 31)] + PROMPTS
    stops = ("w7",)
    together = complete(loaded, prompts, stops, max_new_tokens=24, slots=slots)
    alone = [complete(loaded, [prompt], stops, max_new_tokens=24)[0] for prompt in prompts]
    assert [together[at].text for at in range(len(prompts))] == [answer.text for answer in alone]
    assert [together[at].finish for at in range(len(prompts))] == [answer.finish for answer in alone]


def test_no_slot_idles_while_a_prompt_waits(loaded):
    active = []
    complete(loaded, PROMPTS * 4, max_new_tokens=10, slots=4, on_token=active.append)
    assert sum(active) == 16 * 10
    assert set(active) == {4}


def test_the_cache_is_gone_when_the_last_answers_are_worked_on(loaded, monkeypatch):
    caches = []

    def kept(*given, **settings):
        cache = cache_for(*given, **settings)
        caches.append(weakref.ref(cache))
        return cache

    monkeypatch.setattr(decode_module, "cache_for", kept)
    made = decode(loaded.model, loaded.tokenizer, requests(PROMPTS), max_new_tokens=5)
    assert next(made).finish == "length"
    assert caches[0]() is None
    assert len(list(made)) == len(PROMPTS) - 1


def test_the_pieces_of_a_stream_are_its_answer(loaded):
    stops = (complete(loaded, PROMPTS)[0].text.split()[3],)
    for asked in (requests(PROMPTS), requests(PROMPTS, stops)):
        texts = dict.fromkeys(range(4), "")
        answers = {}
        for news in stream(loaded.model, loaded.tokenizer, asked, max_new_tokens=12):
            if isinstance(news, Piece):
                assert news.request not in answers
                texts[news.request] += news.text
            else:
                answers[news.request] = news
        assert texts == {at: answer.text for at, answer in answers.items()}
        assert all(isinstance(answer, Answer) for answer in answers.values())


def test_two_streams_drawn_in_turns_write_what_each_writes_alone(loaded):
    streams = [stream(loaded.model, loaded.tokenizer, requests([p]), max_new_tokens=12) for p in PROMPTS[:2]]
    found = {}
    while streams:
        for one in list(streams):
            news = next(one, None)
            if news is None:
                streams.remove(one)
            elif isinstance(news, Answer):
                found[news.text] = news.finish
    assert set(found) == {complete(loaded, [prompt])[0].text for prompt in PROMPTS[:2]}


def test_one_by_one_no_prompt_changes_anothers_arithmetic(loaded, monkeypatch):
    passes = []
    forward = loaded.model.forward

    def noted(*args, **kwargs):
        ids = (args or [kwargs["input_ids"]])[0]
        passes.append((ids.tolist(), [*kwargs["attention_mask"].shape] if "attention_mask" in kwargs else None))
        return forward(*args, **kwargs)

    monkeypatch.setattr(loaded.model, "forward", noted)
    complete(loaded, PROMPTS, slots=1)
    together = list(passes)
    passes.clear()
    for prompt in PROMPTS:
        complete(loaded, [prompt])
    assert together == passes
