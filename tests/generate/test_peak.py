"""What the plan says of memory: each part where it belongs, and the same sizes as the decoder's own."""

import pytest

from qrtui.generate.batching import bytes_per_token, cache_bytes
from qrtui.generate.peak import peak_memory
from qrtui.generate.settings import Generation
from qrtui.models.catalog import resolve
from qrtui.models.load import load
from qrtui.models.on_disk import read_json
from qrtui.models.precisions import PRECISIONS


def peak(folder, precision="fp32", device="cpu", *, count=64, cap=512, noisy=False, **settings):
    prompts = ["x" * 350] * count
    given = Generation(max_new_tokens=cap, **settings)
    return peak_memory(resolve(str(folder)), PRECISIONS[precision], device, prompts, given, is_noisy=noisy)


def test_a_tokens_keys_and_values_are_those_of_the_loaded_model(tiny_llama):
    model = load(resolve(str(tiny_llama)), PRECISIONS["fp32"], "cpu").model
    assert cache_bytes(read_json(tiny_llama / "config.json"), 4) == bytes_per_token(model) == 2 * 2 * 2 * 32 * 4
    codegen = {"n_layer": 20, "n_head": 16, "n_embd": 1024, "vocab_size": 51200}
    assert cache_bytes(codegen, 2) == 2 * 20 * 1024 * 2


def test_the_peak_grows_with_what_it_is_made_of(tiny_llama):
    token = 2 * 2 * 2 * 32 * 4
    assert peak(tiny_llama, cap=612) - peak(tiny_llama) == pytest.approx(64 * 100 * token, rel=0.01)
    assert peak(tiny_llama) - peak(tiny_llama, count=32) == pytest.approx(32 * 768 * token, rel=0.01)
    assert peak(tiny_llama, batch_size=1) == peak(tiny_llama, count=1)
    weights = 4 * 64 * (64 + 2 * (4 * 64 + 3 * 128 + 2) + 1)
    assert peak(tiny_llama, noisy=True) - peak(tiny_llama) == weights + 2 * 4 * 64 * 64
    assert peak(tiny_llama, "nf4") > peak(tiny_llama)


def test_on_a_gpu_it_is_the_weights_and_the_cache_and_nothing_is_said_of_what_is_not_here(tiny_llama):
    weights = 4 * 64 * (64 + 2 * (4 * 64 + 3 * 128 + 2) + 1)
    assert weights < peak(tiny_llama, device="cuda", batch_size=1) < weights + 1000 * 1024
    prompts = ["x"]
    absent = resolve("codegen-350m")
    assert peak_memory(absent, PRECISIONS["fp32"], "cpu", prompts, Generation(), is_noisy=False) is None
