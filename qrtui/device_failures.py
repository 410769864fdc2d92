"""What an error of the device means: out of memory, or broken for good.

Imports no torch: the errors are told by their names.
"""

from __future__ import annotations

_NO_MEMORY = ("out of memory", "can't allocate memory", "alloc_failed")
_LOST = ("cuda error", "device-side assert", "illegal memory access", "unspecified launch failure", "cublas_status_")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device, or the machine, had no memory left: less at a time may still work.

    On a CPU torch raises a plain RuntimeError, and CUDA's libraries have words of their own, so that the text tells.

    >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling ..."))
    (True, True)
    """
    return _is_a(error, "OutOfMemoryError", "MemoryError") or _says(error, _NO_MEMORY)


def is_device_lost(error: BaseException) -> bool:
    """Whether CUDA gave up: from then on every call of this process fails, and only a new process has the GPU again.

    >>> is_device_lost(RuntimeError("CUDA error: device-side assert triggered")), is_device_lost(RuntimeError("shape"))
    (True, False)
    """
    return (
        isinstance(error, RuntimeError)
        and not is_out_of_memory(error)
        and (_is_a(error, "AcceleratorError") or _says(error, _LOST))
    )


def _is_a(error: BaseException, *names: str) -> bool:
    return any(kind.__name__ in names for kind in type(error).__mro__)


def _says(error: BaseException, words: tuple[str, ...]) -> bool:
    text = str(error).lower()
    return any(word in text for word in words)
