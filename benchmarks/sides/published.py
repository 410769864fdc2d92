"""The published way of making and judging completions: EvalPlus' own decoder and judge, one prompt at a time.

Imports torch, transformers and evalplus.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from qrtui.generate.prompt import _INSTRUCTION, _RESPONSE
from qrtui.tasks.datasets import load_tasks
from qrtui.tasks.task import Task


def write_override(path: Path, tasks: list[Task]) -> None:
    """A data set file for EvalPlus of these tasks, under the ids HumanEval/0, HumanEval/1, ...

    EvalPlus takes it for HumanEval+ where `HUMANEVAL_OVERRIDE_PATH` names it as it is imported.
    """
    # EvalPlus wants a file of all 164; no more than the first len(tasks) are asked for.
    every = [*tasks, *load_tasks("humaneval")[len(tasks) :]]
    fields = {"contract": "", "base_input": [], "plus_input": [], "atol": 0}
    with path.open("w") as file:
        for at, task in enumerate(every):
            own = {"prompt": task.prompt, "entry_point": task.entry_point, "canonical_solution": task.reference}
            file.write(json.dumps({"task_id": f"HumanEval/{at}", **own, **fields}) + "\n")


def decoder(folder: Path, dtype: str, cap: int, **loading: Any) -> Any:
    """EvalPlus' `HuggingFaceDecoder` as `evalplus.codegen --backend hf --greedy` makes it, but for two things.

    The cap is `cap` instead of 768. And each task's stop texts are forgotten before the next task: EvalPlus 0.3.1 keeps
    them all, and finds an earlier, shorter task's in the prompt of a longer one, which then ends after its first token.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from evalplus.provider.hf import HuggingFaceDecoder

    class ForgettingDecoder(HuggingFaceDecoder):  # type: ignore[misc]
        def codegen(self, *args: Any, **kwargs: Any) -> list[str]:
            self.model.__dict__.pop("_get_stopping_criteria", None)
            return super().codegen(*args, **kwargs)  # type: ignore[no-any-return]

    return ForgettingDecoder(
        name=str(folder),
        dataset="humaneval",
        batch_size=1,
        temperature=0.0,
        max_new_tokens=cap,
        dtype=dtype,
        instruction_prefix=_INSTRUCTION,
        response_prefix=_RESPONSE,
        **loading,
    )
