"""From jobs to answers: renders prompts, sizes batches, and retreats to smaller ones when memory runs out.

Imports torch: import it lazily.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

import torch

from qrtui.errors import ModelError
from qrtui.generate.batching import batch_size, batches
from qrtui.generate.decode import Answer, Request, decode
from qrtui.generate.prompt import Style, render, stop_texts
from qrtui.generate.settings import Generation
from qrtui.tasks.task import Task


class Asked(Protocol):
    """What is needed to ask for one completion: the task, its (possibly attacked) prompt, the style and the seed."""

    @property
    def task(self) -> Task: ...  # noqa: D102
    @property
    def style(self) -> Style: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102
    @property
    def determinants(self) -> Any: ...  # noqa: D102


Job = TypeVar("Job", bound=Asked)


def produce(
    loaded: Any,
    jobs: Sequence[Job],
    settings: Generation,
    on_token: Callable[[int], None],
    notice: Callable[[str], None],
) -> Iterator[tuple[Job, Answer]]:
    """Every job with its answer, each as soon as it ends.

    Jobs keep their order from batch to batch; within a batch they are padded to the longest. Where a batch does not fit
    into memory, what is left of it is done again in halves, and `notice` says so. Raises ModelError if a single
    prompt does not fit, and whatever `on_token` raises.
    """
    requests = {id(job): _request(job, loaded.tokenizer) for job in jobs}
    longest = max((len(loaded.tokenizer(request.text)["input_ids"]) for request in requests.values()), default=0)
    size = batch_size(settings.batch_size, loaded.model, tokens=longest + settings.max_new_tokens)
    queue = list(batches(jobs, size)) if jobs else []
    while queue:
        batch = queue.pop(0)
        done: set[int] = set()
        try:
            for answer in decode(
                loaded.model,
                loaded.tokenizer,
                [requests[id(job)] for job in batch],
                max_new_tokens=settings.max_new_tokens,
                temperature=settings.temperature,
                on_token=on_token,
            ):
                done.add(answer.request)
                yield batch[answer.request], answer
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
            if len(batch) == 1:
                raise ModelError(
                    "one prompt alone does not fit into the device's memory",
                    "lower generation.max_new_tokens",
                ) from None
            size = len(batch) // 2
            left = [job for at, job in enumerate(batch) if at not in done]
            queue = list(batches([*left, *(job for later in queue for job in later)], size))
            torch.cuda.empty_cache()
            notice(f"out of memory: going on with batches of {size}")


def _is_out_of_memory(error: RuntimeError) -> bool:
    # On a CPU torch raises a plain RuntimeError whose text alone tells.
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _request(job: Asked, tokenizer: Any) -> Request:
    text = render(job.determinants.prompt, job.style, tokenizer)
    return Request(text, stop_texts(job.task, job.style), add_special_tokens=job.style == "completion", seed=job.seed)
