"""Which device a run will use, found without importing torch, so that a plan costs nothing."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import re
from importlib.metadata import PackageNotFoundError, version

from qrtui.errors import ModelError
from qrtui.models.container import memory_left, memory_limit

_MEMORY_SHARE = 0.8


def resolve_device(choice: str) -> str:
    """`cpu`, `cuda` or `cuda:N` for a preset's `device`; `auto` is CUDA where torch can use it, else the CPU.

    Raises ModelError for a device that is not there.
    """
    if choice == "auto":
        return "cuda" if cuda_devices() else "cpu"
    if choice == "cpu":
        return "cpu"
    asked = re.fullmatch(r"cuda(?::(\d+))?", choice)
    if asked is None:
        raise ModelError(f"there is no device {choice!r}", "device is auto, cpu, cuda or cuda:N")
    if not cuda_devices():
        raise ModelError(f"device {choice!r} is asked for but torch sees no GPU", "use cpu, or see `qrtui doctor`")
    if asked.group(1) and int(asked.group(1)) >= cuda_devices():
        raise ModelError(f"there is no device {choice!r}", f"this machine has cuda:0 to cuda:{cuda_devices() - 1}")
    return choice


def device_type(device: str) -> str:
    """`cpu` or `cuda`: completions are told apart by it, since the two round differently."""
    return device.partition(":")[0]


@functools.cache
def cuda_devices() -> int:
    """How many GPUs torch could use: 0 with a build for the CPU, or without NVIDIA's driver."""
    if torch_version().endswith("+cpu"):
        return 0
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def main_memory() -> int:
    """The machine's memory in bytes, or what this container may take of it."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(machine, memory_limit() or machine)


def free_memory() -> int:
    """The main memory in bytes that programs can still have, caches given up."""
    import psutil

    available, left = int(psutil.virtual_memory().available), memory_left()
    return available if left is None else min(available, left)


def may_be_taken(free: int) -> int:
    """How many of the bytes that are free may be taken: a fifth is left for others, and for misjudgement."""
    return int(_MEMORY_SHARE * free)


def give_back_memory() -> None:
    """Return main memory that was freed to the system.

    The C library keeps freed blocks below 32 MB, and one layer's keys and values are such a block: over a long run it
    would come to hold several times what is in use.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library has no such function
        ctypes.CDLL(None).malloc_trim(0)


@functools.cache
def torch_version() -> str:
    """The installed torch, with its build tag: `2.13.0+cpu`."""
    return _version("torch")


def library_versions(*, quantized: bool) -> dict[str, str]:
    """The versions of the libraries whose arithmetic decides what a model writes."""
    names = ["torch", "transformers", *(["bitsandbytes"] if quantized else [])]
    return {name: _version(name) for name in names}


@functools.cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
