"""A tiny random Llama as a GGUF file, made once for all these tests, and folders of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from .hub_server import hub

__all__ = ["hub"]


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Nothing a test fetches lands in the user's cache, and no test reaches the hub."""
    # Models this small only lose time to threads that wait for one another; children inherit it.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    if request.node.get_closest_marker("model"):
        return
    monkeypatch.setenv("QRTUI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama as a GGUF file, with a byte-level tokenizer and a chat template inside."""
    import gguf
    import numpy as np

    file = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    hidden, layers, words = 64, 2, 64
    random = np.random.default_rng(0)
    writer = gguf.GGUFWriter(str(file), "llama")
    writer.add_context_length(128)
    writer.add_embedding_length(hidden)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(128)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(words)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(["<unk>", "<s>", "</s>", *(chr(97 + n % 26) * (1 + n // 26) for n in range(words - 3))])
    writer.add_token_types([3, 3, 3] + [1] * (words - 3))
    writer.add_token_merges(["a a", "b b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template("{% for message in messages %}{{ message['content'] }}{% endfor %}")
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (words, hidden),
        "output_norm.weight": (hidden,),
    }
    for layer in range(layers):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            shapes[f"blk.{layer}.{name}.weight"] = (hidden, hidden)
        shapes[f"blk.{layer}.ffn_gate.weight"] = shapes[f"blk.{layer}.ffn_up.weight"] = (128, hidden)
        shapes[f"blk.{layer}.ffn_down.weight"] = (hidden, 128)
        shapes[f"blk.{layer}.attn_norm.weight"] = shapes[f"blk.{layer}.ffn_norm.weight"] = (hidden,)
    for name, shape in shapes.items():
        writer.add_tensor(name, random.standard_normal(shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


@pytest.fixture
def fake_weights() -> Callable[[Path], Path]:
    """Makes a folder look like a model with one small weight file."""

    def make(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
        (folder / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
        return folder

    return make
