"""Loads a model in one of the precisions. Imported by the engine only: everything here needs torch."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from qrtui.device_failures import is_device_lost, is_out_of_memory
from qrtui.errors import ModelError
from qrtui.models.device import give_back_memory
from qrtui.models.fitting import refuse_if_too_large
from qrtui.models.four_bit import keep_compute_dtype
from qrtui.models.model_info import ModelInfo
from qrtui.models.on_disk import has_pickled_weights, local_path
from qrtui.models.original import OriginalWeights
from qrtui.models.precisions import Precision
from qrtui.models.soundness import refuse_unsound
from qrtui.models.tokenizer import load_tokenizer, shortened, wants_own_code
from qrtui.quiet import quiet_libraries

_AGAIN = "fetch or copy the model again"


@dataclass
class LoadedModel:
    """A model ready to run, its tokenizer padding on the left, and what it took.

    `device` is where its first weights lie ("cpu", "cuda:0"); `footprint` is measured, in bytes, weights and
    their quantization scales; `load_seconds` leaves out the import of the libraries. `original` gives any weight as it
    was before it was quantized.
    """

    model: Any
    tokenizer: Any
    info: ModelInfo
    precision: Precision
    device: str
    footprint: int
    load_seconds: float
    original: OriginalWeights


def load(
    info: ModelInfo, precision: Precision, device: str = "auto", *, trust_remote_code: bool = False
) -> LoadedModel:
    """Load the weights that `local_path` finds, in evaluation mode; nothing is fetched.

    `device` is auto, cpu, cuda or cuda:N; auto takes the GPUs where there are any, and spreads a model over
    several. Gradient flags stay as transformers sets them, on for every floating-point parameter and off for
    quantized ones: the published noise protocol goes by them. Raises ModelError for everything a person can
    mend: absent, incomplete, pickled or damaged weights, an unknown device, too little memory.
    """
    folder = _usable_folder(info)
    device_map = _device_map(device)
    quiet_libraries()
    import transformers  # noqa: F401  (its import is not the model's loading time)

    quiet_libraries()
    refuse_if_too_large(info, precision, device)
    started = time.perf_counter()
    held = _cuda_bytes()
    try:
        tokenizer = load_tokenizer(folder, trust_remote_code=trust_remote_code)
        model = _load_weights(folder, precision, device_map, trust_remote_code)
    except ModelError:
        raise
    except Exception as error:  # the libraries raise every kind; each becomes one line
        if is_device_lost(error):
            raise
        raise _explained(error, info, precision) from error
    give_back_memory()
    on_cuda = _cuda_bytes() - held
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        info=info,
        precision=precision,
        device=str(next(model.parameters()).device),
        footprint=on_cuda or memory_footprint(model),
        load_seconds=time.perf_counter() - started,
        original=OriginalWeights(folder, model.dtype, getattr(model, "base_model_prefix", "")),
    )


def unload(loaded: LoadedModel) -> None:
    """Give the model's memory back; the object is of no use afterwards."""
    loaded.model = None
    loaded.tokenizer = None
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def memory_footprint(model: Any) -> int:
    """Bytes of the model's parameters, buffers and quantization scales, tied weights once."""
    sizes: dict[int, int] = {}
    for tensor in _tensors(model):
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
    return sum(sizes.values())


def _tensors(model: Any) -> Iterator[torch.Tensor]:
    yield from model.buffers()
    for parameter in model.parameters():
        yield parameter
        scales = [getattr(parameter, "SCB", None)]
        if (state := getattr(parameter, "quant_state", None)) is not None:
            nested = getattr(state, "state2", None)
            scales += [state.absmax, nested.absmax if nested is not None else None]
        yield from (scale for scale in scales if isinstance(scale, torch.Tensor))


def _usable_folder(info: ModelInfo) -> Path:
    folder = local_path(info)
    if folder is not None:
        refuse_unsound(info)
        return folder
    if info.path and has_pickled_weights(Path(info.path)):
        raise ModelError(
            f"{info.path} holds pickled weights, which may run any code",
            "save it as safetensors and name that",
        )
    if info.path and info.source == "folder":
        raise ModelError(f"{info.path} lacks weight files", "copy all of its *.safetensors files there")
    raise ModelError(f"{info.name} is not on this machine", f"fetch it with: qrtui pull {info.name}")


def _device_map(device: str) -> str | dict[str, str]:
    """What transformers calls a device map; raises ModelError for a device that is not there."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto":
        return "auto" if gpus > 1 else {"": "cuda:0" if gpus else "cpu"}
    kind, _, number = device.partition(":")
    if device == "cpu":
        return {"": "cpu"}
    if kind == "cuda" and gpus and (not number or (number.isdecimal() and int(number) < gpus)):
        return {"": f"cuda:{number or 0}"}
    there = ", ".join(["cpu", *(f"cuda:{n}" for n in range(gpus))])
    raise ModelError(f"there is no device {device!r}", f"take auto or one of: {there}")


def _load_weights(folder: Path, precision: Precision, device_map: str | dict[str, str], trust_remote_code: bool) -> Any:
    from transformers import AutoModelForCausalLM

    model, told = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=getattr(torch, precision.dtype_on("cpu" if device_map == {"": "cpu"} else "cuda")),
        quantization_config=precision.quantization_config(),
        device_map=device_map,
        use_safetensors=True,
        trust_remote_code=trust_remote_code,
        local_files_only=True,
        output_loading_info=True,
    )
    # transformers fills an absent weight with random numbers and only warns: results would mean nothing.
    if absent := sorted(told.get("missing_keys", ())):
        raise ModelError(
            f"the weights in {folder} lack {absent[0]}" + (f" and {len(absent) - 1} more" if absent[1:] else ""),
            _AGAIN,
        )
    if precision.four_bit_type and model.device.type == "cpu":
        keep_compute_dtype(model)
    return model.eval()


def _explained(error: Exception, info: ModelInfo, precision: Precision) -> ModelError:
    text = shortened(error)
    if is_out_of_memory(error):
        return ModelError(
            f"{info.name} in {precision.name} does not fit into memory",
            "take int8 or nf4, a smaller model, or another device",
        )
    if wants_own_code(error):
        return ModelError(
            f"{info.name} wants to run code of its own",
            "take a model that transformers knows; or, if you have read that code, name a folder with it and write"
            " trust_remote_code = true under that model in the preset",
        )
    if "ignore_mismatched_sizes" in text:
        return ModelError(f"the weights of {info.name} have other shapes than its config.json gives them", _AGAIN)
    kind = type(error).__name__
    if kind == "SafetensorError" or "safetensors" in text.lower() or "header" in text.lower():
        return ModelError(f"the weights of {info.name} are damaged ({text})", _AGAIN)
    return ModelError(f"{info.name} cannot be loaded ({kind}: {text})", "fetch it again or take another model")


def _cuda_bytes() -> int:
    if not torch.cuda.is_available():
        return 0
    return sum(torch.cuda.memory_allocated(gpu) for gpu in range(torch.cuda.device_count()))
