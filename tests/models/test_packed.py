"""Linear layers with packed weights: the same function up to rounding, and afterwards the same bits."""

import contextlib

import pytest
import torch

from qrtui.models import packed as packed_module
from qrtui.models.catalog import resolve
from qrtui.models.load import load
from qrtui.models.packed import packed
from qrtui.models.precisions import PRECISIONS
from qrtui.models.spare import Spare

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch without oneDNN")


def logits(model):
    with torch.inference_mode():
        return model(torch.arange(24).view(2, 12) % 60).logits.float()


@pytest.mark.parametrize(("name", "layers"), [("fp32", 15), ("bf16", 15), ("fp16", 0), ("int8", 1), ("nf4", 1)])
def test_packing_changes_rounding_alone_and_is_undone(tiny_llama, name, layers):
    model = load(resolve(str(tiny_llama)), PRECISIONS[name], "cpu").model
    bits = {key: parameter.detach().clone() for key, parameter in model.named_parameters()}
    before = logits(model)
    with contextlib.suppress(KeyError), packed(model, Spare(0)) as count:
        assert count == layers
        tolerance = 2e-2 if name == "bf16" else 1e-4
        torch.testing.assert_close(logits(model), before, rtol=tolerance, atol=tolerance)
        raise KeyError("whatever goes wrong meanwhile")
    assert all(torch.equal(parameter, bits[key]) for key, parameter in model.named_parameters())
    assert all(parameter.requires_grad == bits[key].is_floating_point() for key, parameter in model.named_parameters())
    assert torch.equal(logits(model), before)


def test_a_head_that_is_the_token_table_is_held_once_and_looked_up_in_its_packed_order(tiny_llama):
    model = load(resolve(str(tiny_llama)), PRECISIONS["fp32"], "cpu").model
    tokens = torch.tensor([[0, 63, 17], [17, 1, 62]])
    table, plain = model.lm_head.weight.detach().clone(), logits(model)
    with packed(model, Spare(0)) as count:
        assert count == 15
        assert not any(layer.weight.numel() for layer in model.modules() if type(layer) is torch.nn.Linear)
        with torch.inference_mode():
            assert torch.equal(model.model.embed_tokens(tokens), table[tokens])
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert torch.equal(logits(model), plain)


def test_where_the_order_is_not_known_the_head_is_packed_beside_the_table_if_there_is_memory(tiny_llama, monkeypatch):
    monkeypatch.setattr(packed_module, "blocks_of", lambda packed, weight: None)
    model = load(resolve(str(tiny_llama)), PRECISIONS["fp32"], "cpu").model
    before = logits(model)
    for spare, layers in ((4 * 64 * 64 - 1, 14), (4 * 64 * 64, 15)):
        with packed(model, Spare(spare)) as count:
            assert count == layers
            assert model.model.layers[0].mlp.up_proj.weight.numel() == 0
            assert model.lm_head.weight.numel() == 64 * 64
            torch.testing.assert_close(logits(model), before, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(64, 64), (192, 576), (1600, 128), (49 * 64, 32)])
def test_rows_are_found_in_a_packed_weight(shape, dtype):
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    held = packed_module.PackedWeight(weight, None)
    blocks = held.blocks(weight)
    assert blocks is not None
    assert torch.equal(blocks.rows(torch.arange(shape[0])), weight)
    at = torch.tensor([[0, shape[0] - 1], [5, 63]])
    assert torch.equal(blocks.rows(at), weight[at])
    other = weight.clone()
    other[61] += 1
    assert held.blocks(other) is None
