"""How much memory a device has, told without importing torch."""

from __future__ import annotations

import ctypes
import functools

from qrtui.models.device import device_type, main_memory


@functools.cache
def capacity(device: str) -> int | None:
    """The memory of `cpu` or of a `cuda` device in bytes, in use or not; None where the driver does not tell."""
    if device_type(device) == "cpu":
        return main_memory()
    number = int(device.partition(":")[2] or 0)
    size = ctypes.c_size_t(0)
    handle = ctypes.c_int(0)
    try:
        driver = ctypes.CDLL("libcuda.so.1")
        if driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(handle), number):
            return None
        return None if driver.cuDeviceTotalMem_v2(ctypes.byref(size), handle) else size.value
    except (OSError, AttributeError):
        return None
