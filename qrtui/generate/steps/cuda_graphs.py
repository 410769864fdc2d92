"""Decoding steps as CUDA graphs: recorded once, then started with one call. Imports torch: import it lazily.

A step of a small model on a GPU is some thousand short kernels, and starting them one by one from Python takes longer
than they run. What was recorded reads and writes at fixed places, and nothing in it may ask the device for a number:
a model whose layers do that (LLM.int8() looks for outliers in every batch) cannot be recorded, and torch says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

# The libraries choose their kernels and take their workspaces in a first pass, which must not be recorded.
_PASSES_BEFORE = 2


class CapturedSteps:
    """Steps of a model, recorded for each number of rows and columns when they are first wanted.

    `step(rows, columns)` gives logits (rows, vocabulary) and must be the same work each time, on inputs at fixed
    places. Weights may change in place, but not move. Raises ValueError where the model does not lie on one CUDA
    device.
    """

    def __init__(self, step: Callable[[int, int], Tensor], model: Any, most_rows: int) -> None:
        devices = {parameter.device for parameter in model.parameters()}
        if len(devices) != 1 or next(iter(devices)).type != "cuda":
            raise ValueError("CUDA graphs need a model that lies on one CUDA device")
        self._step, self._device, self._most_rows = step, devices.pop(), most_rows
        self._graphs: dict[tuple[int, int], torch.cuda.CUDAGraph] = {}
        self._pool: Any = None
        self._logits: Tensor | None = None

    def __call__(self, rows: int, columns: int) -> Tensor:
        """The logits of this step, (rows, vocabulary), which the next one overwrites."""
        with torch.cuda.device(self._device):
            if (rows, columns) not in self._graphs:
                self._graphs[rows, columns] = self._record(rows, columns)
            self._graphs[rows, columns].replay()
        assert self._logits is not None
        return self._logits[:rows]

    def _record(self, rows: int, columns: int) -> torch.cuda.CUDAGraph:
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            # The same inputs give the same keys and values: passes before the one that counts change nothing.
            for _ in range(_PASSES_BEFORE):
                logits = self._step(rows, columns)
            if self._logits is None:
                self._logits = logits.new_empty(self._most_rows, logits.shape[1])
            del logits
        torch.cuda.current_stream().wait_stream(aside)
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        # Only what this thread does is recorded; others may go on with their work.
        with torch.cuda.graph(graph, pool=self._pool, stream=aside, capture_error_mode="thread_local"):
            self._logits[:rows].copy_(self._step(rows, columns))
        return graph
