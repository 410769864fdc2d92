"""A model's files looked at before anything is loaded: damage that the libraries would not tell, or only late."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qrtui.errors import ModelError
from qrtui.models.headers import TensorHeader, tensor_headers
from qrtui.models.model_info import ModelInfo
from qrtui.models.on_disk import local_path, read_json, weight_files

_FLOATS = {"F64", "F32", "F16", "BF16"}
_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
_AGAIN = "fetch or copy the model again"
_ORIGINAL = "take the original model: qrtui quantizes it itself"


def refuse_unsound(info: ModelInfo) -> None:
    """Raises ModelError where what is here of a model cannot be one; says nothing where nothing is here.

    What is found: a pipe or device in a file's place (who opens it waits for ever), a file cut short or with a lying
    header, a `config.json` that is none or asks for more layers than there are weights (building them takes hours,
    then something else is noticed), and weights that are quantized already (torch would take their codes for numbers).
    """
    folder, name = local_path(info), info.name
    if folder is None:
        return
    for entry in folder.glob("*"):
        if entry.exists() and not entry.is_file() and not entry.is_dir():
            raise ModelError(f"{entry.name} in the folder of {name} is no file", _AGAIN)
    config = read_json(folder / "config.json")
    if not config:
        raise ModelError(f"config.json of {name} is damaged or empty", _AGAIN)
    if config.get("quantization_config"):
        raise ModelError(f"{name} is quantized already, says its config.json", _ORIGINAL)
    tensors = list(_tensors(name, folder))
    layers = max((config[key] for key in _LAYERS if isinstance(config.get(key), int)), default=0)
    if layers > len(tensors):
        raise ModelError(
            f"config.json of {name} asks for {layers:,} layers, and there are {len(tensors):,} weights", _AGAIN
        )
    for tensor in tensors:
        # A mask or a table of positions may be whole numbers, what is learned may not.
        if tensor.name.endswith(".weight") and tensor.dtype not in _FLOATS:
            raise ModelError(f"{name} is quantized already: it holds {tensor.name} as {tensor.dtype}", _ORIGINAL)


def code_warning(info: ModelInfo) -> str:
    """What to tell a person who trusts a model's own code, where the model has some; else nothing."""
    folder = local_path(info)
    files = own_code(folder) if folder is not None else []
    if not files:
        return ""
    return f"{info.name} runs code of its own ({', '.join(files)}) with all your rights: trust_remote_code is set"


def own_code(folder: Path) -> list[str]:
    """The Python files that a model's folder wants to have run: those of `auto_map` in its configuration, and code that
    is to take the place of generating."""
    named = {name for name in ("custom_generate/generate.py",) if (folder / name).exists()}
    for file in ("config.json", "tokenizer_config.json", "processor_config.json"):
        named.update(_modules(read_json(folder / file).get("auto_map")))
    return sorted(named)


def _tensors(name: str, folder: Path) -> Iterator[TensorHeader]:
    for file in weight_files(folder):
        try:
            yield from tensor_headers(file)
        except (OSError, ValueError) as error:
            raise ModelError(f"the weights of {name} are damaged ({file.name}: {error})", _AGAIN) from None


def _modules(named: Any) -> Iterator[str]:
    """`modeling.Model` and `owner/repository--modeling.Model` name the file `modeling.py`."""
    if isinstance(named, str):
        yield f"{named.rpartition('--')[2].rpartition('.')[0] or named}.py"
    elif isinstance(named, dict | list):
        for one in named.values() if isinstance(named, dict) else named:
            yield from _modules(one)
