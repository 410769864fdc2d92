"""When steps are recorded and what becomes of a recording that fails; a few lines play CUDA."""

import contextlib
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from qrtui.generate.steps import cuda_graphs
from qrtui.generate.steps.cuda_graphs import CapturedSteps
from qrtui.models.catalog import resolve
from qrtui.models.load import load
from qrtui.models.precisions import PRECISIONS
from tests.pretended_gpu import GPU, on_gpu, pretended_gpu, put_on_gpu


class Stream:
    device = GPU

    def wait_stream(self, other):
        pass


class Recording:
    def replay(self):
        self.replayed = True


@pytest.fixture
def cuda(monkeypatch):
    """What torch.cuda was told: streams and recordings made, its present stream and mode, pools that were let go of."""
    default = Stream()
    told = SimpleNamespace(streams=[], recordings=[], pools=[], let_go=[], now=default, default=default, mode=0)
    told.breaks = False

    def stream():
        told.streams.append(Stream())
        return told.streams[-1]

    @contextlib.contextmanager
    def on(stream):
        before, told.now = told.now, stream
        yield
        told.now = before

    @contextlib.contextmanager
    def record(graph, *, pool, stream, capture_error_mode):
        told.recordings.append((graph, pool, stream))
        told.now = stream
        yield
        if told.breaks:  # torch leaves the stream as it is
            raise torch.AcceleratorError("CUDA error: operation failed due to a previous error during capture")
        told.now = told.default

    def pool():
        told.pools.append((0, len(told.pools) + 1))
        return told.pools[-1]

    playing = {
        "device": lambda device: contextlib.nullcontext(),
        "Stream": stream,
        "current_stream": lambda: told.now,
        "set_stream": lambda stream: setattr(told, "now", stream),
        "stream": on,
        "graph_pool_handle": pool,
        "CUDAGraph": Recording,
        "graph": record,
        "get_sync_debug_mode": lambda: told.mode,
        "set_sync_debug_mode": lambda mode: setattr(told, "mode", mode),
    }
    for name, played in playing.items():
        monkeypatch.setattr(torch.cuda, name, played)
    monkeypatch.setattr(torch._C, "_cuda_endAllocateToPool", lambda *of: told.let_go.append(of), raising=False)
    monkeypatch.setattr(cuda_graphs, "_failed", [])
    return told


@pytest.fixture
def model():
    model = nn.Linear(3, 4)
    put_on_gpu(model)
    with pretended_gpu():
        yield model


def test_each_size_is_recorded_once_and_all_share_a_stream_and_a_pool(cuda, model):
    passes = []

    def step(rows, columns):
        passes.append((rows, columns, cuda.mode))
        return on_gpu(torch.ones(rows, 4))

    steps = CapturedSteps(model, most_rows=8)
    for rows, columns in [(8, 128), (8, 128), (4, 128), (4, 256), (8, 128)]:
        assert steps(step, rows, columns).shape == (rows, 4)
    assert [one[:2] for one in passes] == [size for size in [(8, 128), (4, 128), (4, 256)] for _ in range(3)]
    assert [mode for *_, mode in passes[:3]] == [0, "error", 0]
    assert len(cuda.streams) == len(cuda.pools) == 1
    assert {(pool, stream) for _, pool, stream in cuda.recordings} == {(cuda.pools[0], cuda.streams[0])}
    assert cuda.now is cuda.default


def test_a_step_that_waits_for_the_device_is_never_recorded(cuda, model):
    def step(rows, columns):
        if cuda.mode == "error":
            raise RuntimeError("called a synchronizing CUDA operation")
        return on_gpu(torch.ones(rows, 4))

    with pytest.raises(RuntimeError, match="synchronizing"):
        CapturedSteps(model, most_rows=8)(step, 8, 128)
    assert cuda.recordings == []
    assert cuda.mode == 0


def test_a_recording_that_fails_leaves_nothing_begun(cuda, model):
    cuda.breaks = True
    with pytest.raises(torch.AcceleratorError, match="during capture"):
        CapturedSteps(model, most_rows=8)(lambda rows, columns: on_gpu(torch.ones(rows, 4)), 8, 128)
    assert cuda.now is cuda.default
    assert cuda.let_go == [(0, cuda.pools[0])]
    assert cuda_graphs._failed == [cuda.recordings[0][0]]


def test_what_looks_for_outliers_is_refused_before_anything_is_tried(cuda, tiny_llama):
    loaded = load(resolve(str(tiny_llama)), PRECISIONS["int8"], "cpu")
    with pytest.raises(ValueError, match="outliers"):
        CapturedSteps(loaded.model, most_rows=8)
    assert cuda.streams == []
