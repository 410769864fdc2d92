"""How busy the device is, and how full its memory: what `top` and `nvidia-smi` say, for the one who waits."""

from __future__ import annotations

import contextlib

import msgspec


class DeviceLoad(msgspec.Struct, frozen=True):
    """One device at a moment: `used` and `total` are bytes of its memory, `busy` is a share from 0 to 1."""

    name: str
    busy: float
    used: int
    total: int


def device_loads(device: str) -> list[DeviceLoad]:
    """The load of `cpu`, or of every GPU that `cuda` or `cuda:N` means; empty where the driver does not tell.

    The processor's is that of all its cores since the last call; other programs count too. A few milliseconds: not for
    the thread that draws.
    """
    if device.partition(":")[0] != "cuda":
        return [_processor()]
    with contextlib.suppress(Exception):  # without a driver, or with one that keeps this to itself
        return _gpus(device)
    return []


def _processor() -> DeviceLoad:
    import psutil

    memory = psutil.virtual_memory()
    return DeviceLoad("cpu", psutil.cpu_percent(interval=None) / 100, memory.total - memory.available, memory.total)


def _gpus(device: str) -> list[DeviceLoad]:
    import pynvml

    pynvml.nvmlInit()
    try:
        wanted = device.partition(":")[2]
        numbers = [int(wanted)] if wanted else range(pynvml.nvmlDeviceGetCount())
        return [_gpu(number) for number in numbers]
    finally:
        pynvml.nvmlShutdown()


def _gpu(number: int) -> DeviceLoad:
    import pynvml

    handle = pynvml.nvmlDeviceGetHandleByIndex(number)
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    busy = pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
    return DeviceLoad(f"cuda:{number}", busy, memory.used, memory.total)
