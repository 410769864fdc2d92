"""Linear layers with packed weights: the same function up to rounding, and afterwards the same bits."""

import contextlib

import pytest
import torch

from qrtui.models import packed as packed_module
from qrtui.models.catalog import resolve
from qrtui.models.dequantized import dequantized_once
from qrtui.models.load import load
from qrtui.models.packed import packed
from qrtui.models.precisions import PRECISIONS

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch without oneDNN")


def logits(model):
    with torch.inference_mode():
        return model(torch.arange(24).view(2, 12) % 60).logits.float()


@pytest.mark.parametrize(("name", "layers"), [("fp32", 15), ("bf16", 15), ("fp16", 0), ("int8", 1), ("nf4", 1)])
def test_packing_changes_rounding_alone_and_is_undone(tiny_llama, name, layers):
    model = load(resolve(str(tiny_llama)), PRECISIONS[name], "cpu").model
    bits = {key: parameter.detach().clone() for key, parameter in model.named_parameters()}
    before = logits(model)
    with contextlib.suppress(KeyError), packed(model) as count:
        assert count == layers
        tolerance = 2e-2 if name == "bf16" else 1e-4
        torch.testing.assert_close(logits(model), before, rtol=tolerance, atol=tolerance)
        raise KeyError("whatever goes wrong meanwhile")
    assert all(torch.equal(parameter, bits[key]) for key, parameter in model.named_parameters())
    assert all(parameter.requires_grad == bits[key].is_floating_point() for key, parameter in model.named_parameters())
    assert torch.equal(logits(model), before)


def test_weights_are_held_once_but_for_a_head_that_is_the_token_table(tiny_llama, monkeypatch):
    model = load(resolve(str(tiny_llama)), PRECISIONS["fp32"], "cpu").model
    with packed(model):
        assert model.model.layers[0].mlp.up_proj.weight.numel() == 0
        assert model.lm_head.weight.numel() == 64 * 64
    monkeypatch.setattr(packed_module, "free_memory", lambda: 0)
    with packed(model) as count:
        assert count == 14


def test_values_of_4_bit_layers_can_be_packed(tiny_llama):
    model = load(resolve(str(tiny_llama)), PRECISIONS["nf4"], "cpu").model
    before = logits(model)
    with dequantized_once(model, pack=True) as done:
        assert done
        torch.testing.assert_close(logits(model), before, rtol=1e-4, atol=1e-4)
    assert torch.equal(logits(model), before)
