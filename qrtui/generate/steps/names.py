"""The names of the ways to do steps."""

from __future__ import annotations

from typing import Literal

Steps = Literal["growing", "static", "graphs", "continuous"]
"""How steps are done: over a growing cache (the plain way, which always works), over a static one, over a static one in
CUDA graphs, or by transformers' continuous batching."""

NAMES: dict[Steps, str] = {
    "growing": "a growing cache",
    "static": "a static cache",
    "graphs": "a static cache in CUDA graphs",
    "continuous": "transformers' continuous batching",
}
PLAIN: Steps = "growing"
