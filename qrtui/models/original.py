"""The weights of a model as they lie on disk, read one at a time. Imports torch: import it lazily."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from qrtui.errors import ModelError
from qrtui.models.on_disk import weight_files


class OriginalWeights:
    """Called with a parameter's name, gives that weight on the CPU in the dtype that loading gave it.

    Quantized weights cannot be turned back into the ones they were made from; those are read again from the model's
    folder, one at a time, so that no second model has to be held. `prefix` is what transformers puts before the names
    of a checkpoint that holds the base model alone.
    """

    def __init__(self, folder: Path, dtype: torch.dtype, prefix: str = "") -> None:
        self._folder, self._dtype, self._prefix = folder, dtype, prefix
        self._files: dict[str, Any] = {}

    def __call__(self, name: str) -> Tensor:
        """The weight called `name`; raises ModelError where the folder has none of that name."""
        bare = name.removeprefix(f"{self._prefix}.") if self._prefix else name
        for candidate in (name, bare, f"{self._prefix}.{name}"):
            if file := self._index().get(candidate):
                return file.get_tensor(candidate).to(self._dtype)  # type: ignore[no-any-return]
        raise ModelError(
            f"{self._folder} holds no weight called {name}, so noise cannot be added before quantizing",
            'take the protocol "after" or "published"',
        )

    def _index(self) -> dict[str, Any]:
        if not self._files:
            for path in weight_files(self._folder):
                file = safe_open(path, "pt")
                self._files |= dict.fromkeys(file.keys(), file)  # type: ignore[no-untyped-call]
        return self._files
