"""What `qrtui doctor` says of GPUs, with the driver's answers as NVIDIA documents them."""

from __future__ import annotations

from types import SimpleNamespace

import pynvml
import pytest

from qrtui.models import gpu_check


@pytest.fixture
def driver(monkeypatch):
    """A driver for CUDA 12 with one free H100; its answers can be changed by attributes."""
    says = SimpleNamespace(init=None, built="12.8", usable=1, free=79, pids=(), mode=pynvml.NVML_COMPUTEMODE_DEFAULT)

    def init():
        if says.init is not None:
            raise pynvml.NVMLError(says.init)

    answers = {
        "nvmlInit": init,
        "nvmlShutdown": lambda: None,
        "nvmlDeviceGetCount": lambda: 1,
        "nvmlDeviceGetHandleByIndex": lambda number: number,
        "nvmlDeviceGetName": lambda handle: "NVIDIA H100",
        "nvmlSystemGetDriverVersion": lambda: "550.54",
        "nvmlSystemGetCudaDriverVersion_v2": lambda: 12040,
        "nvmlDeviceGetMemoryInfo": lambda handle: SimpleNamespace(free=says.free * 10**9, total=80 * 10**9),
        "nvmlDeviceGetComputeRunningProcesses": lambda handle: [SimpleNamespace(pid=pid) for pid in says.pids],
        "nvmlDeviceGetComputeMode": lambda handle: says.mode,
    }
    for name, answer in answers.items():
        monkeypatch.setattr(pynvml, name, answer)
    monkeypatch.setattr(gpu_check, "torch_cuda", lambda: says.built)
    monkeypatch.setattr(gpu_check, "cuda_devices", lambda: says.usable)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return says


def test_a_free_gpu_needs_nothing(driver):
    found, way_out = gpu_check.examine_gpus()
    assert found == "driver 550.54; cuda:0 NVIDIA H100, 79.0 of 80.0 GB free"
    assert not way_out


@pytest.mark.parametrize(
    ("change", "found", "way_out"),
    [
        ({"init": pynvml.NVML_ERROR_LIBRARY_NOT_FOUND}, "no NVIDIA driver answers", "install NVIDIA's driver"),
        ({"init": pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, "built": None}, "build without CUDA", "torch's CUDA build"),
        ({"init": pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH}, "updated under the running kernel", "restart"),
        ({"init": pynvml.NVML_ERROR_DRIVER_NOT_LOADED}, "not loaded", "modprobe nvidia"),
        ({"init": pynvml.NVML_ERROR_NO_PERMISSION}, "may not use", "/dev/nvidia"),
        ({"built": None}, "NVIDIA H100 is here, but this torch", "torch's CUDA build"),
        ({"built": "13.0"}, "reaches CUDA 12, this torch was built for 13.0", "update NVIDIA's driver"),
        ({"usable": 0}, "CUDA does not start", "nvidia-smi"),
        ({"free": 3, "pids": (41, 7)}, "3.0 of 80.0 GB free, used by processes 7, 41", "cuda:N"),
        (
            {"pids": (7,), "mode": pynvml.NVML_COMPUTEMODE_EXCLUSIVE_PROCESS},
            "one program at a time",
            "wait for the other",
        ),
        ({"mode": pynvml.NVML_COMPUTEMODE_PROHIBITED}, "closed to programs", "-c DEFAULT"),
    ],
)
def test_what_is_in_the_way_is_told_with_the_way_out(driver, change, found, way_out):
    vars(driver).update(change)
    finding = gpu_check.examine_gpus()
    assert found in finding.found
    assert way_out in finding.way_out


def test_a_gpu_that_the_environment_hides(driver, monkeypatch):
    driver.usable = 0
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    found, way_out = gpu_check.examine_gpus()
    assert "CUDA_VISIBLE_DEVICES='' hides NVIDIA H100" in found
    assert "unset" in way_out


def test_the_installed_torch_says_what_it_was_built_for():
    import torch

    assert gpu_check.torch_cuda() == torch.version.cuda
