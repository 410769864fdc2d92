from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from qrtui.quiet import LIBRARY_LOGGERS, quiet_libraries

# File descriptors, not sys.stdout: that is how a subprocess sees them, native code included.
RUN_QUANTIZED = """
import sys, warnings
from qrtui.quiet import quiet_libraries
quiet_libraries()
import msgspec, torch
from qrtui.models.catalog import resolve
from qrtui.models.load import load
from qrtui.models.precisions import PRECISIONS
info = resolve(sys.argv[1])
in_float32 = msgspec.structs.replace(PRECISIONS["int8"], dtype="float32")
for precision in (PRECISIONS["int8"], in_float32, PRECISIONS["nf4"]):
    model = load(info, precision, "cpu").model
    with torch.inference_mode():
        model(torch.tensor([[3, 4, 5]]))
        model.generate(torch.tensor([[3, 4, 5]]), max_new_tokens=4, do_sample=False, temperature=0.3)
quiet_libraries()
warnings.warn("a library warns")
"""


def test_quantized_models_print_nothing_at_all(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")  # transformers then hands its records on to the root logger, too
    command = [sys.executable, "-c", RUN_QUANTIZED, str(tiny_llama)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.fixture
def restored_loggers() -> object:
    kept = {name: (logging.getLogger(name).handlers[:], logging.getLogger(name).propagate) for name in LIBRARY_LOGGERS}
    yield
    for name, (handlers, propagate) in kept.items():
        logging.getLogger(name).__dict__.pop("addHandler", None)
        logging.getLogger(name).handlers[:] = handlers
        logging.getLogger(name).propagate = propagate


@pytest.mark.usefixtures("restored_loggers")
def test_what_they_say_goes_to_our_log_once(caplog: pytest.LogCaptureFixture) -> None:
    quiet_libraries()
    quiet_libraries()
    library = logging.getLogger("bitsandbytes.autograd._functions")
    library.addHandler(logging.NullHandler())
    with caplog.at_level(logging.INFO, logger="qrtui.libraries"):
        for _ in range(3):
            library.warning("inputs of the test will be cast from %s", "float32")
    said = [record.getMessage() for record in caplog.records if record.name == "qrtui.libraries"]
    assert said == ["bitsandbytes.autograd._functions: inputs of the test will be cast from float32"]


@pytest.mark.usefixtures("restored_loggers")
def test_advice_that_no_run_needs_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    quiet_libraries()
    library = logging.getLogger("bitsandbytes.backends.cpu.ops")
    with caplog.at_level(logging.INFO, logger="qrtui.libraries"):
        library.warning("Failed to load CPU gemm_4bit_forward from kernels-community: %s. Please pip install", "none")
        library.warning("something else")
    said = [record.getMessage() for record in caplog.records if record.name == "qrtui.libraries"]
    assert said == ["bitsandbytes.backends.cpu.ops: something else"]


LOAD_AND_GENERATE = """
import logging, sys
from qrtui.quiet import quiet_libraries
quiet_libraries()
logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(name)s %(message)s")
import torch
from qrtui.generate.forward import Forward
from qrtui.models.catalog import resolve
from qrtui.models.load import load
from qrtui.models.precisions import PRECISIONS
ids = torch.tensor([[3, 4, 5]])
forward = Forward(load(resolve(sys.argv[1]), PRECISIONS["nf4"], "cpu").model)
with torch.inference_mode():
    past = forward.beginning(ids)
    forward(ids, torch.ones(1, 6, dtype=torch.long), past)
"""


def test_a_pass_through_a_model_leaves_the_log_empty(tiny_llama: Path) -> None:
    command = [sys.executable, "-c", LOAD_AND_GENERATE, str(tiny_llama)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    said = [line for line in ended.stdout.splitlines() if line.startswith("qrtui.libraries")]
    assert (ended.returncode, said) == (0, [])
