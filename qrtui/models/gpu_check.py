"""What stands between torch and the GPUs, asked of NVIDIA's driver without importing torch: for `qrtui doctor`."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from typing import NamedTuple

import pynvml

from qrtui.models.device import cuda_devices, torch_version

_CROWDED = 0.5


class Finding(NamedTuple):
    """What was found, and what to do about it (empty where nothing needs doing)."""

    found: str
    way_out: str = ""


def examine_gpus() -> Finding:
    """Whether runs here use a GPU, how much of it is free, who else is on it; if they do not, why not."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return _without_driver(error)
    try:
        return _with_driver()
    except pynvml.NVMLError as error:
        return Finding(f"cpu (NVIDIA's driver answers with {error})", "see what nvidia-smi says; a restart may mend it")
    finally:
        pynvml.nvmlShutdown()


def _without_driver(error: pynvml.NVMLError) -> Finding:
    if _is(error, "NVML_ERROR_LIB_RM_VERSION_MISMATCH"):
        return Finding("cpu (NVIDIA's driver was updated under the running kernel)", "restart the machine")
    if _is(error, "NVML_ERROR_DRIVER_NOT_LOADED"):
        return Finding("cpu (NVIDIA's driver is installed but not loaded)", "modprobe nvidia, or restart the machine")
    if _is(error, "NVML_ERROR_NO_PERMISSION"):
        return Finding("cpu (this user may not use NVIDIA's driver)", "ask for access to /dev/nvidia*")
    if torch_cuda() is None:
        return Finding("cpu (this torch is a build without CUDA)", "for a GPU install torch's CUDA build")
    return Finding("cpu (no NVIDIA driver answers)", "for a GPU install NVIDIA's driver")


def _with_driver() -> Finding:
    count = pynvml.nvmlDeviceGetCount()
    names = [_text(pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(number))) for number in range(count)]
    built, reached = torch_cuda(), pynvml.nvmlSystemGetCudaDriverVersion_v2() // 1000
    version = _text(pynvml.nvmlSystemGetDriverVersion())
    if not count:
        return Finding(f"cpu (driver {version} finds no GPU)", "see what nvidia-smi says")
    if built is None:
        return Finding(
            f"cpu ({', '.join(names)} is here, but this torch is a build without CUDA)", "install torch's CUDA build"
        )
    if int(built.split(".")[0]) > reached:
        return Finding(
            f"cpu ({names[0]}: driver {version} reaches CUDA {reached}, this torch was built for {built})",
            f"update NVIDIA's driver, or install a torch built for CUDA {reached}",
        )
    if (shown := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None and not cuda_devices():
        return Finding(f"cpu (CUDA_VISIBLE_DEVICES={shown!r} hides {', '.join(names)})", "unset it to use the GPU")
    if not cuda_devices():
        return Finding(f"cpu ({names[0]} is here, but CUDA does not start)", "see what nvidia-smi says; restart")
    gpus = [_gpu(number, name) for number, name in enumerate(names)]
    ways_out = list(dict.fromkeys(gpu.way_out for gpu in gpus if gpu.way_out))
    return Finding(f"driver {version}; " + "; ".join(gpu.found for gpu in gpus), "; ".join(ways_out))


def _gpu(number: int, name: str) -> Finding:
    handle = pynvml.nvmlDeviceGetHandleByIndex(number)
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    others = _others(handle)
    found = f"cuda:{number} {name}, {memory.free / 1e9:.1f} of {memory.total / 1e9:.1f} GB free"
    if others:
        found += f", used by process{'es' if len(others) > 1 else ''} {', '.join(map(str, others))}"
    if _mode(handle) == pynvml.NVML_COMPUTEMODE_PROHIBITED:
        return Finding(f"{found}, closed to programs", f"sudo nvidia-smi -i {number} -c DEFAULT opens it")
    if _mode(handle) == pynvml.NVML_COMPUTEMODE_EXCLUSIVE_PROCESS and others:
        return Finding(f"{found}, for one program at a time", "wait for the other program to end, or take another GPU")
    if memory.free < _CROWDED * memory.total:
        return Finding(found, 'others use it: wait, or take another with device = "cuda:N" or "cpu" in the preset')
    return Finding(found)


def _others(handle: object) -> list[int]:
    """The numbers of other processes that compute there; empty where the driver does not tell."""
    try:
        return sorted({p.pid for p in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)} - {os.getpid()})
    except pynvml.NVMLError:
        return []


def _mode(handle: object) -> int | None:
    try:
        return int(pynvml.nvmlDeviceGetComputeMode(handle))
    except pynvml.NVMLError:
        return None


def torch_cuda() -> str | None:
    """The CUDA version that the installed torch was built for, `13.0`; None for a build without, or no torch."""
    if torch_version().endswith("+cpu"):
        return None
    found = importlib.util.find_spec("torch")
    for folder in (found.submodule_search_locations or []) if found else []:
        file = Path(folder) / "version.py"
        if file.exists() and (said := re.search(r"^cuda\b[^=]*= '([\d.]+)'", file.read_text(), re.MULTILINE)):
            return said[1]
    return None


def _is(error: pynvml.NVMLError, name: str) -> bool:
    return bool(getattr(error, "value", None) == getattr(pynvml, name))


def _text(said: str | bytes) -> str:
    return said.decode() if isinstance(said, bytes) else said
