"""From jobs to answers: renders prompts, sizes batches, and retreats to smaller ones when memory runs out.

Imports torch: import it lazily.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Generator, Sequence
from typing import Any, Protocol, TypeVar

import torch

from qrtui.device_failures import is_out_of_memory
from qrtui.errors import ModelError
from qrtui.generate.batching import batch_size, by_length
from qrtui.generate.context import refuse_too_long
from qrtui.generate.decode import decode
from qrtui.generate.peak import spare_memory, working_memory
from qrtui.generate.prompt import Asked, render, stop_texts
from qrtui.generate.sequence import Answer, NotFiniteError, Request
from qrtui.generate.settings import Generation
from qrtui.generate.steps.names import NAMES, PLAIN, Steps
from qrtui.generate.ways.fastest import TakenWay, fastest_way
from qrtui.generate.ways.trials import device_answers, reason_of
from qrtui.models.device import free_memory, give_back_memory


class Seeded(Asked, Protocol):
    """What is needed to ask for one completion: what is asked, and the seed of its sampling."""

    @property
    def seed(self) -> int: ...  # noqa: D102


Job = TypeVar("Job", bound=Seeded)

# A portion ends with places that idle, and is what is decoded again when a run is taken up: one is paid for the other.
_BATCHES_IN_A_PORTION = 8


def produce(
    loaded: Any,
    jobs: Sequence[Job],
    settings: Generation,
    on_token: Callable[[int], None],
    notice: Callable[[str], None],
    is_missing: Callable[[Job], bool] = lambda job: True,
) -> Generator[tuple[Job, Answer], None, None]:
    """Every job that is missing with its answer, each as soon as it ends.

    At most a batch of jobs is decoded together; a job that ends gives its place to the next. Jobs keep their order but
    for those near each other, which go by length. Where they do not fit into memory, what is left is done again with
    half as many places, and `notice` says so. Jobs that are not missing are decoded only to keep others company: in a
    precision that sees its batch they are done in portions, each from its beginning, so that what is missing of a
    portion comes out as when all of it was. Raises ModelError if a single prompt does not fit, and whatever `on_token`
    raises.
    """
    asked = {id(job): _asked(job, loaded, settings.max_new_tokens) for job in jobs}
    longest = max((length for _, length in asked.values()), default=0)
    size = batch_size(settings.batch_size, loaded.model, tokens=longest + settings.max_new_tokens)
    at_once = _BATCHES_IN_A_PORTION * size if loaded.precision.sees_batch else max(1, len(jobs))
    portions = [jobs[at : at + at_once] for at in range(0, len(jobs), at_once)]
    portions = [portion for portion in portions if any(map(is_missing, portion))]
    missing = sum(is_missing(job) for portion in portions for job in portion)
    if known := sum(map(len, portions)) - missing:
        notice(
            f"{loaded.precision.name} depends on what is decoded together: {known} known completions are made again"
            f" beside the {missing} missing ones, which so come out as in an unbroken run"
        )
    spare = _spare(loaded, size, len(jobs), longest, settings)
    with fastest_way(loaded, notice, on_token, alone=size == 1, spare=spare) as way:
        producer = _Producer(loaded, settings, size, way, on_token, notice)
        for portion in portions:
            ordered = by_length(portion, lambda job: asked[id(job)][1], size)
            yield from producer.made([(job, asked[id(job)][0]) for job in ordered], is_missing)


class _Producer:
    """Answers in the way that is taken, in batches of a size that shrinks where memory lacks."""

    def __init__(
        self,
        loaded: Any,
        settings: Generation,
        size: int,
        way: TakenWay,
        on_token: Callable[[int], None],
        notice: Callable[[str], None],
    ) -> None:
        self._loaded, self._settings, self._size, self._way = loaded, settings, size, way
        self._on_token, self._notice = on_token, notice

    def made(
        self, left: list[tuple[Job, Request]], is_missing: Callable[[Job], bool]
    ) -> Generator[tuple[Job, Answer], None, None]:
        """Those of the jobs that are missing, with their answers; the others keep them company until all are there."""
        while wanted := sum(is_missing(job) for job, _ in left):
            steps = self._way.steps(greedy=self._settings.temperature == 0, alone=self._size == 1)
            done: set[int] = set()
            out_of_memory, failure, for_good = False, "", True
            try:
                requests = [request for _, request in left]
                # Closed before the weights change again: a way may have a thread of its own.
                with contextlib.closing(
                    answers(self._loaded, requests, self._settings, self._size, steps, self._on_token)
                ) as made:
                    for answer in made:
                        done.add(answer.request)
                        job, _ = left[answer.request]
                        if is_missing(job):
                            wanted -= 1
                            yield job, answer
                        if not wanted:
                            break
            except (RuntimeError, MemoryError) as error:
                out_of_memory = is_out_of_memory(error)
                if not out_of_memory and (steps == PLAIN or not device_answers(self._loaded)):
                    raise
                failure, for_good = reason_of(error), not isinstance(error, NotFiniteError)
            left = [pair for at, pair in enumerate(left) if at not in done]
            # Only here is the error gone, which held all that the decoder had.
            give_back_memory()
            if out_of_memory:
                self._size = _retreat(min(self._size, len(left)))
                self._notice(f"out of memory: going on with batches of {self._size}")
            elif failure:
                self._way.leave(steps, failure, for_good=for_good)
                self._notice(f"{NAMES[steps]} failed ({failure}): going on without it")


def answers(
    loaded: Any,
    requests: Sequence[Request],
    settings: Generation,
    slots: int,
    steps: Steps,
    on_token: Callable[[int], None],
) -> Generator[Answer, None, None]:
    """The answers to all requests, each as it ends, made in that way."""
    most = settings.max_new_tokens
    if steps == "continuous":
        from qrtui.generate.steps.continuous import decode_continuously

        return decode_continuously(
            loaded.model, loaded.tokenizer, requests, max_new_tokens=most, slots=slots, on_token=on_token
        )
    return decode(
        loaded.model,
        loaded.tokenizer,
        requests,
        max_new_tokens=most,
        temperature=settings.temperature,
        slots=slots,
        steps=steps,
        on_token=on_token,
    )


def _spare(loaded: Any, rows: int, count: int, longest: int, settings: Generation) -> int:
    """Bytes that may be taken for speed alone; 0 where the model's configuration does not tell."""
    cap = settings.max_new_tokens
    try:
        config = loaded.model.config.get_text_config().to_dict()
        working = working_memory(config, loaded.precision, rows=rows, count=count, longest=longest, cap=cap)
    except (KeyError, TypeError, ZeroDivisionError):
        return 0
    return spare_memory(loaded.footprint, working, settings.extra_memory, free_memory())


def _retreat(size: int) -> int:
    """Half of a batch that did not fit. Raises ModelError where there is none."""
    if size <= 1:
        raise ModelError("one prompt alone does not fit into the device's memory", "lower generation.max_new_tokens")
    # A loop of another thread that failed holds its cache by the error that it keeps.
    gc.collect()
    torch.cuda.empty_cache()
    return size // 2


def request_of(job: Seeded, loaded: Any, max_new_tokens: int) -> Request:
    """What a job asks of the decoder: its prompt in its style, and where the answer ends.

    Raises ModelError where the model's own chat template or tokenizer makes nothing of it that the model can read, or
    where it is too long for the model, its answer included.
    """
    return _asked(job, loaded, max_new_tokens)[0]


def _asked(job: Seeded, loaded: Any, max_new_tokens: int) -> tuple[Request, int]:
    """The request, and how many tokens it has."""
    try:
        text = render(job.determinants.prompt, job.style, loaded.tokenizer)
        tokens = loaded.tokenizer(text)["input_ids"]
    except Exception as error:  # a template is a program of the model's, and tokenizers raises plain Exception
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
        raise ModelError(
            f"the {'chat template or ' if job.style == 'chat' else ''}tokenizer of {loaded.info.name} fails on"
            f" {job.task.task_id} ({reason})",
            "fetch or copy the model again, or take another one",
        ) from error
    known = len(loaded.model.get_input_embeddings().weight)
    if not text or not tokens or not 0 <= min(tokens) <= max(tokens) < known:
        what = f"token {max(tokens)} for a model that knows {known}" if text and tokens else "nothing"
        raise ModelError(
            f"the tokenizer of {loaded.info.name} makes {what} of {job.task.task_id}",
            "its files do not belong together: fetch or copy the model again",
        )
    refuse_too_long(loaded, job.task, len(tokens), max_new_tokens)
    stops = stop_texts(job.task, job.style)
    return Request(text, stops, add_special_tokens=job.style == "completion", seed=job.seed), len(tokens)
