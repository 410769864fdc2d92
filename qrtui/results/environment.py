"""What a run notes of where it ran, so that numbers from two machines can be told apart."""

from __future__ import annotations

import ctypes
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qrtui import __version__
from qrtui.judge.verdict import JUDGE_VERSION
from qrtui.models.device import library_versions

_GIT_SECONDS = 5


def environment_of(device: str, judge_level: str | None, attacked_with: Mapping[str, str]) -> dict[str, Any]:
    """Versions, machine and device as plain values.

    `judge_level` is None where nothing was judged; `attacked_with` names what decided attacked prompts.
    """
    return {
        "qrtui": __version__,
        "git_revision": git_revision(Path(__file__).parents[2]),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "device": device,
        "device_name": device_name(device),
        "judge_level": judge_level,
        "judge_version": JUDGE_VERSION if judge_level else None,
        "versions": library_versions(quantized=True),
        "attacks": dict(attacked_with),
    }


def git_revision(checkout: Path) -> str | None:
    """The commit of a git checkout, with `-dirty` behind it where its files differ from that; None if it is none."""
    if not (checkout / ".git").exists():
        return None
    ask = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(ask, capture_output=True, text=True, check=True, timeout=_GIT_SECONDS).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def device_name(device: str) -> str | None:
    """What the processor or the GPU behind `cpu`, `cuda` or `cuda:N` is called; None where that cannot be told."""
    if device.startswith("cuda"):
        return _gpu_name(int(device.partition(":")[2] or 0))
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or None


def _gpu_name(index: int) -> str | None:
    """The driver's name of a GPU, asked for without torch."""
    name, device = ctypes.create_string_buffer(256), ctypes.c_int()
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    if driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(device), index):
        return None
    return name.value.decode() if driver.cuDeviceGetName(name, len(name), device) == 0 else None
