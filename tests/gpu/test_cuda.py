"""What needs an NVIDIA GPU: every precision loads, decodes and takes noise there. Run with `make test-gpu`."""

import pytest
import torch

from qrtui.generate.batching import batch_size
from qrtui.generate.decode import Request, decode
from qrtui.models.catalog import resolve
from qrtui.models.load import load, unload
from qrtui.models.precisions import PRECISIONS
from qrtui.perturb.noise import Noise
from qrtui.perturb.weights import draw, noisy

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
        with noisy(loaded.model, Noise(kind="gaussian", level=1.0)) as share:
            assert 0 < share <= 1
            assert (share == 1) is not PRECISIONS[name].quantized
            complete()
        assert all(torch.equal(p, before[key]) for key, p in loaded.model.named_parameters())
        assert complete() == clean
    finally:
        unload(loaded)


def test_the_dose_is_the_same_on_every_device(tiny_llama):
    loaded = load(resolve(str(tiny_llama)), PRECISIONS["fp32"], "cuda")
    try:
        name, parameter = next(loaded.model.named_parameters())
        before = parameter.detach().cpu().clone()
        with noisy(loaded.model, Noise(kind="uniform", level=0.5, seed=4)):
            expected = before + draw("uniform", 4, name, before.shape) * 0.5
            assert torch.equal(parameter.detach().cpu(), expected)
    finally:
        unload(loaded)
