"""The number formats a model's weights can be held in, each a named recipe (S1)."""

from __future__ import annotations

from typing import Any

import msgspec


class Precision(msgspec.Struct, frozen=True):
    """A recipe that turns original weights into what is run.

    `bytes_per_weight` is what one weight of a projection (a linear layer other than the output head) takes
    in memory, block scales included. `dtype` is the torch dtype of everything that is not quantized:
    embeddings, norms, biases, the output head. `four_bit_type` is bitsandbytes' name of the 4-bit code book,
    empty for the other recipes.

    int8 keeps the rest in float16, as the paper's recipe does, on a GPU. On a CPU it keeps it in float32: without
    float16 instructions, float16 was measured to cost half as much time again for prompts and tokens alike. The
    two round differently, which is one reason why completions are told apart by the kind of device.

    `sees_batch` is whether a completion depends on what is decoded with it: LLM.int8() picks the columns it keeps in 16
    bits over all rows of a batch, and 16-bit sums are so coarse that rounding them otherwise changes words (measured:
    benchmarks/batch_effect.py).
    """

    name: str
    title: str
    bytes_per_weight: float
    dtype: str
    quantized: bool = False
    four_bit_type: str = ""
    cpu_dtype: str = ""
    sees_batch: bool = False

    def dtype_on(self, device: str) -> str:
        """The torch dtype of what is not quantized, on `cpu` or on a `cuda` device."""
        return self.cpu_dtype if self.cpu_dtype and device == "cpu" else self.dtype

    def quantization_config(self) -> Any:
        """The `transformers.BitsAndBytesConfig` of this recipe; None where nothing is quantized.

        Static and without calibration data, as in the paper: LLM.int8(), or 4 bit with double quantization
        and float32 arithmetic.
        """
        if not self.quantized:
            return None
        from transformers import BitsAndBytesConfig

        if not self.four_bit_type:
            return BitsAndBytesConfig(load_in_8bit=True)
        return BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type=self.four_bit_type,
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype="float32",
        )


# 4 bits, an 8-bit scale for each block of 64 weights, a 32-bit scale for each 256 of those scales.
_FOUR_BIT_BYTES = (4 + 8 / 64 + 32 / (64 * 256)) / 8

_RECIPES = (
    Precision("fp32", "float32", 4, "float32"),
    Precision("fp16", "float16", 2, "float16", sees_batch=True),
    Precision("bf16", "bfloat16", 2, "bfloat16", sees_batch=True),
    Precision("int8", "LLM.int8()", 1, "float16", quantized=True, cpu_dtype="float32", sees_batch=True),
    Precision("nf4", "NormalFloat 4", _FOUR_BIT_BYTES, "float32", quantized=True, four_bit_type="nf4"),
    Precision("fp4", "Float 4", _FOUR_BIT_BYTES, "float32", quantized=True, four_bit_type="fp4"),
)

PRECISIONS: dict[str, Precision] = {recipe.name: recipe for recipe in _RECIPES}
