"""Noise on weights: the right dose in the right place, and none left behind."""

import copy
import itertools
import os

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from qrtui.errors import ChangedModelError, ModelError
from qrtui.models.catalog import resolve
from qrtui.models.load import load
from qrtui.models.original import OriginalWeights
from qrtui.models.precisions import PRECISIONS
from qrtui.perturb import weights as weights_module
from qrtui.perturb.noise import Noise
from qrtui.perturb.quantized import quantized_weight
from qrtui.perturb.weights import NoiseCarrier, draw, layer_kind

QUANTIZED = [name for name, precision in PRECISIONS.items() if precision.quantized]
LEVEL = 0.02


def small_model(dtype=torch.float32):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(50, 16), nn.Linear(16, 16), nn.Linear(16, 50, bias=False)).to(dtype)
    model[2].weight = model[0].weight
    return model


def bits(model):
    """Every bit that a model's arithmetic depends on, by name."""
    state = {name: value for name, value in model.state_dict().items() if isinstance(value, torch.Tensor)}
    return {name: value.detach().clone().contiguous().view(torch.uint8) for name, value in state.items() if value.dim()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def noise_of(name, shape, noise):
    return draw(noise.kind, noise.seed, name, torch.empty(shape.numel())).view(shape) * noise.level


@pytest.fixture(scope="module", params=QUANTIZED)
def loaded(request, tiny_llama):
    return load(resolve(str(tiny_llama)), PRECISIONS[request.param], "cpu")


def projections(model):
    """The quantized layers by the name of their weight."""
    layers = {f"{name}.weight": quantized_weight(module) for name, module in model.named_modules()}
    return {name: layer for name, layer in layers.items() if layer is not None}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", ["gaussian", "uniform"])
def test_noise_is_taken_back_bit_for_bit(dtype, kind):
    model = small_model(dtype)
    before = bits(model)
    carrier = NoiseCarrier(model)
    for level in (0.01, 0.5):
        with carrier.carrying(Noise(kind=kind, level=level)) as dose:
            assert dose.share == 1.0
            changed = bits(model)
            assert all(not torch.equal(changed[name], before[name]) for name in before)
        assert same(bits(model), before)


def test_noise_is_taken_back_when_the_work_fails():
    model = small_model()
    before = bits(model)
    with (
        pytest.raises(RuntimeError, match="stopped"),
        NoiseCarrier(model).carrying(Noise(kind="uniform", level=1.0)),
    ):
        raise RuntimeError("stopped")
    assert same(bits(model), before)


def test_a_tied_parameter_gets_its_noise_once():
    model = small_model()
    before = model[0].weight.detach().clone()
    noise = Noise(kind="gaussian", level=0.1, seed=5)
    with NoiseCarrier(model).carrying(noise):
        assert torch.equal(model[2].weight, before + noise_of("0.weight", before.shape, noise))


def test_published_noise_leaves_parameters_without_gradient_alone_and_says_so():
    model = small_model()
    model[1].weight.requires_grad_(False)
    untouched = model[1].weight.detach().clone()
    carrier = NoiseCarrier(model)
    with carrier.carrying(Noise(kind="gaussian", level=0.1)) as dose:
        assert torch.equal(model[1].weight, untouched)
    assert dose.share == pytest.approx((50 * 16 + 16) / (50 * 16 + 16 * 16 + 16))
    with carrier.carrying(Noise(kind="gaussian", level=0.1, protocol="after")) as dose:
        assert dose.share == 1


def test_the_dose_tells_the_size_of_the_noise_by_layer_kind():
    model = small_model()
    noise = Noise(kind="gaussian", level=0.1)
    with NoiseCarrier(model).carrying(noise) as dose:
        pass
    embedding = model[0].weight.detach()
    expected = noise_of("0.weight", embedding.shape, noise).norm() / embedding.norm()
    (layer,) = [layer for layer in dose.layers if layer.kind == "embedding"]
    assert (layer.weights, layer.reached) == (800, 800)
    assert layer.noise == pytest.approx(float(expected), rel=1e-5)
    assert layer.moved == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("level", [1e-4, 0.1])
def test_weights_in_16_bits_move_by_what_is_left_of_the_noise_after_rounding(level):
    model = small_model(torch.bfloat16)
    before = model[0].weight.detach().float()
    with NoiseCarrier(model).carrying(Noise(kind="gaussian", level=level)) as dose:
        moved = (model[0].weight.detach().float() - before).norm() / before.norm()
    (layer,) = [layer for layer in dose.layers if layer.kind == "embedding"]
    assert layer.moved == pytest.approx(float(moved), rel=1e-5)
    # A tenth of the last bit of most weights: little of it is left, and the two sizes are not one number.
    assert abs(layer.moved / layer.noise - 1) > (0.05 if level < 0.01 else 1e-6)
    assert layer.moved == pytest.approx(layer.noise, rel=0.9 if level < 0.01 else 0.01)


def test_the_noise_depends_on_seed_kind_and_name_only():
    def sample(kind, seed, name):
        return draw(kind, seed, name, torch.empty(64))

    assert torch.equal(sample("gaussian", 1, "a"), sample("gaussian", 1, "a"))
    others = [sample("gaussian", 2, "a"), sample("gaussian", 1, "b"), sample("uniform", 1, "a")]
    assert all(not torch.equal(sample("gaussian", 1, "a"), other) for other in others)


@pytest.mark.parametrize("protocol", ["published", "before", "after"])
def test_a_quantized_model_is_itself_again_afterwards(loaded, protocol):
    prompt = torch.tensor([[3, 4, 5, 6]])
    carrier = NoiseCarrier(loaded.model, loaded.original)
    before, told = bits(loaded.model), loaded.model(prompt).logits
    for level in (LEVEL, 0.3):
        with carrier.carrying(Noise(kind="gaussian", level=level, protocol=protocol)):
            assert not torch.equal(loaded.model(prompt).logits, told)
        assert same(bits(loaded.model), before)
    assert torch.equal(loaded.model(prompt).logits, told)


def test_published_noise_never_reaches_quantized_weights(loaded):
    layers = projections(loaded.model)
    former = {name: layer.values() for name, layer in layers.items()}
    table = loaded.model.get_input_embeddings().weight
    norm = loaded.model.model.norm.weight
    table_before, norm_before = table.detach().clone(), norm.detach().clone()
    with NoiseCarrier(loaded.model, loaded.original).carrying(Noise(kind="gaussian", level=LEVEL)) as dose:
        assert all(torch.equal(layer.values(), former[name]) for name, layer in layers.items())
        assert not torch.equal(table, table_before)
        assert not torch.equal(norm, norm_before)
    reached = {layer.kind: layer.reached for layer in dose.layers}
    assert reached["attention"] == reached["mlp"] == 0
    assert reached["embedding"] == table.numel()
    assert 0 < dose.share < 1


@pytest.mark.parametrize("protocol", ["before", "after"])
@pytest.mark.parametrize("kind", ["gaussian", "uniform"])
def test_equal_dose_noise_moves_quantized_weights_by_what_it_says(loaded, protocol, kind):
    """Up to one step of the format's own grid, at that weight."""
    layers = projections(loaded.model)
    noise = Noise(kind=kind, level=LEVEL, protocol=protocol, seed=3)
    former = {name: layer.values() for name, layer in layers.items()}
    with NoiseCarrier(loaded.model, loaded.original).carrying(noise) as dose:
        for name, layer in layers.items():
            base = former[name] if protocol == "after" else loaded.original(name).float()
            wanted = base + noise_of(name, base.shape, noise)
            step = largest_step(loaded.precision, wanted)
            assert ((layer.values() - wanted).abs() <= step).all(), name
    assert dose.share == 1
    assert all(layer.reached == layer.weights for layer in dose.layers)


def largest_step(precision, values):
    """For each weight the widest gap of its format's grid, for the scale of its row or block, and a little more."""
    if precision.name == "int8":
        return values.abs().amax(1, keepdim=True) / 127 * 0.51 + 1e-4
    blocks = values.reshape(-1, 64).abs().amax(1, keepdim=True)
    widest = {"nf4": 0.31, "fp4": 0.34}[precision.name]
    # The scales are quantized too, and a scale may come out smaller than its block's largest weight.
    return (blocks * (widest / 2 + 0.02) + 0.004).expand(-1, 64).reshape(values.shape)


def test_noise_before_quantizing_is_the_quantized_noisy_model(loaded, tiny_llama, tmp_path):
    """Q(W + d): the same as adding the noise to the original, saving it, and loading that in the same precision."""
    noise = Noise(kind="gaussian", level=LEVEL, protocol="before", seed=1)
    original = load(resolve(str(tiny_llama)), PRECISIONS["fp32"], "cpu")
    with NoiseCarrier(original.model).carrying(noise):
        original.model.save_pretrained(tmp_path)
    original.tokenizer.save_pretrained(tmp_path)
    noisy = load(resolve(str(tmp_path)), loaded.precision, "cpu")
    with NoiseCarrier(loaded.model, loaded.original).carrying(noise):
        assert same(bits(loaded.model), bits(noisy.model))


def test_weights_that_are_not_the_models_own_are_refused(loaded, tiny_llama):
    class Altered(OriginalWeights):
        def __call__(self, name):
            return super().__call__(name) + 1

    carrier = NoiseCarrier(loaded.model, Altered(tiny_llama, loaded.model.dtype))
    before = bits(loaded.model)
    with (
        pytest.raises(ModelError, match="does not lead to the weights"),
        carrier.carrying(Noise(kind="gaussian", level=LEVEL, protocol="before")),
    ):
        pass
    assert same(bits(loaded.model), before)
    with pytest.raises(ModelError, match="no weight called nothing"):
        loaded.original("nothing")


def saved(model, folder, dtype, *, without=()):
    """The model's weights as a checkpoint in `dtype`, tied ones under their first name; where they can be read."""
    state = {name: value.detach().to(dtype).clone() for name, value in model.named_parameters() if name not in without}
    folder.mkdir()
    save_file(state, folder / "model.safetensors")
    return folder


def restored(model, checkpoint, dtype):
    """`model` in `dtype` with what the checkpoint holds, as loading converts it."""
    model = model.to(dtype)
    with torch.no_grad():
        for name, value in load_file(checkpoint / "model.safetensors").items():
            model.get_parameter(name).copy_(value)
    return model


@pytest.mark.parametrize(
    ("stored", "held"),
    itertools.product([torch.float32, torch.float16, torch.bfloat16], [torch.float32, torch.float16, torch.bfloat16]),
)
def test_former_bits_are_read_again_from_the_files_instead_of_copied(stored, held, tmp_path, monkeypatch):
    monkeypatch.setattr(weights_module, "_CHUNK", 7)
    monkeypatch.setattr(weights_module, "_ROOM", {"cpu": 10})
    checkpoint = saved(small_model(), tmp_path / "model", stored)
    model = restored(small_model(), checkpoint, held)
    before = bits(model)
    monkeypatch.setattr(weights_module, "to_main_memory", lambda tensor: pytest.fail("copied"))
    carrier = NoiseCarrier(model, OriginalWeights(checkpoint, held))
    for kind, level in (("gaussian", 0.01), ("uniform", 0.5), ("gaussian", 1e38)):
        noise = Noise(kind=kind, level=level)
        with carrier.carrying(noise):
            assert model[0].weight is model[2].weight
            wanted = before["1.bias"].view(held).float() + noise_of("1.bias", torch.Size([16]), noise)
            assert torch.equal(model[1].bias, wanted.to(held))
        assert same(bits(model), before)


@pytest.mark.parametrize("held", [torch.float32, torch.bfloat16])
def test_what_the_files_do_not_lead_to_is_copied(held, tmp_path, monkeypatch):
    """One weight that they lack, one that differs in a sign of zero, one with a payload of its own."""
    checkpoint = saved(small_model(), tmp_path / "model", torch.float32, without=("0.weight",))
    model = restored(small_model(), checkpoint, held)
    original = OriginalWeights(checkpoint, held)
    with torch.no_grad():
        model[1].bias.copy_(original.stored("1.bias"))
        model[1].bias[3] = 0.0
        state = load_file(checkpoint / "model.safetensors")
        state["1.bias"][3], state["1.weight"][2, 5] = -0.0, float("nan")
        save_file(state, checkpoint / "model.safetensors")
        model[1].weight[2, 5] = -torch.tensor(float("nan"))
    before, copied = bits(model), []

    def copy_of(tensor):
        copied.append(tuple(tensor.shape))
        return tensor.detach().clone()

    monkeypatch.setattr(weights_module, "to_main_memory", copy_of)
    carrier = NoiseCarrier(model, OriginalWeights(checkpoint, held))
    for level in (0.1, 10.0):
        with carrier.carrying(Noise(kind="gaussian", level=level)):
            pass
        assert same(bits(model), before)
    assert sorted(copied) == [(16,), (16, 16), (50, 16)]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_loaded_model_is_itself_again_without_a_copy_and_its_files_stay(tiny_llama, precision, monkeypatch):
    content = (tiny_llama / "model.safetensors").read_bytes()
    loaded, other = (load(resolve(str(tiny_llama)), PRECISIONS[precision], "cpu") for _ in range(2))
    prompt = torch.tensor([[3, 4, 5, 6]])
    with NoiseCarrier(other.model).carrying(Noise(kind="gaussian", level=LEVEL)) as copied:
        pass
    monkeypatch.setattr(weights_module, "to_main_memory", lambda tensor: pytest.fail("copied"))
    carrier = NoiseCarrier(loaded.model, loaded.original)
    before, told = bits(loaded.model), loaded.model(prompt).logits
    for level in (LEVEL, 0.3, LEVEL):
        with carrier.carrying(Noise(kind="gaussian", level=level)) as dose:
            assert not torch.equal(loaded.model(prompt).logits, told)
        assert same(bits(loaded.model), before)
    assert dose == copied
    assert torch.equal(loaded.model(prompt).logits, told)
    assert (tiny_llama / "model.safetensors").read_bytes() == content


def test_files_that_are_written_to_meanwhile_are_noticed_and_others_in_their_place_are_not_read(tmp_path):
    checkpoint = saved(small_model(), tmp_path / "model", torch.float32)
    file = checkpoint / "model.safetensors"
    model = small_model()
    before, noise = bits(model), Noise(kind="gaussian", level=0.1)
    carrier = NoiseCarrier(model, OriginalWeights(checkpoint, torch.float32))
    with carrier.carrying(noise):
        (saved(nn.Sequential(nn.Linear(3, 3)), tmp_path / "other", torch.float32) / file.name).replace(file)
    assert same(bits(model), before)
    with carrier.carrying(noise):
        file.unlink()
    assert same(bits(model), before)

    checkpoint = saved(small_model(), tmp_path / "again", torch.float32)
    file = checkpoint / "model.safetensors"
    carrier = NoiseCarrier(model, OriginalWeights(checkpoint, torch.float32))
    with carrier.carrying(noise):
        pass
    with pytest.raises(ChangedModelError, match="was written to"), carrier.carrying(noise):
        os.utime(file, (0, 0))


def test_weights_that_lie_on_no_device_are_refused():
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(4, 4))
    with pytest.raises(ModelError, match="kept off the device"):
        NoiseCarrier(model)


@pytest.mark.parametrize("protocol", ["published", "before", "after"])
def test_noise_beyond_all_bounds_is_taken_back_too(loaded, protocol):
    before = bits(loaded.model)
    noise = Noise(kind="gaussian", level=1e38, protocol=protocol)
    with NoiseCarrier(loaded.model, loaded.original).carrying(noise) as dose:
        assert not torch.isfinite(loaded.model(torch.tensor([[3, 4]])).logits).all()
    assert dose.noise is None
    assert same(bits(loaded.model), before)


def test_four_bit_weights_packed_for_this_processor_are_noised_and_come_back(tiny_llama):
    """On processors with the right instructions bitsandbytes re-orders the weights at the first forward pass."""
    from bitsandbytes.functional import _convert_weight_packed_for_cpu

    loaded = load(resolve(str(tiny_llama)), PRECISIONS["nf4"], "cpu")
    name, layer = next(iter(projections(loaded.model).items()))
    weight = loaded.model.get_submodule(name.removesuffix(".weight")).weight
    plain = layer.values()
    weight.data, _ = _convert_weight_packed_for_cpu(weight.data, weight.quant_state)
    packed, state = weight.data.clone(), copy.copy(vars(weight.quant_state))
    torch.testing.assert_close(layer.values(), plain, rtol=0.02, atol=1e-3)

    noise = Noise(kind="gaussian", level=LEVEL, protocol="after")
    with NoiseCarrier(loaded.model).carrying(noise):
        wanted = plain + noise_of(name, plain.shape, noise)
        assert ((layer.values() - wanted).abs() <= largest_step(loaded.precision, wanted) * 1.1).all()
        # As the layer does at its next forward pass.
        weight.data, _ = _convert_weight_packed_for_cpu(weight.data, weight.quant_state)
    assert torch.equal(weight.data, packed)
    assert vars(weight.quant_state).keys() == state.keys()
    assert torch.equal(weight.quant_state.absmax, state["absmax"])


def test_layer_kinds_by_class_and_name():
    linear, norm = nn.Linear(2, 2), nn.LayerNorm(2)
    assert layer_kind("transformer.h.0.attn.qkv_proj.weight", linear) == "attention"
    assert layer_kind("model.layers.1.self_attn.o_proj.bias", linear) == "attention"
    assert layer_kind("transformer.h.0.mlp.fc_in.weight", linear) == "mlp"
    assert layer_kind("transformer.ln_f.bias", norm) == "norm"
    assert layer_kind("transformer.wte.weight", nn.Embedding(2, 2)) == "embedding"
    assert layer_kind("score.weight", linear) == "other"


def test_projections_kept_turned_get_the_noise_of_the_original(tmp_path):
    """GPT-2 keeps its projections transposed; bitsandbytes turns them."""
    from transformers import GPT2Config, GPT2LMHeadModel

    from tests.conftest import tiny_tokenizer

    torch.manual_seed(0)
    config = GPT2Config(vocab_size=64, n_embd=64, n_layer=1, n_head=2, n_positions=32, bos_token_id=1, eos_token_id=2)
    for folder in (clean := tmp_path / "clean", tmp_path / "noisy"):
        tiny_tokenizer().save_pretrained(folder)
    GPT2LMHeadModel(config).save_pretrained(clean)
    noise = Noise(kind="uniform", level=LEVEL, protocol="before")
    original = load(resolve(str(clean)), PRECISIONS["fp32"], "cpu")
    with NoiseCarrier(original.model).carrying(noise):
        original.model.save_pretrained(tmp_path / "noisy")
    loaded, noisy = (load(resolve(str(tmp_path / name)), PRECISIONS["int8"], "cpu") for name in ("clean", "noisy"))
    assert next(iter(projections(loaded.model).values())).is_turned
    with NoiseCarrier(loaded.model, loaded.original).carrying(noise) as dose:
        assert same(bits(loaded.model), bits(noisy.model))
    assert {layer.kind for layer in dose.layers} == {"embedding", "attention", "mlp", "norm"}
