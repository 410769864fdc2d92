"""What the plan says of memory: each part where it belongs, and the same sizes as the decoder's own."""

import pytest

from qrtui.generate import peak as peak_module
from qrtui.generate.batching import bytes_per_token, cache_bytes
from qrtui.generate.peak import Working, peak_memory, spare_memory
from qrtui.generate.settings import Generation
from qrtui.models.catalog import resolve
from qrtui.models.footprint import TokenTable
from qrtui.models.load import load
from qrtui.models.on_disk import read_json
from qrtui.models.precisions import PRECISIONS
from qrtui.perturb.noise import Noise


def peak(folder, precision="fp32", device="cpu", *, count=64, cap=512, protocol=None, **settings):
    prompts = ["x" * 350] * count
    given = Generation(max_new_tokens=cap, **settings)
    noise = Noise(kind="gaussian", level=1.0, protocol=protocol) if protocol else None
    return peak_memory(resolve(str(folder)), PRECISIONS[precision], device, prompts, given, noise)


MB = 1_000_000
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
def test_noise_takes_a_copy_of_what_is_quantized_and_no_more(tiny_llama, precision):
    clean, published, after = (peak(tiny_llama, precision, protocol=p) for p in (None, "published", "after"))
    assert published == clean
    bytes_per_weight = PRECISIONS[precision].bytes_per_weight if PRECISIONS[precision].quantized else 0
    assert after - published == int(PROJECTIONS * bytes_per_weight)


def test_a_token_table_that_is_no_head_stays_in_the_mapped_file_until_noise_reaches_it(tiny_llama, monkeypatch):
    monkeypatch.setattr(peak_module, "token_table", lambda folder: TokenTable(False, "float32"))
    assert peak(tiny_llama, protocol="published") - peak(tiny_llama) == TABLE
    # Stored in another type it is converted, and so is the program's own.
    monkeypatch.setattr(peak_module, "token_table", lambda folder: TokenTable(False, "bfloat16"))
    assert peak(tiny_llama, protocol="published") == peak(tiny_llama)


def test_the_values_of_4_bit_layers_count_as_far_as_the_setting_and_free_memory_allow(tiny_llama, monkeypatch):
    none, all_of_them = (peak(tiny_llama, "nf4", extra_memory=share) for share in (0, 9))
    assert all_of_them - none == 4 * PROJECTIONS
    monkeypatch.setattr(peak_module, "free_memory", lambda: none)
    assert peak(tiny_llama, "nf4", extra_memory=9) == none


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_what_is_taken_for_speed_stays_within_the_share_of_libraries_model_and_cache(share):
    working = Working(prompts=400 * MB, passing=100 * MB, whole=900 * MB)
    taken = spare_memory(600 * MB, working, share, free=20_000 * MB)
    assert 380 * MB + (600 + 400 + 100) * MB + taken == pytest.approx((1 + share) * (335 + 600 + 400) * MB)
    assert spare_memory(600 * MB, working, share, free=1200 * MB) == (960 - 900) * MB
    assert spare_memory(600 * MB, working, share, free=900 * MB) == 0


def test_on_a_gpu_it_is_the_weights_and_the_cache_and_nothing_is_said_of_what_is_not_here(tiny_llama):
    assert WEIGHTS < peak(tiny_llama, device="cuda", batch_size=1) < WEIGHTS + 1000 * 1024
    absent = resolve("codegen-350m")
    assert peak_memory(absent, PRECISIONS["fp32"], "cpu", ["x"], Generation(), None) is None
