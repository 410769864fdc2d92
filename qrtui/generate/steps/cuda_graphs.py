"""Decoding steps as CUDA graphs: recorded once, then started with one call. Imports torch: import it lazily.

A step of a small model on a GPU is some thousand short kernels, and starting them one by one from Python takes longer
than they run. What was recorded reads and writes at fixed places, and nothing in it may ask the device for a number.
A recording that fails leaves torch's allocator in disorder (up to torch 2.11 for good: from then on it can give nothing
back), so that a step which asks is found before it is recorded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

Step = Callable[[int, int], Tensor]
"""Called with numbers of rows and of columns, gives logits (rows, vocabulary)."""

# The libraries choose their kernels and take their workspaces in a first pass, which must not be recorded. The last one
# shows whether a step asks the device for anything.
_PASSES_BEFORE = 2
# The allocator may go on asking a recording that failed: none may go.
_failed: list[torch.cuda.CUDAGraph] = []


class CapturedSteps:
    """Steps of a model, recorded for each number of rows and columns when they are first wanted.

    Weights may change in place, but not move. Raises ValueError where the model does not lie on one CUDA device, or has
    LLM.int8() layers, which look for outliers in every batch.
    """

    def __init__(self, model: Any, most_rows: int) -> None:
        if any(type(module).__name__ == "Linear8bitLt" for module in model.modules()):
            raise ValueError("LLM.int8() looks for outliers in every batch, which cannot be recorded")
        devices = {parameter.device for parameter in model.parameters()}
        if len(devices) != 1 or next(iter(devices)).type != "cuda":
            raise ValueError("CUDA graphs need a model that lies on one CUDA device")
        self._device, self._most_rows = devices.pop(), most_rows
        self._graphs: dict[tuple[int, int], torch.cuda.CUDAGraph] = {}
        # All recordings share their memory, which takes one stream and one pool.
        self._aside: Any = None
        self._pool: Any = None
        self._logits: Tensor | None = None

    def __call__(self, step: Step, rows: int, columns: int) -> Tensor:
        """The logits of this step, (rows, vocabulary), which the next one overwrites.

        The step must be the same work each time, on inputs at fixed places; raises RuntimeError where it asks the
        device for a number.
        """
        with torch.cuda.device(self._device):
            if (rows, columns) not in self._graphs:
                self._graphs[rows, columns] = self._record(step, rows, columns)
            self._graphs[rows, columns].replay()
        assert self._logits is not None
        return self._logits[:rows]

    def _record(self, step: Step, rows: int, columns: int) -> torch.cuda.CUDAGraph:
        if self._aside is None:
            self._aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            self._pool = torch.cuda.graph_pool_handle()
        self._aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._aside):
            # The same inputs give the same keys and values: passes before the one that counts change nothing.
            for number in range(1, _PASSES_BEFORE + 1):
                with _asking_nothing() if number == _PASSES_BEFORE else contextlib.nullcontext():
                    logits = step(rows, columns)
            if self._logits is None:
                self._logits = logits.new_empty(self._most_rows, logits.shape[1])
            del logits
        torch.cuda.current_stream().wait_stream(self._aside)
        graph = torch.cuda.CUDAGraph()
        # Only what this thread does is recorded; others may go on with their work.
        recording = torch.cuda.graph(graph, pool=self._pool, stream=self._aside, capture_error_mode="thread_local")
        with self._ending_failures(graph), recording:
            self._logits[:rows].copy_(step(rows, columns))
        return graph

    @contextlib.contextmanager
    def _ending_failures(self, graph: torch.cuda.CUDAGraph) -> Iterator[None]:
        """Of a recording that fails, end what torch leaves begun: the stream it was on, its hold on the allocator."""
        before = torch.cuda.current_stream()
        try:
            yield
        except BaseException:
            _failed.append(graph)
            torch.cuda.set_stream(before)
            # Which torch from 2.12 on has done by itself, and then refuses.
            with contextlib.suppress(RuntimeError):
                torch._C._cuda_endAllocateToPool(before.device.index, self._pool)
            raise


@contextlib.contextmanager
def _asking_nothing() -> Iterator[None]:
    """Have torch raise RuntimeError where work waits for the device, as it would if that were being recorded.

    That holds for all threads, of which one alone computes on a device here.
    """
    former = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(former)
