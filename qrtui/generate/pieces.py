"""What completions grow by while they are made, for a screen that shows them growing.

Imports torch by way of `sequence.py`: import it lazily.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qrtui.generate.sequence import Answer, GrowingSequence, Request


@dataclass(frozen=True, slots=True)
class Piece:
    """What a completion grew by. The pieces of a request, put together, are its answer's text."""

    request: int
    text: str


class Pieces:
    """Knows what was shown of every completion. No piece ends within a character, nor in what may become a stop."""

    def __init__(self, tokenizer: Any, requests: Sequence[Request]) -> None:
        self._tokenizer, self._requests = tokenizer, requests
        self._shown: dict[int, int] = {}

    def new(self, growing: Sequence[GrowingSequence], ended: Sequence[Answer]) -> list[Piece]:
        """What the growing and the just ended sequences grew by since the last call."""
        grown = [(answer.request, answer.text, True) for answer in ended]
        grown += [(one.request, self._tokenizer.decode(one.tokens, skip_special_tokens=True), False) for one in growing]
        return [piece for piece in (self._piece(*one) for one in grown) if piece.text]

    def _piece(self, request: int, text: str, whole: bool) -> Piece:
        shown = self._shown.get(request, 0)
        end = len(text) if whole else _settled(text, self._requests[request].stops)
        self._shown[request] = max(shown, end)
        return Piece(request, text[shown:end])


def _settled(text: str, stops: tuple[str, ...]) -> int:
    """How much of a growing text may be shown: not half a character, nor what may be the beginning of a stop.

    >>> _settled("return 1\\n``", ("\\n```",)), _settled("caf\ufffd", ()), _settled("x\\n", ("\\ndef ",))
    (8, 3, 1)
    """
    text = text.rstrip("\ufffd")
    starts = (stop[:length] for stop in stops for length in range(len(stop), 0, -1))
    held = max((len(start) for start in starts if text.endswith(start)), default=0)
    return len(text) - held
