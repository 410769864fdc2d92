"""The weights of a model as they lie on disk, read one at a time. Imports torch: import it lazily."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from qrtui.errors import ChangedModelError, ModelError
from qrtui.models.on_disk import weight_files


class OriginalWeights:
    """Called with a parameter's name, gives that weight on the CPU in the dtype that loading gave it.

    Weights that were quantized or changed cannot be turned back into the ones they were made from; those are read again
    from the model's folder, one at a time, so that no second model has to be held. `prefix` is what transformers puts
    before the names of a checkpoint that holds the base model alone.
    """

    def __init__(self, folder: Path, dtype: torch.dtype, prefix: str = "") -> None:
        self._folder, self._dtype, self._prefix = folder, dtype, prefix
        self._files: dict[str, Any] = {}
        self._marks: dict[Path, tuple[int, int, int]] = {}

    def __call__(self, name: str) -> Tensor:
        """The weight called `name`; raises ModelError where the folder has none of that name."""
        stored = self.stored(name)
        if stored is None:
            raise ModelError(
                f"{self._folder} holds no weight called {name}, so noise cannot be added before quantizing",
                'take the protocol "after" or "published"',
            )
        return stored.to(self._dtype)

    def stored(self, name: str) -> Tensor | None:
        """The weight called `name` as its file holds it, in that file's dtype; None where the folder has none.

        It lies in the mapped file and takes no memory of its own. It must not be written to.
        """
        bare = name.removeprefix(f"{self._prefix}.") if self._prefix else name
        for candidate in (name, bare, f"{self._prefix}.{name}"):
            if file := self._index().get(candidate):
                return file.get_tensor(candidate)  # type: ignore[no-any-return]
        return None

    def refuse_changed(self) -> None:
        """Raise ChangedModelError where a file that was read before has been written to since.

        One that was deleted, or replaced by another of its name, stays as it was for whoever has it open.
        """
        for path, mark in self._marks.items():
            now = _mark(path)
            if now is not None and now != mark and now[0] == mark[0]:
                raise ChangedModelError(
                    f"{path} was written to while the model was in use", "run it again with the file as it is now"
                )

    def _index(self) -> dict[str, Any]:
        if not self._files:
            for path in weight_files(self._folder):
                if (mark := _mark(path)) is not None:
                    self._marks[path] = mark
                file = safe_open(path, "pt")
                self._files |= dict.fromkeys(file.keys(), file)  # type: ignore[no-untyped-call]
        return self._files


def _mark(path: Path) -> tuple[int, int, int] | None:
    """What tells a file from another, and its content from an earlier one; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
