"""How a token is chosen from the logits. Imports torch: import it lazily."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from qrtui.generate.sequence import GrowingSequence

Choose = Callable[[Sequence[GrowingSequence | None], Tensor], Tensor]
"""The next token of every row, (rows,), from the rows and their logits, (rows, vocabulary)."""


def chooser(temperature: float) -> Choose:
    """Greedy at temperature 0, else sampled with a generator of each sequence's own."""

    def choose(rows: Sequence[GrowingSequence | None], logits: Tensor) -> Tensor:
        if temperature == 0:
            return logits.argmax(dim=-1)
        shares = torch.softmax(torch.nan_to_num(logits) / temperature, dim=-1).cpu()
        drawn = [
            torch.multinomial(shares[at], 1, generator=row.generator) if row else torch.zeros(1, dtype=torch.long)
            for at, row in enumerate(rows)
        ]
        return torch.cat(drawn).to(logits.device)

    return choose
