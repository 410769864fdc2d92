"""What of a model's files came to an end on which prompts, kept between runs: a warm start tries nothing again."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

from qrtui import paths
from qrtui.generate.prompt import PROMPT_VERSION

_BYTES = 16
_WEIGHTS = {".safetensors", ".bin", ".gguf", ".pt", ".pth", ".ckpt", ".h5", ".onnx", ".msgpack"}
_CHANGES = re.compile(rb"strftime_now|lipsum|random")
"""With these a template may do another thing each time."""


class Tried:
    """The prompts that the files in `folder` have read, by hash; none for files that may do another thing each time."""

    def __init__(self, folder: Path) -> None:
        self._file = _file_of(folder)
        self._known: set[bytes] = set()
        if self._file is not None:
            with contextlib.suppress(OSError):
                content = self._file.read_bytes()
                self._known = {content[at : at + _BYTES] for at in range(0, len(content), _BYTES)}

    def __contains__(self, prompt: tuple[str, str]) -> bool:
        """Whether this (text, style) has been read."""
        return _digest(prompt) in self._known

    def add(self, prompts: Iterable[tuple[str, str]]) -> None:
        """Remember these, here and, where the cache can be written, for later."""
        new = {_digest(prompt) for prompt in prompts} - self._known
        self._known |= new
        if self._file is not None and new:
            with contextlib.suppress(OSError):
                paths.make_private_folder(self._file.parent)
                with self._file.open("ab") as file:
                    file.write(b"".join(new))


def _digest(prompt: tuple[str, str]) -> bytes:
    text, style = prompt
    return hashlib.sha256(f"{style}\0{text}".encode(errors="surrogatepass")).digest()[:_BYTES]


def _file_of(folder: Path) -> Path | None:
    """Where it is kept for these very files and libraries; None where it is of no use to keep it."""
    digest = hashlib.sha256(PROMPT_VERSION.encode())
    for package in ("transformers", "tokenizers", "jinja2", "evalplus"):
        digest.update(f"{package} {version(package)}\0".encode())
    try:
        for file in _files(folder):
            content = file.read_bytes()
            may_hold_template = "template" in str(file) or file.name == "tokenizer_config.json"
            if may_hold_template and _CHANGES.search(content):
                return None
            digest.update(f"{file.relative_to(folder)}\0{len(content)}\0".encode() + content)
    except OSError:
        return None
    return paths.cache("tried", digest.hexdigest()[:32])


def _files(folder: Path) -> Iterator[Path]:
    """The files that a tokenizer may be made of: all but the weights."""
    for file in sorted([*folder.glob("*"), *folder.glob("additional_chat_templates/*")]):
        if file.suffix not in _WEIGHTS and file.is_file():
            yield file
