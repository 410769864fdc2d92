"""The decoder on a tiny random model: what it writes must be what transformers writes, one prompt at a time."""

import pytest
import torch

from qrtui.errors import ModelError
from qrtui.generate import produce as produce_module
from qrtui.generate.batching import batches
from qrtui.generate.decode import Cancelled, Request, decode
from qrtui.generate.produce import produce
from qrtui.generate.settings import Generation
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
        sizes.append(len(asked))
        if len(asked) > capacity:
            raise torch.OutOfMemoryError("no more")
        yield from real(model, tokenizer, asked, **settings)

    monkeypatch.setattr(produce_module, "decode", limited)
    settings = Generation(max_new_tokens=3, batch_size=8)
    answers = list(produce(loaded, [Job(p) for p in prompts], settings, lambda active: None, notices.append))
    return sizes, notices, answers


def test_running_out_of_memory_halves_the_batch_and_loses_nothing(loaded, monkeypatch):
    prompts = PROMPTS * 2
    sizes, notices, answers = produced(loaded, prompts, monkeypatch, capacity=2)
    assert sizes == [8, 4, 2, 2, 2, 2]
    assert notices == ["out of memory: going on with batches of 4", "out of memory: going on with batches of 2"]
    assert sorted(job.determinants.prompt for job, _ in answers) == sorted(prompts)


def test_a_prompt_that_does_not_fit_alone_is_an_error_in_words(loaded, monkeypatch):
    with pytest.raises(ModelError, match="max_new_tokens"):
        produced(loaded, PROMPTS[:1], monkeypatch, capacity=0)


@pytest.mark.parametrize(("count", "size", "sizes"), [(0, 4, []), (4, 4, [4]), (5, 4, [2, 3]), (9, 4, [3, 3, 3])])
def test_batches_are_few_and_even(count, size, sizes):
    made = list(batches(list(range(count)), size))
    assert [len(batch) for batch in made] == sizes
    assert [item for batch in made for item in batch] == list(range(count))
