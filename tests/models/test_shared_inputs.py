"""int8 layers that share what they make of their input: faster on a CPU, and the same numbers."""

import pytest
import torch
from bitsandbytes import functional

from qrtui.models.catalog import resolve
from qrtui.models.load import load
from qrtui.models.precisions import PRECISIONS
from qrtui.models.shared_inputs import inputs_shared
from qrtui.perturb.noise import Noise
from qrtui.perturb.weights import NoiseCarrier

LAYERS = 2


@pytest.fixture
def loaded(loud_llama):
    return load(resolve(str(loud_llama)), PRECISIONS["int8"], "cpu")


def logits(model, shape=(2, 12)):
    ids = torch.arange(3, 3 + shape[0] * shape[1]).view(shape) % 61
    with torch.inference_mode():
        return model(ids).logits


@pytest.mark.parametrize("shape", [(2, 12), (1, 1), (3, 1), (1, 9)])
@pytest.mark.parametrize("is_fresh", [True, False])
def test_the_numbers_are_the_same_bit_for_bit(loaded, shape, is_fresh):
    """Before a first pass of bitsandbytes' own, which moves its scales elsewhere, and after one."""
    before = None if is_fresh else logits(loaded.model, shape)
    with inputs_shared(loaded.model) as count:
        assert count == 7 * LAYERS
        shared = logits(loaded.model, shape)
    assert torch.equal(shared, logits(loaded.model, shape) if before is None else before)
    assert torch.equal(shared, logits(loaded.model, shape))


def test_an_input_is_quantized_once_for_all_the_layers_that_get_it(loaded, monkeypatch):
    real, outliers = functional.int8_vectorwise_quant, []

    def quantize(*given, **named):
        quantized = real(*given, **named)
        outliers.append(quantized[2].numel())
        return quantized

    monkeypatch.setattr(functional, "int8_vectorwise_quant", quantize)
    logits(loaded.model)
    # Query, key and value; output; gate and up; down.
    assert len(outliers) == 7 * LAYERS
    assert any(outliers)
    outliers.clear()
    with inputs_shared(loaded.model):
        logits(loaded.model)
    assert len(outliers) == 4 * LAYERS


def test_the_layers_compute_with_what_noise_left_and_are_as_they_were_afterwards(loaded):
    before = logits(loaded.model)
    carrier = NoiseCarrier(loaded.model, loaded.original)
    with carrier.carrying(Noise(kind="gaussian", level=0.1, protocol="after", seed=0)):
        noisy = logits(loaded.model)
        with inputs_shared(loaded.model):
            assert torch.equal(logits(loaded.model), noisy)
    carrier.release()
    assert not torch.equal(noisy, before)
    assert torch.equal(logits(loaded.model), before)
    assert not any("forward" in vars(module) for module in loaded.model.modules())


def test_other_precisions_are_left_alone(loud_llama):
    loaded = load(resolve(str(loud_llama)), PRECISIONS["nf4"], "cpu")
    with inputs_shared(loaded.model) as count:
        assert count == 0
