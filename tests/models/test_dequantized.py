"""4-bit layers computing from values held dequantized: faster on a CPU, and the same numbers."""

import pytest
import torch

from qrtui.models import dequantized
from qrtui.models.catalog import resolve
from qrtui.models.dequantized import dequantized_once, four_bit_layers
from qrtui.models.load import load
from qrtui.models.precisions import PRECISIONS
from qrtui.perturb.noise import Noise
from qrtui.perturb.weights import NoiseCarrier


@pytest.fixture(scope="module", params=["nf4", "fp4"])
def loaded(tiny_llama, request):
    return load(resolve(str(tiny_llama)), PRECISIONS[request.param], "cpu")


def logits(model):
    with torch.inference_mode():
        return model(torch.arange(24).view(2, 12) % 60).logits


def test_the_numbers_are_the_same_bit_for_bit(loaded):
    before = logits(loaded.model)
    with dequantized_once(loaded.model) as done:
        assert done
        assert torch.equal(logits(loaded.model), before)
    assert torch.equal(logits(loaded.model), before)


def test_the_values_are_those_that_noise_left(loaded):
    carrier = NoiseCarrier(loaded.model, loaded.original)
    with carrier.carrying(Noise(kind="gaussian", level=0.1, protocol="after", seed=0)):
        noisy = logits(loaded.model)
        with dequantized_once(loaded.model):
            assert torch.equal(logits(loaded.model), noisy)
    carrier.release()


def test_it_is_left_out_where_memory_is_short(loaded, monkeypatch):
    monkeypatch.setattr(dequantized, "free_memory", lambda: 1000)
    with dequantized_once(loaded.model) as done:
        assert not done
    monkeypatch.setattr(dequantized, "free_memory", lambda: 10**9)
    with dequantized_once(loaded.model, beside=9 * 10**8) as done:
        assert not done
    with dequantized_once(loaded.model, beside=7 * 10**8) as done:
        assert done


def test_the_recipes_compute_dtype_is_kept_on_every_processor(loaded):
    assert not any(layer.support_avx512bf16_for_cpu for layer in four_bit_layers(loaded.model))
    logits(loaded.model)
    assert not any(
        getattr(layer.weight.quant_state, "packing_format_for_cpu", False) for layer in four_bit_layers(loaded.model)
    )
