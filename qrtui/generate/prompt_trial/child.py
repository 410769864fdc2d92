"""The process in which a model's chat template and tokenizer are tried: reads prompts, says how each went.

Started by `trial.py` with a model's folder as its argument. Lines of JSON go both ways: one that tells how the loading
went, then for each prompt on standard input an answer. The kernel ends this process where it uses more of the
processor than it may; what more memory than it may have does is an answer, or ends it too.
"""

from __future__ import annotations

import json
import math
import resource
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qrtui.errors import QrtuiError
from qrtui.fetching.child import end_with_parent
from qrtui.generate.prompt import render
from qrtui.models.tokenizer import load_tokenizer, shortened

LOADING_SECONDS, READING_SECONDS = 60, 2
"""Seconds of the processor: to load a tokenizer; to read one prompt."""
LOADING_BYTES, READING_BYTES = 4 << 30, 1 << 30
"""Bytes of address space: in all while loading; on top of that for a prompt."""
LONGEST_TEXT = 1_000_000
"""Characters that a template may make of a prompt."""
LONGEST_TOKEN = 10_000
_MOST_GROWTH = 64
"""Times that a text may get longer by all replacements in decoding."""

TOO_MUCH_MEMORY = "it asks for too much memory"


def main() -> int:
    """Serve until standard input ends; returns the exit status."""
    end_with_parent()
    _allow(LOADING_SECONDS, LOADING_BYTES)
    # Tokenizers need none of it, and to import it takes longer than all the rest.
    sys.modules["torch"] = None  # type: ignore[assignment]
    answers, sys.stdout = sys.stdout, sys.stderr
    tokenizer, problem = loaded(Path(sys.argv[1]))
    print(json.dumps({"error": problem}), file=answers, flush=True)
    if problem:
        return 0
    room = _address_space() + READING_BYTES
    for line in sys.stdin:
        asked = json.loads(line)
        _allow(READING_SECONDS, room)
        print(json.dumps({"error": read(asked, tokenizer)}), file=answers, flush=True)
    return 0


def _allow(seconds: int, memory: int) -> None:
    """So many more seconds of the processor, and so many bytes of address space in all."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory, resource.RLIM_INFINITY))
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time()) + seconds, resource.RLIM_INFINITY))


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def loaded(folder: Path) -> tuple[Any, str]:
    """The tokenizer, and what is wrong with it."""
    try:
        tokenizer = load_tokenizer(folder)
        return tokenizer, "; ".join(_dangers(tokenizer))
    except QrtuiError as error:
        return None, error.problem
    except BaseException as error:  # noqa: BLE001 - a panic of the library's is no Exception
        return None, _in_words(error)


def read(asked: dict[str, str], tokenizer: Any) -> str:
    """What went wrong with a prompt, if anything."""
    try:
        text = render(asked["prompt"], "chat" if asked["style"] == "chat" else "completion", tokenizer)
        if len(text) > LONGEST_TEXT + len(asked["prompt"]):
            return f"it makes {len(text):,} characters of {len(asked['prompt']):,}"
        tokenizer(text)
    except BaseException as error:  # noqa: BLE001 - a panic of the library's is no Exception
        return _in_words(error)
    return ""


def _in_words(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return TOO_MUCH_MEMORY
    return f"{type(error).__name__}: {shortened(error)}"


def _dangers(tokenizer: Any) -> Iterator[str]:
    """What could take for ever, or all memory, when the tokens that a model writes are put into words."""
    longest = max(map(len, tokenizer.get_vocab()), default=0)
    if longest > LONGEST_TOKEN:
        yield f"it has a token of {longest:,} characters"
    decoder = getattr(getattr(tokenizer, "backend_tokenizer", None), "decoder", None)
    growth = 1.0
    for step in _steps(json.loads(decoder.__getstate__())) if decoder is not None else ():
        pattern = step.get("pattern", {})
        if "Regex" in pattern:
            yield "it decodes by a regular expression, which may never come to an end"
            return
        growth *= max(1.0, len(step.get("content", "")) / max(1, len(pattern.get("String", ""))))
    if growth > _MOST_GROWTH:
        yield f"decoding makes texts {growth:.0e} times as long"


def _steps(decoder: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The replacements of a decoder, which may be a sequence of others."""
    for part in decoder.get("decoders", ()):
        yield from _steps(part)
    if decoder.get("type") == "Replace":
        yield decoder
