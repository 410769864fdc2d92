"""Where the keys and values of a step are held, by the name of the way. Imports torch: import it lazily."""

from __future__ import annotations

from qrtui.generate.forward import Forward
from qrtui.generate.steps.growing_cache import LibraryCache, SlotCache, holds_plain_layers
from qrtui.generate.steps.names import Steps
from qrtui.generate.steps.static_cache import StaticCache

Cache = SlotCache | StaticCache | LibraryCache


def cache_for(forward: Forward, steps: Steps, *, rows: int, tokens: int) -> Cache:
    """The cache for `rows` sequences of up to `tokens` tokens, prompt and completion.

    The plain way (`growing`) takes the model's own kind of cache where its layers remember otherwise. Raises
    ValueError where the model or its device cannot do what is asked for.
    """
    if steps == "continuous":
        raise ValueError("continuous batching has a cache of its own")
    if steps == "growing":
        return SlotCache(forward) if holds_plain_layers(forward.model) else LibraryCache(forward)
    if not holds_plain_layers(forward.model):
        raise ValueError("the model's layers do not keep plain keys and values of all tokens")
    return StaticCache(forward, rows, tokens, captured=steps == "graphs")
