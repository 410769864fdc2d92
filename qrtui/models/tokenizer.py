"""A model's tokenizer, read from its folder. Imports transformers when it is called, and torch never."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qrtui.errors import ModelError


def load_tokenizer(folder: Path, *, trust_remote_code: bool = False) -> Any:
    """The tokenizer of the model in `folder`, padding on the left with a token that it knows.

    Raises ModelError where there is none that can be read, and what the library raises for code of the model's own.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, padding_side="left", trust_remote_code=trust_remote_code, local_files_only=True
        )
    except Exception as error:
        if wants_own_code(error):
            raise
        raise ModelError(
            f"the tokenizer or config.json in {folder} cannot be read ({type(error).__name__}: {shortened(error)})",
            "fetch or copy the model again, with its tokenizer",
        ) from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token_id is None:
        raise ModelError(f"the tokenizer in {folder} knows no end or padding token", "add one to its configuration")
    return tokenizer


def wants_own_code(error: BaseException) -> bool:
    """Whether a library refused to run code of the model's own."""
    return "trust_remote_code" in str(error) or "custom code" in str(error)


def shortened(error: BaseException) -> str:
    """The beginning of what an error says, on one line."""
    return " ".join(str(error).split())[:200]
