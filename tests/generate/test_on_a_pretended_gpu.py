"""With a model on a GPU no step mixes devices, nothing that is recorded waits for the device, and all comes out right.

The GPU is pretended (`tests/pretended_gpu.py`): where tensors lie is checked as torch would, the numbers are a CPU's.
"""

import pytest
import torch
from transformers import AutoModelForCausalLM

from qrtui.generate.decode import decode
from qrtui.generate.sequence import Request
from qrtui.generate.steps import static_cache
from qrtui.generate.ways import trials
from qrtui.models.catalog import resolve
from qrtui.models.load import load
from qrtui.models.precisions import PRECISIONS
from qrtui.perturb.noise import Noise
from qrtui.perturb.weights import NoiseCarrier
from tests.generate.test_static_cache import FAMILIES
from tests.pretended_gpu import DevicesMixed, OnGpu, on_gpu, pretended_gpu, put_on_gpu

SHARED = " ".join(f"w{n}" for n in range(3, 14))
REQUESTS = [Request(f"{SHARED} w{at % 40 + 14} " + f"w{at % 9 + 3} " * (at % 7), ("w9",), True, at) for at in range(13)]


class Recorded:
    """Stands for CUDA graphs: what is recorded must not wait for the device, nor move what it reads and writes."""

    def __init__(self, model, most_rows):
        self.places = {}

    def __call__(self, step, rows, columns):
        cache = step.__self__
        seen = [cache._inputs.data_ptr(), *(layer._all_keys.data_ptr() for layer in cache._past.layers)]
        assert self.places.setdefault((rows, columns), seen) == seen
        before = len(OnGpu.waits)
        logits = step(rows, columns)
        assert OnGpu.waits[before:] == []
        return logits


@pytest.fixture
def pair(tiny_llama, monkeypatch):
    """Loads a model twice, each token depending on all: on the CPU, and on a GPU that is there during a test."""
    torch.set_num_threads(1)
    monkeypatch.setattr(static_cache, "CapturedSteps", Recorded)

    def load_both(precision):
        here, there = (load(resolve(str(tiny_llama)), PRECISIONS[precision], "cpu") for _ in range(2))
        for loaded in (here, there):
            torch.manual_seed(1)
            with torch.no_grad():
                for name, weight in loaded.model.named_parameters():
                    if weight.dim() > 1 and weight.is_floating_point() and "embed" not in name:
                        weight.normal_(std=0.25)
        there.device = "cuda:0"
        put_on_gpu(there.model)
        return here, there

    with pretended_gpu():
        yield load_both


def answers(loaded, steps="growing", **how):
    made = decode(loaded.model, loaded.tokenizer, REQUESTS, steps=steps, **{"max_new_tokens": 14, "slots": 5, **how})
    return sorted((answer.request, answer.text, answer.tokens, answer.finish) for answer in made)


@pytest.mark.parametrize("how", [{"slots": 1}, {"temperature": 1.0}, {}], ids=["one at a time", "sampled", "greedy"])
def test_no_way_of_doing_steps_mixes_devices(pair, how):
    here, there = pair("fp32")
    plain = answers(here, **how)
    assert there.model.device.type == "cuda"
    for steps in ("growing", "static", "graphs"):
        assert answers(there, steps, **how) == plain


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_recorded_of_other_families_waits_for_nothing(pair, name):
    here, there = pair("fp32")
    for loaded in (here, there):
        torch.manual_seed(0)
        loaded.model = AutoModelForCausalLM.from_config(FAMILIES[name]).eval()
    put_on_gpu(there.model)
    assert answers(there, "graphs") == answers(there) == answers(here)


def test_the_trials_of_ways_mix_none(pair, monkeypatch):
    monkeypatch.setattr(trials, "_free", lambda loaded: None)
    _, there = pair("fp32")
    found = trials.try_steps(there, ["graphs", "static"])
    assert [tried.aside for tried in found.values()] == ["", ""]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_noise_mixes_none_and_is_taken_back(pair, precision):
    both = pair(precision)
    # In fewer bits the columns that recorded steps have in reserve change words.
    steps = ("static", "graphs" if PRECISIONS[precision].dtype == "float32" else "static")
    clean = [answers(*one) for one in zip(both, steps, strict=True)]
    assert clean[0] == clean[1]
    before = {name: parameter.detach().cpu() for name, parameter in both[1].model.named_parameters()}
    carriers = [NoiseCarrier(loaded.model, loaded.original) for loaded in both]
    # Not `before`: the weights are others than in the files.
    for protocol in ("published", "after") if PRECISIONS[precision].quantized else ("published",):
        noise = Noise(kind="gaussian", level=1.0, protocol=protocol)
        with carriers[0].carrying(noise) as expected, carriers[1].carrying(noise) as dose:
            assert dose.share == expected.share
            noisy = [answers(*one) for one in zip(both, steps, strict=True)]
        assert noisy[0] == noisy[1]
        # The tiny model's quantized layers are so small that it says its last word again, noise or not.
        assert PRECISIONS[precision].quantized or noisy[1] != clean[1]
        assert all(torch.equal(p.detach().cpu(), before[name]) for name, p in both[1].model.named_parameters())


def test_what_would_mix_devices_is_found(pair):
    _, there = pair("fp32")
    here, far = torch.ones(2, 3), on_gpu(torch.ones(2, 3))
    OnGpu.waits.clear()
    for mixing in (
        lambda: here + far,
        lambda: torch.cat([far, here]),
        lambda: far.gather(1, torch.zeros(2, 1, dtype=torch.long)),
        lambda: here[torch.tensor([1], device=far.device)],
        lambda: far.__setitem__([0, 1], here),
        lambda: there.model(input_ids=torch.tensor([[1, 2]])),
        lambda: torch.multinomial(far, 1, generator=torch.Generator("cpu")),
    ):
        with pytest.raises(DevicesMixed):
            mixing()
    with pytest.raises(TypeError):
        far.numpy()
    assert OnGpu.waits == ["tensor"]  # the index
    assert (far[:, torch.tensor([1])] * 2.0 + torch.tensor(1.0)).device.type == "cuda"
    assert far[far > 0].sum().item() == 6
    assert OnGpu.waits == ["tensor", "__getitem__", "item"]
