"""Steps over static buffers write what the plain way writes, token for token, whatever comes and goes."""

import gc
import weakref

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, CodeGenConfig, GPT2Config, MistralConfig, Qwen2Config

from qrtui.generate import decode as decode_module
from qrtui.generate.decode import decode
from qrtui.generate.sequence import Request
from qrtui.generate.steps import static_cache

SHARED = " ".join(f"w{n}" for n in range(3, 14))
SMALL = {"vocab_size": 64, "eos_token_id": 2, "pad_token_id": 2, "bos_token_id": 1}
LLAMA_LIKE = {**SMALL, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}


FAMILIES = {
    "gpt2": GPT2Config(**SMALL, n_embd=64, n_layer=2, n_head=4, n_positions=128),
    "codegen": CodeGenConfig(**SMALL, n_embd=64, n_layer=2, n_head=4, rotary_dim=8, n_positions=128, n_ctx=128),
    "qwen2": Qwen2Config(**LLAMA_LIKE, num_key_value_heads=2),
    "eager attention": Qwen2Config(**LLAMA_LIKE, num_key_value_heads=2, attn_implementation="eager"),
}


@pytest.fixture(scope="module")
def loaded(far_seeing):
    """A model whose every token depends much on all those before it."""
    return far_seeing()


class RecordedOnCpu:
    """Stands for CUDA graphs: the same work, and a proof that it could have been recorded, for nothing moved."""

    made: list["RecordedOnCpu"] = []

    def __init__(self, model, most_rows):
        self.places = {}
        self.made.append(self)

    def __call__(self, step, rows, columns):
        cache = step.__self__
        seen = [cache._inputs.data_ptr(), *(layer._all_keys.data_ptr() for layer in cache._past.layers)]
        assert self.places.setdefault((rows, columns), seen) == seen
        return step(rows, columns)


@pytest.fixture
def recorded(monkeypatch):
    monkeypatch.setattr(static_cache, "CapturedSteps", RecordedOnCpu)
    monkeypatch.setattr(static_cache, "_COLUMNS_AT_A_TIME", 8)
    monkeypatch.setattr(RecordedOnCpu, "made", [])
    return RecordedOnCpu.made


def answers(model, tokenizer, requests, steps, **how):
    made = decode(model, tokenizer, requests, steps=steps, **{"max_new_tokens": 14, **how})
    found = [(answer.request, answer.text, answer.tokens, answer.finish) for answer in made]
    assert len(found) == len(requests)
    return sorted(found)


def answers_and_logits(model, tokenizer, requests, steps, **how):
    """As `answers`, and the logits that each request's tokens were chosen from."""
    logits = {at: [] for at in range(len(requests))}

    def choose(rows, found):
        for row, one in zip(rows, found, strict=True):
            if row is not None:
                logits[row.request].append(one)
        return found.argmax(dim=-1)

    return answers(model, tokenizer, requests, steps, choose=choose, **how), logits


def assert_same(one, other):
    assert one[0] == other[0]
    for at, logits in one[1].items():
        torch.testing.assert_close(torch.stack(logits), torch.stack(other[1][at]), rtol=0, atol=2e-4)


prompts = st.lists(
    st.tuples(st.booleans(), st.lists(st.integers(3, 63), min_size=1, max_size=25)).map(
        lambda drawn: (f"{SHARED} " if drawn[0] else "") + " ".join(f"w{n}" for n in drawn[1])
    ),
    min_size=1,
    max_size=22,
)


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prompts=prompts, slots=st.integers(1, 20), stop=st.integers(3, 63), cap=st.integers(1, 30))
def test_static_steps_write_what_the_plain_way_writes(loaded, recorded, prompts, slots, stop, cap):
    requests = [Request(prompt, (f"w{stop}",), True) for prompt in prompts]
    how = {"slots": slots, "max_new_tokens": cap}
    plain = answers_and_logits(loaded.model, loaded.tokenizer, requests, "growing", **how)
    for steps in ("static", "graphs"):
        assert_same(answers_and_logits(loaded.model, loaded.tokenizer, requests, steps, **how), plain)


def test_a_sample_is_the_same_in_every_way(loaded, recorded):
    requests = [Request(f"{SHARED} w{at}", (), True, seed=at) for at in range(20, 32)]
    how = {"slots": 5, "temperature": 1.5}
    plain = answers(loaded.model, loaded.tokenizer, requests, "growing", **how)
    assert len({text for _, text, _, _ in plain}) > 6
    for steps in ("static", "graphs"):
        assert answers(loaded.model, loaded.tokenizer, requests, steps, **how) == plain


def test_few_steps_are_recorded_and_rows_are_drawn_together(loaded, recorded):
    requests = [Request(f"w{at} " * (1 + at % 7), (f"w{at + 1}", "w9", "w33"), True) for at in range(3, 40)]
    plain = answers(loaded.model, loaded.tokenizer, requests, "growing", slots=16, max_new_tokens=40)
    assert answers(loaded.model, loaded.tokenizer, requests, "graphs", slots=16, max_new_tokens=40) == plain
    (steps,) = recorded
    sizes = set(steps.places)
    assert {rows for rows, _ in sizes} <= {1, 2, 4, 8, 16}
    assert len({rows for rows, _ in sizes}) > 1
    assert {columns % 8 for _, columns in sizes} == {0}


@pytest.mark.parametrize("steps", ["growing", "static", "graphs"])
def test_keys_and_values_are_let_go_of_as_soon_as_all_is_written(loaded, recorded, monkeypatch, steps):
    held, make = [], decode_module.cache_for

    def noted(*args, **how):
        made = make(*args, **how)
        held.append(weakref.ref(made))
        return made

    monkeypatch.setattr(decode_module, "cache_for", noted)
    gc.collect()
    gc.disable()
    try:
        answers(loaded.model, loaded.tokenizer, [Request(f"w{at}", (), True) for at in range(3, 9)], steps, slots=2)
        assert [one() for one in held] == [None]
    finally:
        gc.enable()


@pytest.mark.parametrize("steps", ["static", "graphs"])
def test_a_sequence_of_nan_spoils_neither_neighbours_nor_the_next_in_its_place(loaded, recorded, monkeypatch, steps):
    # Long and short prompts in turn: what a long one leaves behind lies beside the next, short one's tokens.
    requests = [Request(f"w{at + 3} " * (12 if at % 4 < 2 else 2), (), True) for at in range(24)]
    plain = answers(loaded.model, loaded.tokenizer, requests, steps, slots=2)
    word = plain[0][1].split()[1]
    forward = loaded.model.model.embed_tokens.forward

    def broken(ids):
        # Whoever says that word has a NaN in all its layers from then on.
        return torch.where((ids == int(word[1:])).unsqueeze(-1), torch.nan, forward(ids))

    monkeypatch.setattr(loaded.model.model.embed_tokens, "forward", broken)
    spoilt = answers(loaded.model, loaded.tokenizer, requests, steps, slots=2)
    assert answers(loaded.model, loaded.tokenizer, requests, "growing", slots=2) == spoilt
    ended = [at for at, (_, _, _, finish) in enumerate(spoilt) if finish == "nan"]
    assert 0 in ended
    assert len(ended) < len(requests)
    assert all(spoilt[at] == plain[at] for at in range(len(requests)) if at not in ended)


@pytest.mark.parametrize("name", FAMILIES)
def test_other_families_write_the_same(loaded, recorded, name):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(FAMILIES[name]).eval()
    requests = [Request(f"w{at} " * (1 + at % 5) + f"w{at + 20}", (), True) for at in range(3, 20)]
    plain = answers_and_logits(model, loaded.tokenizer, requests, "growing", slots=6)
    for steps in ("static", "graphs"):
        assert_same(answers_and_logits(model, loaded.tokenizer, requests, steps, slots=6), plain)


def test_layers_that_remember_otherwise_are_refused(loaded):
    config = MistralConfig(**LLAMA_LIKE, num_key_value_heads=2, sliding_window=8)
    model = AutoModelForCausalLM.from_config(config).eval()
    with pytest.raises(ValueError, match="plain keys and values"):
        answers(model, loaded.tokenizer, [Request("w3", (), True)], "static")


def test_graphs_without_a_gpu_are_refused(loaded):
    with pytest.raises(ValueError, match="CUDA"):
        answers(loaded.model, loaded.tokenizer, [Request("w3", (), True)], "graphs")
