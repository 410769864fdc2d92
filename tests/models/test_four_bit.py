"""4-bit layers that multiply faster on a CPU: the same values, and afterwards the same codes."""

import pytest
import torch

from qrtui.models.catalog import resolve
from qrtui.models.four_bit import four_bit_faster, four_bit_layers
from qrtui.models.load import load
from qrtui.models.packed import packed
from qrtui.models.precisions import PRECISIONS
from qrtui.models.spare import Spare
from qrtui.perturb.noise import Noise
from qrtui.perturb.weights import NoiseCarrier

PLENTY = 10**9


@pytest.fixture(scope="module", params=["nf4", "fp4"])
def loaded(tiny_llama, request):
    return load(resolve(str(tiny_llama)), PRECISIONS[request.param], "cpu")


def logits(model):
    with torch.inference_mode():
        return model(torch.arange(24).view(2, 12) % 60).logits


def codes(model):
    return [layer.weight.data.clone() for layer in four_bit_layers(model)]


def equal(some, others):
    return all(torch.equal(one, other) for one, other in zip(some, others, strict=True))


def test_held_values_give_the_same_numbers_bit_for_bit(loaded):
    before = logits(loaded.model)
    with four_bit_faster(loaded.model, Spare(PLENTY), pack=False) as held:
        assert held == 14
        assert torch.equal(logits(loaded.model), before)
    assert torch.equal(logits(loaded.model), before)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch without oneDNN")
def test_reordered_codes_give_the_very_values_that_are_held_otherwise(loaded):
    before, former = logits(loaded.model), codes(loaded.model)
    with four_bit_faster(loaded.model, Spare(PLENTY), pack=True) as held:
        assert held == 14
        by_values = logits(loaded.model)
    with four_bit_faster(loaded.model, Spare(0), pack=True) as held:
        assert held == 0
        assert not equal(codes(loaded.model), former)
        assert torch.equal(logits(loaded.model), by_values)
    torch.testing.assert_close(by_values, before, rtol=1e-4, atol=1e-4)
    assert equal(codes(loaded.model), former)
    assert torch.equal(logits(loaded.model), before)


def test_a_layer_is_done_in_parts_where_its_values_are_many(loaded, monkeypatch):
    with four_bit_faster(loaded.model, Spare(0), pack=True):
        whole = logits(loaded.model)
    monkeypatch.setattr("qrtui.models.four_bit._PART_BYTES", 1)
    former = codes(loaded.model)
    with four_bit_faster(loaded.model, Spare(0), pack=True):
        torch.testing.assert_close(logits(loaded.model), whole, rtol=1e-5, atol=1e-5)
    assert equal(codes(loaded.model), former)


def test_what_is_not_in_a_known_order_is_left_as_it_is(loaded, monkeypatch):
    before, former = logits(loaded.model), codes(loaded.model)
    monkeypatch.setattr("qrtui.models.packed.blocks_of", lambda packed, weight: None)
    with four_bit_faster(loaded.model, Spare(0), pack=True):
        assert equal(codes(loaded.model), former)
        assert torch.equal(logits(loaded.model), before)
    with four_bit_faster(loaded.model, Spare(0), pack=False):
        assert torch.equal(logits(loaded.model), before)


@pytest.mark.parametrize("spare", [0, PLENTY])
def test_the_values_are_those_that_noise_left(loaded, spare):
    carrier, former = NoiseCarrier(loaded.model, loaded.original), codes(loaded.model)
    with carrier.carrying(Noise(kind="gaussian", level=0.1, protocol="after", seed=0)):
        noisy = logits(loaded.model)
        with packed(loaded.model, Spare(0)), four_bit_faster(loaded.model, Spare(spare), pack=True):
            torch.testing.assert_close(logits(loaded.model), noisy, rtol=1e-4, atol=1e-4)
        assert torch.equal(logits(loaded.model), noisy)
    assert equal(codes(loaded.model), former)
    carrier.release()


def test_values_are_held_as_far_as_memory_is_spared(loaded):
    projection = 4 * 64 * 64
    with four_bit_faster(loaded.model, Spare(2 * projection), pack=True) as held:
        assert 0 < held < 14
        some = logits(loaded.model)
    with four_bit_faster(loaded.model, Spare(PLENTY), pack=True):
        assert torch.equal(logits(loaded.model), some)


def test_the_recipes_compute_dtype_is_kept_on_every_processor(loaded):
    assert not any(layer.support_avx512bf16_for_cpu for layer in four_bit_layers(loaded.model))
    logits(loaded.model)
    assert not any(
        getattr(layer.weight.quant_state, "packing_format_for_cpu", False) for layer in four_bit_layers(loaded.model)
    )
