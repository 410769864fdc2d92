"""The ways of doing steps on an NVIDIA GPU: they write what the plain way writes; what cannot be recorded is left."""

import contextlib

import pytest
import torch

from qrtui.generate.decode import decode
from qrtui.generate.sequence import Request
from qrtui.generate.steps import cuda_graphs, static_cache
from qrtui.generate.steps.continuous import decode_continuously
from qrtui.generate.steps.names import PLAIN
from qrtui.generate.ways import fastest
from qrtui.generate.ways.known import known_ways
from qrtui.generate.ways.trials import device_answers, probe, try_steps
from qrtui.models.catalog import resolve
from qrtui.models.load import load, unload
from qrtui.models.precisions import PRECISIONS
from qrtui.perturb.noise import Noise
from qrtui.perturb.weights import NoiseCarrier
from tests.generate.test_continuous import answers as all_answers
from tests.generate.test_static_cache import answers, answers_and_logits, assert_same
from tests.generate.test_way_trials import texts

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

SHARED = " ".join(f"w{n}" for n in range(3, 14))
REQUESTS = [Request(f"{SHARED} w{at % 40 + 14} " + f"w{at % 9 + 3} " * (at % 11), ("w9",), True) for at in range(60)]


@pytest.fixture
def on_cuda(tiny_llama, tmp_path, monkeypatch):
    """Loads the tiny model on the GPU, where nothing is known yet, its weights such that each token depends on all."""
    monkeypatch.setenv("QRTUI_CACHE", str(tmp_path))
    monkeypatch.setattr(fastest, "_WORTH_TRYING_BYTES", 0)
    held = []

    def load_in(precision):
        held.append(load(resolve(str(tiny_llama)), PRECISIONS[precision], "cuda"))
        torch.manual_seed(1)
        with torch.no_grad():
            for name, weight in held[-1].model.named_parameters():
                if weight.dim() > 1 and weight.is_floating_point() and "embed" not in name:
                    weight.normal_(std=0.25)
        return held[-1]

    yield load_in
    for loaded in held:
        unload(loaded)


@pytest.mark.parametrize("slots", [1, 7, 40])
@pytest.mark.parametrize("steps", ["static", "graphs"])
def test_static_steps_and_recorded_ones_write_what_the_plain_way_writes(on_cuda, slots, steps):
    loaded = on_cuda("fp32")
    how = {"slots": slots, "max_new_tokens": 150}
    # One at a time takes a step for every token.
    asked = REQUESTS[:6] if slots == 1 else REQUESTS
    plain = answers_and_logits(loaded.model, loaded.tokenizer, asked, PLAIN, **how)
    assert_same(answers_and_logits(loaded.model, loaded.tokenizer, asked, steps, **how), plain)


def test_recorded_steps_follow_weights_that_noise_has_changed(on_cuda):
    loaded = on_cuda("fp32")
    clean = answers(loaded.model, loaded.tokenizer, REQUESTS, "graphs", slots=16)
    with NoiseCarrier(loaded.model, loaded.original).carrying(Noise(kind="gaussian", level=0.1)):
        noisy = answers(loaded.model, loaded.tokenizer, REQUESTS, "graphs", slots=16)
        assert noisy == answers(loaded.model, loaded.tokenizer, REQUESTS, PLAIN, slots=16)
    assert noisy != clean
    assert answers(loaded.model, loaded.tokenizer, REQUESTS, "graphs", slots=16) == clean


def test_continuous_batching_writes_what_the_plain_way_writes(on_cuda):
    loaded = on_cuda("fp32")
    how = {"slots": 9, "max_new_tokens": 60}
    assert all_answers(decode_continuously, loaded, REQUESTS, **how) == all_answers(decode, loaded, REQUESTS, **how)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_precision_finds_its_way_and_completes_all(on_cuda, precision):
    loaded = on_cuda(precision)
    found = try_steps(loaded, fastest.CANDIDATES["cuda"])
    print(precision, found)
    assert set(found) == {"graphs", "static", "continuous"}
    assert all(tried.aside or tried.times > 0 for tried in found.values())
    if precision == "int8":
        # bitsandbytes looks for outliers in every batch, which cannot be recorded.
        assert found["graphs"].aside
    assert device_answers(loaded)
    told = []
    assert len(texts(loaded, told)) == 12
    assert len(told) == 1
    assert set(next(iter(known_ways().values())).steps) == set(found)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "nf4"])
def test_the_way_that_is_taken_is_not_slower_than_the_plain_one(on_cuda, precision):
    loaded = on_cuda(precision)
    with fastest.fastest_way(loaded, print) as way:
        steps = way.steps(greedy=False, alone=False)
        pairs = [(probe(loaded, PLAIN).seconds, probe(loaded, steps).seconds) for _ in range(5)]
    assert sorted(plain / taken for plain, taken in pairs)[2] > 0.9


@pytest.mark.parametrize("fails", ["in the pass before", "while it is recorded"])
def test_a_step_that_cannot_be_recorded_leaves_the_device_as_it_was(on_cuda, monkeypatch, fails):
    # The last of all: should this be wrong, what comes after it in the same process is too.
    loaded = on_cuda("nf4")
    plain = answers(loaded.model, loaded.tokenizer, REQUESTS, PLAIN, slots=16)
    if fails == "while it is recorded":
        monkeypatch.setattr(cuda_graphs, "_asking_nothing", contextlib.nullcontext)
    run, stream = static_cache.StaticCache._pass, torch.cuda.current_stream()

    def asking(self, rows, columns):
        logits = run(self, rows, columns)
        assert float(logits.sum()) < float("inf")
        return logits

    with monkeypatch.context() as patched:
        patched.setattr(static_cache.StaticCache, "_pass", asking)
        found = try_steps(loaded, ["graphs", "static"])
    assert found["graphs"].aside
    assert not found["static"].aside
    assert torch.cuda.current_stream() == stream
    torch.cuda.empty_cache()
    for steps in ("graphs", PLAIN):
        assert answers(loaded.model, loaded.tokenizer, REQUESTS, steps, slots=16) == plain
