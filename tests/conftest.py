"""A tiny random Llama with a tokenizer, made once for all tests."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command in this process; returns its exit status, standard output and standard error."""
    from qrtui.cli import main

    def run(*arguments: object) -> tuple[int, str, str]:
        with monkeypatch.context() as patched:
            for name in ("stdout", "stderr"):
                patched.setattr(sys, name, getattr(sys, name))  # which main replaces
            patched.setattr(sys, "argv", ["qrtui", *map(str, arguments)])
            with pytest.raises(SystemExit) as ended:
                main()
        return ended.value.code, *capsys.readouterr()  # type: ignore[return-value]

    return run


@pytest.fixture
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that is not the user's, and the same for all tests that want one: what one has tried, the next knows."""
    folder = tmp_path_factory.getbasetemp() / "own-cache"
    monkeypatch.setenv("QRTUI_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random Llama: hidden 64, 2 layers, 64 words, tied embeddings. Do not change it."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("tiny-llama")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        tie_word_embeddings=True,
        eos_token_id=2,
        pad_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def loud_llama(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> Path:
    """The tiny Llama with activations so large that LLM.int8() finds outliers in them. Do not change it."""
    from safetensors.torch import load_file, save_file

    folder = tmp_path_factory.mktemp("loud") / "loud-llama"
    shutil.copytree(tiny_llama, folder)
    weights = load_file(folder / "model.safetensors")
    for name, weight in weights.items():
        weight.mul_(10 if "proj" in name else 2.5 if "norm" in name else 1)
    # The end token, whose row is zero, gets a chance, so that completions end at different times.
    weights["model.embed_tokens.weight"][2] = -1.5 * weights["model.embed_tokens.weight"][3]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def tiny_tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {"<unk>": 0, "<s>": 1, "</s>": 2, **{f"w{n}": n for n in range(3, 64)}}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>")
