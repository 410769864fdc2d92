from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from qrtui.errors import ModelError
from qrtui.models.catalog import local_path, memory_needed, resolve
from qrtui.models.load import load, unload
from qrtui.models.precisions import PRECISIONS

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@pytest.fixture
def copy(tiny_llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_llama, tmp_path / "copy"))


@pytest.mark.parametrize("name", PRECISIONS)
def test_every_precision_loads_runs_and_keeps_the_gradient_flags(tiny_llama: Path, name: str) -> None:
    precision = PRECISIONS[name]
    info = resolve(str(tiny_llama))
    loaded = load(info, precision, "cpu")
    assert loaded.device == "cpu"
    assert not loaded.model.training
    assert loaded.tokenizer.padding_side == "left"
    assert loaded.tokenizer.pad_token_id is not None
    for parameter_name, parameter in loaded.model.named_parameters():
        quantized = precision.quantized and any(part in parameter_name for part in PROJECTIONS)
        assert parameter.requires_grad is not quantized, parameter_name
        if not quantized:
            assert parameter.dtype == getattr(torch, precision.dtype_on("cpu"))
    batch = loaded.tokenizer(["w3 w4 w5", "w6"], return_tensors="pt", padding=True)
    with torch.inference_mode():
        logits = loaded.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    assert logits.shape == (2, 3, 64)
    assert bool(torch.isfinite(logits).all())
    # Rows of 64 and 128 weights make scales a visible share; in real models they vanish.
    assert loaded.footprint == pytest.approx(memory_needed(info, precision), rel=0.15)
    unload(loaded)
    assert loaded.model is None


def test_the_same_weights_come_back_every_time(tiny_llama: Path) -> None:
    first, second = (load(resolve(str(tiny_llama)), PRECISIONS["nf4"], "cpu").model for _ in range(2))
    for one, two in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("device", ["cuda:99", "gpu", "cuda:x"])
def test_a_device_that_is_not_there_is_refused(tiny_llama: Path, device: str) -> None:
    with pytest.raises(ModelError, match="no device"):
        load(resolve(str(tiny_llama)), PRECISIONS["fp32"], device)


def test_a_model_that_is_not_here_names_the_command_that_fetches_it() -> None:
    with pytest.raises(ModelError, match=r"qrtui pull llama-3\.2-1b$"):
        load(resolve("llama-3.2-1b"), PRECISIONS["fp32"], "cpu")


def test_damaged_weights_are_one_line(copy: Path) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1_000])
    with pytest.raises(ModelError, match=r"^the weights of copy are damaged[^\n]*$"):
        load(resolve(str(copy)), PRECISIONS["fp32"], "cpu")


def test_an_absent_weight_is_not_filled_with_random_numbers(copy: Path) -> None:
    tensors = load_file(copy / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"lack model\.layers\.1\.mlp\.up_proj\.weight"):
        load(resolve(str(copy)), PRECISIONS["fp32"], "cpu")


def test_a_weight_of_the_wrong_shape_is_one_line(copy: Path) -> None:
    tensors = load_file(copy / "model.safetensors")
    tensors["model.norm.weight"] = torch.ones(32)
    save_file(tensors, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match="other shapes than its"):
        load(resolve(str(copy)), PRECISIONS["fp32"], "cpu")


def test_an_unknown_architecture_is_one_line(copy: Path) -> None:
    (copy / "config.json").write_text('{"model_type": "never-heard-of"}')
    with pytest.raises(ModelError, match=r"^copy [^\n]*$"):
        load(resolve(str(copy)), PRECISIONS["fp32"], "cpu")


def test_pickled_weights_are_refused(copy: Path) -> None:
    info = resolve(str(copy))
    torch.save(load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="pickled"):
        load(info, PRECISIONS["fp32"], "cpu")


@pytest.mark.model
@pytest.mark.parametrize("name", ["int8", "nf4"])
def test_the_embedded_model_takes_the_memory_that_was_foretold(name: str) -> None:
    info = resolve("smollm2-135m")
    if local_path(info) is None:
        pytest.skip("the embedded model is not here")
    loaded = load(info, PRECISIONS[name], "cpu")
    assert memory_needed(info, PRECISIONS[name]) == pytest.approx(loaded.footprint, rel=0.05)
    noisy = sum(parameter.numel() for parameter in loaded.model.parameters() if parameter.requires_grad)
    assert noisy == (28_346_688 if PRECISIONS[name].quantized else 134_515_008)
    unload(loaded)
