"""How long a prompt and its answer may be together. Imports torch: import it lazily."""

from __future__ import annotations

from typing import Any

from torch import nn

from qrtui.errors import ModelError
from qrtui.tasks.task import Task

_LEARNED = ("wpe", "embed_positions", "position_embeddings")


def refuse_too_long(loaded: Any, task: Task, prompt: int, answer: int) -> None:
    """Raises ModelError where so many tokens are more than a model with learned positions has positions for.

    Beyond them there is nothing to look up: an IndexError on a CPU, on a GPU an assert that loses it.
    """
    limit = _positions(loaded.model)
    if limit is not None and prompt + answer > limit:
        room = limit - prompt
        raise ModelError(
            f"{loaded.info.name} reads {limit:,} tokens at most, and {task.task_id} has {prompt:,} before its answer",
            (f"set generation.max_new_tokens to {room:,} or less, or " if room > 0 else "") + "leave the task out",
        )


def _positions(model: Any) -> int | None:
    found = [
        module.num_embeddings - getattr(module, "offset", 0)  # OPT leaves its first two out
        for name, module in model.named_modules()
        if isinstance(module, nn.Embedding) and name.rpartition(".")[2] in _LEARNED
    ]
    return min(found, default=None)
