"""Noise on weights: the right dose in the right place, and none left behind."""

import pytest
import torch
from torch import nn

from qrtui.perturb.noise import Noise
from qrtui.perturb.weights import draw, noisy, perturbed_share


def small_model(dtype=torch.float32):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(50, 16), nn.Linear(16, 16), nn.Linear(16, 50, bias=False)).to(dtype)
    model[2].weight = model[0].weight
    return model


def bits(model):
    return {name: p.detach().clone().view(torch.uint8) for name, p in model.named_parameters()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", ["gaussian", "uniform"])
def test_noise_is_taken_back_bit_for_bit(dtype, kind):
    model = small_model(dtype)
    before = bits(model)
    with noisy(model, Noise(kind=kind, level=0.01)) as share:
        assert share == 1.0
        changed = bits(model)
        assert all(not torch.equal(changed[name], before[name]) for name in before)
    assert all(torch.equal(now, before[name]) for name, now in bits(model).items())


def test_noise_is_taken_back_when_the_work_fails():
    model = small_model()
    before = bits(model)
    with pytest.raises(RuntimeError, match="stopped"), noisy(model, Noise(kind="uniform", level=1.0)):
        raise RuntimeError("stopped")
    assert all(torch.equal(now, before[name]) for name, now in bits(model).items())


def test_a_tied_parameter_gets_its_noise_once():
    model = small_model()
    before = model[0].weight.detach().clone()
    with noisy(model, Noise(kind="gaussian", level=0.1, seed=5)):
        dose = draw("gaussian", 5, "0.weight", before.shape) * 0.1
        assert torch.equal(model[2].weight, before + dose)


def test_published_noise_leaves_parameters_without_gradient_alone_and_says_so():
    model = small_model()
    model[1].weight.requires_grad_(False)
    untouched = model[1].weight.detach().clone()
    with noisy(model, Noise(kind="gaussian", level=0.1)) as share:
        assert torch.equal(model[1].weight, untouched)
    assert share == pytest.approx((50 * 16 + 16) / (50 * 16 + 16 * 16 + 16))
    assert share == perturbed_share(model)


def test_the_dose_depends_on_seed_kind_and_name_only():
    shape = torch.Size([64, 64])
    assert torch.equal(draw("gaussian", 1, "a", shape), draw("gaussian", 1, "a", shape))
    others = [draw("gaussian", 2, "a", shape), draw("gaussian", 1, "b", shape), draw("uniform", 1, "a", shape)]
    assert all(not torch.equal(draw("gaussian", 1, "a", shape), other) for other in others)


def test_the_kinds_are_what_the_paper_says():
    shape = torch.Size([200_000])
    gaussian, uniform = draw("gaussian", 0, "w", shape), draw("uniform", 0, "w", shape)
    assert gaussian.mean().abs() < 0.01
    assert gaussian.std() == pytest.approx(1, abs=0.01)
    assert uniform.min() >= -1
    assert uniform.max() <= 1
    assert uniform.std() == pytest.approx(3**-0.5, abs=0.01)
