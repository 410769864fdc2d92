"""What the plan says of memory: each part where it belongs, and the same sizes as the decoder's own."""

import pytest

from qrtui.generate import peak as peak_module
from qrtui.generate.batching import bytes_per_token, cache_bytes
from qrtui.generate.peak import peak_memory
from qrtui.generate.settings import Generation
from qrtui.models.catalog import resolve
from qrtui.models.load import load
from qrtui.models.on_disk import read_json
from qrtui.models.precisions import PRECISIONS
from qrtui.perturb.noise import Noise


def peak(folder, precision="fp32", device="cpu", *, count=64, cap=512, protocol=None, **settings):
    prompts = ["x" * 350] * count
    given = Generation(max_new_tokens=cap, **settings)
    noise = Noise(kind="gaussian", level=1.0, protocol=protocol) if protocol else None
    return peak_memory(resolve(str(folder)), PRECISIONS[precision], device, prompts, given, noise)


TOKEN = 2 * 2 * 2 * 32 * 4
TABLE = 4 * 64 * 64
PROJECTIONS = 2 * (4 * 64 + 3 * 128) * 64
WEIGHTS = TABLE + 4 * (PROJECTIONS + 64 * 5)


def test_a_tokens_keys_and_values_are_those_of_the_loaded_model(tiny_llama):
    model = load(resolve(str(tiny_llama)), PRECISIONS["fp32"], "cpu").model
    assert cache_bytes(read_json(tiny_llama / "config.json"), 4) == bytes_per_token(model) == TOKEN
    codegen = {"n_layer": 20, "n_head": 16, "n_embd": 1024, "vocab_size": 51200}
    assert cache_bytes(codegen, 2) == 2 * 20 * 1024 * 2


def test_the_peak_grows_with_what_it_is_made_of(tiny_llama):
    assert peak(tiny_llama, cap=612) - peak(tiny_llama) == pytest.approx(64 * 100 * TOKEN, rel=0.01)
    assert peak(tiny_llama) - peak(tiny_llama, count=32) == pytest.approx(32 * 672 * TOKEN, rel=0.02)
    # Places that are filled again hold the new prompts beside the sequences at their end.
    assert peak(tiny_llama, count=65) > peak(tiny_llama) + 0.1 * 64 * 160 * TOKEN
    assert peak(tiny_llama, batch_size=1, count=2) < peak(tiny_llama, count=2)


@pytest.mark.parametrize("precision", ["fp32", "int8", "nf4"])
def test_noise_takes_the_token_table_out_of_the_mapped_file_and_a_copy_of_what_is_quantized(tiny_llama, precision):
    clean, published, after = (peak(tiny_llama, precision, protocol=p) for p in (None, "published", "after"))
    assert published - clean == TABLE
    bytes_per_weight = PRECISIONS[precision].bytes_per_weight if PRECISIONS[precision].quantized else 0
    assert after - published == int(PROJECTIONS * bytes_per_weight)


def test_the_values_of_4_bit_layers_are_counted_where_they_and_all_else_fit_only(tiny_llama, monkeypatch):
    whole = peak(tiny_llama, "nf4")
    monkeypatch.setattr(peak_module, "free_memory", lambda: whole)
    assert whole - peak(tiny_llama, "nf4") == 4 * PROJECTIONS + TABLE
    monkeypatch.setattr(peak_module, "free_memory", lambda: int(whole * 1.3))
    assert peak(tiny_llama, "nf4") == whole


def test_the_table_counts_whole_where_the_files_hold_it_in_another_type(tiny_llama, tmp_path):
    loaded = load(resolve(str(tiny_llama)), PRECISIONS["bf16"], "cpu")
    loaded.model.save_pretrained(tmp_path)
    loaded.tokenizer.save_pretrained(tmp_path)
    assert peak(tmp_path) - peak(tiny_llama) == TABLE
    assert peak(tmp_path) == peak(tmp_path, protocol="published")


def test_on_a_gpu_it_is_the_weights_and_the_cache_and_nothing_is_said_of_what_is_not_here(tiny_llama):
    assert WEIGHTS < peak(tiny_llama, device="cuda", batch_size=1) < WEIGHTS + 1000 * 1024
    absent = resolve("codegen-350m")
    assert peak_memory(absent, PRECISIONS["fp32"], "cpu", ["x"], Generation(), None) is None
