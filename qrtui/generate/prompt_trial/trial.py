"""A model's chat template and tokenizer, tried in a process of their own before they are used in this one.

Both are programs that came with the model: a template may loop, a tokenizer's rules may take for ever or grow a text
beyond all memory, and none of that can be interrupted from outside while it goes on within this process.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from qrtui.errors import ModelError
from qrtui.fetching.child import python_module
from qrtui.generate.prompt import Asked
from qrtui.generate.prompt_trial.tried import Tried
from qrtui.models.model_info import ModelInfo
from qrtui.models.on_disk import local_path

_PATIENCE = 300.0
"""Seconds by the clock for one answer: the limits are of the processor's time, and machines may be busy."""
_STARTS = 3
_LOADS = ("", "load")
_ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "",
    "HF_HUB_OFFLINE": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "RUST_BACKTRACE": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "critical",
}
_ENDS = {
    -signal.SIGXCPU: "it comes to no end",
    -signal.SIGABRT: "it asks for too much memory",
    -signal.SIGSEGV: "it breaks the library that reads it",
}


@contextlib.contextmanager
def tried_meanwhile(
    info: ModelInfo, asked: Sequence[Asked], waiting: Callable[[], None], *, trusted: bool
) -> Iterator[None]:
    """Prompts are tried while the body does something else, and its end waits for it. Raises as `Trial.of` does."""
    with contextlib.closing(Trial(info, trusted=trusted)) as trial:
        trial.begin(asked)
        yield
        trial.of(asked, waiting)


class Trial:
    """Tries prompts on one model. What it has tried before, in whatever process, it knows.

    A model whose own code is trusted is not tried: that code may do anything.
    """

    def __init__(self, info: ModelInfo, *, trusted: bool = False) -> None:
        self._info, self._folder = info, None if trusted else local_path(info)
        self._tried = Tried(self._folder) if self._folder is not None else None
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ready = False

    def begin(self, asked: Iterable[Asked]) -> None:
        """Start what is needed to try these prompts, and do not wait for it."""
        if self._process is None and self._to_do(asked):
            self._start()

    def of(self, asked: Iterable[Asked], waiting: Callable[[], None]) -> None:
        """Try these prompts. Raises ModelError for the first that the model's files come to no end with, or fail on.

        `waiting` is called ten times a second meanwhile, and may raise.
        """
        to_do = self._to_do(asked)
        if self._tried is None or not to_do:
            return
        done: list[tuple[str, str]] = []
        try:
            for prompt, task_id in to_do.items():
                self._try(prompt, task_id, waiting)
                done.append(prompt)
        except BaseException:
            self.close()  # what it may still answer is for nobody
            raise
        finally:
            self._tried.add(done)

    def close(self) -> None:
        """End the process. It is started again where something is left to try."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _to_do(self, asked: Iterable[Asked]) -> dict[tuple[str, str], str]:
        """Each prompt that was never tried, with its task; the first is whether the tokenizer loads at all."""
        if self._tried is None:
            return {}
        every = {_LOADS: ""} | {(one.determinants.prompt, one.style): one.task.task_id for one in asked}
        return {prompt: task_id for prompt, task_id in every.items() if prompt not in self._tried}

    def _try(self, prompt: tuple[str, str], task_id: str, waiting: Callable[[], None]) -> None:
        for _ in range(_STARTS):
            if self._process is None:
                self._start()
            problem = self._answer(waiting) if not self._is_ready else ""
            self._is_ready = True
            if problem == "" and prompt != _LOADS:
                problem = self._ask(prompt, waiting)
            if problem is not None:
                break
        else:
            problem = "the process that tries them is killed again and again"
        if problem:
            raise ModelError(
                f"the chat template or tokenizer of {self._info.name} cannot be used{task_id and f' for {task_id}'}"
                f" ({problem})",
                "fetch or copy the model again, or take another one",
            )

    def _start(self) -> None:
        assert self._folder is not None
        self._is_ready = False
        self._process = subprocess.Popen(
            python_module("qrtui.generate.prompt_trial.child", [str(self._folder)]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **_ENVIRONMENT},
            start_new_session=True,
        )

    def _ask(self, prompt: tuple[str, str], waiting: Callable[[], None]) -> str | None:
        assert self._process is not None
        assert self._process.stdin is not None
        text, style = prompt
        try:
            self._process.stdin.write(json.dumps({"prompt": text, "style": style}).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return self._ending()
        return self._answer(waiting)

    def _answer(self, waiting: Callable[[], None]) -> str | None:
        """What is wrong, empty if nothing is; None where the process was killed from outside and no one knows."""
        assert self._process is not None
        assert self._process.stdout is not None
        until = time.monotonic() + _PATIENCE
        while not select.select([self._process.stdout], [], [], 0.1)[0]:
            waiting()
            if time.monotonic() > until:
                return "no answer"
        line = self._process.stdout.readline()
        return str(json.loads(line)["error"]) if line.endswith(b"\n") else self._ending()

    def _ending(self) -> str | None:
        assert self._process is not None
        status = self._process.wait()
        self.close()
        return None if status in (-signal.SIGKILL, -signal.SIGTERM) else _ENDS.get(status, f"exit status {status}")
