"""Random models of real shapes, for what weights need not be had: speed and memory."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

_LLAMA: dict[str, Any] = {"vocab_size": 128_256, "num_attention_heads": 32, "num_key_value_heads": 8}
SHAPES: dict[str, dict[str, Any]] = {
    "codegen-350m": {
        "model_type": "codegen",
        "vocab_size": 51_200,
        "n_embd": 1024,
        "n_layer": 20,
        "n_head": 16,
        "rotary_dim": 32,
    },
    "llama-3.2-1b": {
        "model_type": "llama",
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "tie_word_embeddings": True,
        **_LLAMA,
    },
    "llama-3.1-8b": {
        "model_type": "llama",
        "hidden_size": 4096,
        "intermediate_size": 14_336,
        "num_hidden_layers": 32,
        **_LLAMA,
    },
}
"""As their publishers' `config.json` gives them."""


def random_model(shape: str, parent: Path) -> Path:
    """A folder in `parent` with a random model of that shape, in float16, and a tokenizer of three words."""
    import torch
    from tokenizers import Tokenizer, models
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    folder = parent / f"random-{shape}"
    words = {"<s>": 0, "</s>": 1, "<unk>": 2}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", unk_token="<unk>").save_pretrained(folder)
    config = AutoConfig.for_model(bos_token_id=0, eos_token_id=1, **SHAPES[shape])
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        AutoModelForCausalLM.from_config(config, dtype=torch.float16).save_pretrained(folder)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return folder
