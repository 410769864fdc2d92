"""One pass through a model, whatever its `forward` calls its arguments. Imports torch: import it lazily."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor


class Forward:
    """A model's passes: tokens in, the next token's logits out."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.device: torch.device = next(model.parameters()).device
        self._extra = _accepted(model, logits_to_keep=1)
        # transformers calls it `cache` from 5.24 on, and warns of the other name.
        self._cache_name = "cache" if _accepted(model, cache=None) else "past_key_values"

    def __call__(self, ids: Tensor, mask: Tensor, past: Any, positions: Tensor | None = None) -> tuple[Tensor, Any]:
        """The logits of the next token, (rows, vocabulary) in float32, and the cache.

        `ids` is (rows, tokens), `mask` (rows, columns of the cache and tokens), `positions` as `ids`; without them
        each token stands behind the ones that the mask shows before it.
        """
        if positions is None:
            positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        output = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            use_cache=True,
            **{self._cache_name: past},
            **self._extra,
        )
        return output.logits[:, -1].float(), getattr(output, self._cache_name)

    def beginning(self, ids: Tensor) -> Any:
        """The cache of one prompt's beginning: `ids` is (1, tokens)."""
        return getattr(self.model(input_ids=ids, use_cache=True, **self._extra), self._cache_name)


def _accepted(model: Any, **arguments: Any) -> dict[str, Any]:
    """Those arguments that this model's `forward` knows."""
    known = inspect.signature(model.forward).parameters
    return {name: value for name, value in arguments.items() if name in known}
