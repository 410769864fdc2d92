"""What the program works on: a tiny model, tasks, and a preset of eight conditions."""

from __future__ import annotations

import json
from pathlib import Path

from sides.tiny_model import write_tiny_model

CONDITIONS = 8
TOKENS = 8
PROMPT = 'def f{at}(w):\n    """Return the w{a} w{b} of the w{c} number."""\n'


def prepare(folder: Path, tasks: int) -> Path:
    """The model, the tasks and the preset."""
    write_tiny_model(folder / "model", hidden=64)
    lines = [
        {
            "task_id": f"Own/{at}",
            "prompt": PROMPT.format(at=at, a=at % 61 + 3, b=at % 59 + 3, c=at % 53 + 3),
            "entry_point": f"f{at}",
            "canonical_solution": f"    return w + {at}\n",
            "base_input": [[1], [2]],
        }
        for at in range(tasks)
    ]
    (folder / "tasks.jsonl").write_text("\n".join(map(json.dumps, lines)))
    preset = folder / "soak.toml"
    preset.write_text(
        f"""
name = "soak"
device = "cpu"
[[models]]
id = "{folder / "model"}"
[precisions]
baseline = "fp32"
quantized = ["nf4"]
[tasks]
datasets = ["{folder / "tasks.jsonl"}"]
[[attacks]]
kind = "char"
[noise]
kinds = ["gaussian", "uniform"]
levels = [0.1]
[generation]
max_new_tokens = {TOKENS}
batch_size = 4
"""
    )
    return preset
