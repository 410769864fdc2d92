"""Turns a GGUF file or pickled weights into a plain folder of safetensors; runs in a child process.

A model loaded from GGUF can neither be saved nor quantized again as it is, so its dequantized float32 weights
go into a fresh model of the same configuration, which is saved.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from qrtui.fetching.child import end_with_parent, report

_STEPS = 4


def main() -> int:
    """Convert argv[1] into argv[2] and return the exit status."""
    end_with_parent()
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
    return 0


def convert(source: Path, target: Path) -> None:
    """Save the model in `source`, a GGUF file or a folder with pickled weights, in the new folder `target`.

    Prints a progress line after each step.
    """
    report(0, _STEPS, source.name)
    from transformers import AutoTokenizer

    from qrtui.quiet import quiet_libraries

    quiet_libraries()
    if source.is_file():
        _refuse_absurd(source)
    folder, gguf = (source.parent, {"gguf_file": source.name}) if source.is_file() else (source, {})
    tokenizer = AutoTokenizer.from_pretrained(folder, **gguf)
    report(1, _STEPS, source.name)
    model = plain_model(folder, gguf)
    report(2, _STEPS, source.name)
    model.save_pretrained(target)
    report(3, _STEPS, source.name)
    tokenizer.save_pretrained(target)
    report(_STEPS, _STEPS, source.name)


def _refuse_absurd(gguf: Path) -> None:
    """End where the file asks for more layers than it has weights: to build them would take hours and all memory."""
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    said = load_gguf_checkpoint(gguf)
    layers, weights = said["config"].get("num_hidden_layers", 0), said["ignore"].get("tensor_count", 0)
    if layers > weights:
        sys.exit(f"it asks for {layers:,} layers, and there are {weights:,} weights")


def plain_model(folder: Path, gguf: dict[str, str]) -> Any:
    """The model in `folder` without a trace of the format it was stored in; weights from GGUF are float32.

    Pickled weights are read by torch's restricted unpickler, which builds tensors and runs no code.
    """
    import torch
    from transformers import AutoModelForCausalLM

    dtype = torch.float32 if gguf else "auto"
    loaded = AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, use_safetensors=None if gguf else False, weights_only=True, **gguf
    )
    if not gguf:
        return loaded
    config = loaded.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    with torch.device("meta"):
        plain = type(loaded)(config)
    plain.load_state_dict(loaded.state_dict(), assign=True)
    plain.tie_weights()
    plain.generation_config = loaded.generation_config
    return plain
