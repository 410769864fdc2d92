"""A model that cannot fit is refused before it is loaded, with the numbers. Imports torch: import it lazily."""

from __future__ import annotations

import torch

from qrtui.errors import ModelError
from qrtui.models.device import device_type, free_memory
from qrtui.models.footprint import memory_needed
from qrtui.models.model_info import ModelInfo
from qrtui.models.precisions import PRECISIONS, Precision


def refuse_if_too_large(info: ModelInfo, precision: Precision, device: str) -> None:
    """Raise ModelError where the weights need more memory than `device` (auto, cpu, cuda, cuda:N) has free now.

    Says nothing where nobody knows how large the model is: loading will tell.
    """
    kind = _kind(device)
    needed, free = memory_needed(info, precision, kind), free_on(device)
    if needed is None or needed <= free:
        return
    where = "of this machine's memory" if kind == "cpu" else "on the GPU" if device != "auto" else "on the GPUs"
    fitting = [
        f"{name} ({size / 1e9:.1f} GB)"
        for name, recipe in PRECISIONS.items()
        if (size := memory_needed(info, recipe, kind)) is not None and size <= free
    ]
    raise ModelError(
        f"{info.name} in {precision.name} needs {needed / 1e9:.1f} GB for its weights and {free / 1e9:.1f} GB {where}"
        " are free",
        f"{', '.join(fitting)} would fit; or end what else uses it"
        if fitting
        else "take a smaller model, or end what else uses it (qrtui doctor)",
    )


def free_on(device: str) -> int:
    """Bytes that are free now: of main memory, of one GPU, or of all of them where `auto` spreads a model."""
    if _kind(device) == "cpu":
        return free_memory()
    number = device.partition(":")[2]
    gpus = range(torch.cuda.device_count()) if device == "auto" else [int(number or 0)]
    return sum(map(free_on_gpu, gpus))


def free_on_gpu(gpu: int | torch.device) -> int:
    """Bytes of a GPU that are free to this process: what torch keeps of what it used before is.

    It keeps much after a batch or after running out of memory, and the driver takes that for used.
    """
    kept = torch.cuda.memory_reserved(gpu) - torch.cuda.memory_allocated(gpu)
    return torch.cuda.mem_get_info(gpu)[0] + kept


def _kind(device: str) -> str:
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device_type(device)
