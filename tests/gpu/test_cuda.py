"""What needs an NVIDIA GPU: every precision loads, decodes and takes noise there. Run with `make test-gpu`."""

import subprocess
import sys

import pytest
import torch

from qrtui.device_failures import is_device_lost, is_out_of_memory
from qrtui.generate.batching import batch_size
from qrtui.generate.decode import decode
from qrtui.generate.peak import peak_memory
from qrtui.generate.sequence import Request
from qrtui.generate.settings import Generation
from qrtui.generate.ways.fastest import fastest_way
from qrtui.models.catalog import resolve
from qrtui.models.gpu_check import examine_gpus
from qrtui.models.load import load, unload
from qrtui.models.precisions import PRECISIONS
from qrtui.perturb.noise import Noise
from qrtui.perturb.weights import NoiseCarrier, draw

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

PROMPTS = ["w3 w4 w5 w6", "w7 w8", "w9 w10 w11 w12 w13 w14"]


@pytest.mark.parametrize("name", PRECISIONS)
def test_a_precision_loads_decodes_and_takes_noise(tiny_llama, name):
    loaded = load(resolve(str(tiny_llama)), PRECISIONS[name], "cuda")
    try:
        assert loaded.device.startswith("cuda")
        assert loaded.footprint > 0
        assert batch_size("auto", loaded.model, tokens=64) >= 1
        requests = [Request(prompt, (), add_special_tokens=True) for prompt in PROMPTS]

        def complete():
            answers = decode(loaded.model, loaded.tokenizer, requests, max_new_tokens=8)
            return {answer.request: answer.text for answer in answers}

        before = {key: p.detach().clone() for key, p in loaded.model.named_parameters()}
        clean = complete()
        carrier = NoiseCarrier(loaded.model, loaded.original)
        for protocol in ("published", "before", "after"):
            with carrier.carrying(Noise(kind="gaussian", level=1.0, protocol=protocol)) as dose:
                assert 0 < dose.share <= 1
                assert (dose.share == 1) is not (PRECISIONS[name].quantized and protocol == "published")
                complete()
            assert all(torch.equal(p, before[key]) for key, p in loaded.model.named_parameters())
            assert complete() == clean
    finally:
        unload(loaded)


@pytest.mark.parametrize("kind", ["gaussian", "uniform"])
def test_the_noise_is_the_same_on_every_device_up_to_rounding(kind):
    here = draw(kind, 4, "model.embed_tokens.weight", torch.empty(1_000_003))
    there = draw(kind, 4, "model.embed_tokens.weight", torch.empty(1_000_003, device="cuda"))
    torch.testing.assert_close(there.cpu(), here, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("name", ["int8", "nf4", "fp4"])
@pytest.mark.parametrize("protocol", ["before", "after"])
def test_equal_dose_noise_reaches_quantized_weights(tiny_llama, name, protocol):
    loaded = load(resolve(str(tiny_llama)), PRECISIONS[name], "cuda")
    try:
        carrier = NoiseCarrier(loaded.model, loaded.original)
        with carrier.carrying(Noise(kind="gaussian", level=0.02, protocol=protocol)) as dose:
            moved = {layer.kind: layer.moved for layer in dose.layers}
        assert dose.share == 1
        assert all(size > 0 for size in moved.values())
        # A dose of this size is larger than the steps of int8, so that it arrives whole.
        if name == "int8":
            assert moved["mlp"] == pytest.approx(next(x.noise for x in dose.layers if x.kind == "mlp"), rel=0.2)
    finally:
        unload(loaded)


def test_a_model_spread_over_two_gpus_gets_the_noise_of_one(tiny_llama):
    if torch.cuda.device_count() < 2:
        pytest.skip("one GPU only")
    one, spread = (load(resolve(str(tiny_llama)), PRECISIONS["fp32"], device) for device in ("cuda:0", "auto"))
    noise = Noise(kind="gaussian", level=0.1, seed=2)
    with NoiseCarrier(one.model).carrying(noise), NoiseCarrier(spread.model).carrying(noise):
        for (name, here), (_, there) in zip(one.model.named_parameters(), spread.model.named_parameters(), strict=True):
            assert torch.equal(here.cpu(), there.cpu()), name


LOSE_THE_DEVICE = """
import torch
from qrtui.device_failures import is_device_lost
try:
    torch.zeros(3, device="cuda")[torch.tensor([7], device="cuda")].cpu()
except RuntimeError as error:
    print(is_device_lost(error), flush=True)
try:
    torch.zeros(3, device="cuda").sum().item()
except RuntimeError as error:
    print(is_device_lost(error), flush=True)
"""


def test_a_context_that_an_assert_broke_is_told_as_lost():
    # How such a process ends is CUDA's business.
    found = subprocess.run([sys.executable, "-c", LOSE_THE_DEVICE], capture_output=True, text=True, check=False)
    assert found.stdout.split() == ["True", "True"], found.stderr


def test_running_out_of_gpu_memory_is_told_apart_from_losing_the_gpu():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(torch.cuda.mem_get_info()[1] * 2, dtype=torch.uint8, device="cuda")
    assert is_out_of_memory(caught.value)
    assert not is_device_lost(caught.value)


def test_doctor_names_the_gpu_and_its_memory():
    assert f"cuda:0 {torch.cuda.get_device_name(0)}" in examine_gpus().found


@pytest.mark.parametrize("name", ["fp32", "bf16"])
def test_what_is_allocated_stays_within_what_the_plan_says(tiny_llama, name):
    info, settings = resolve(str(tiny_llama)), Generation(max_new_tokens=64, batch_size=16)
    texts = [" ".join(f"w{3 + at % 60}" for _ in range(80)) for at in range(16)]
    planned = peak_memory(info, PRECISIONS[name], "cuda", texts, settings, None)
    for _ in range(2):  # what CUDA's libraries take once, at their first product, is none of the plan's
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        loaded = load(info, PRECISIONS[name], "cuda")
        try:
            said = []
            with fastest_way(loaded, said.append):
                asked = [Request(text, (), add_special_tokens=True) for text in texts]
                list(decode(loaded.model, loaded.tokenizer, asked, max_new_tokens=64, slots=16))
            taken = torch.cuda.max_memory_allocated() - before
        finally:
            unload(loaded)
    assert said == []
    # Activations of so small a model weigh as much as the model: megabytes on top.
    assert taken < 1.2 * planned + 50e6
