"""Completions made in batches against one prompt at a time: the embedded model, the same tasks, the same cap.

Prints seconds, the ratio, and how many completions differ between the two (batching rounds differently).
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import argparse
import time

from qrtui.generate.decode import Request, decode
from qrtui.generate.prompt import render, stop_texts
from qrtui.models.catalog import resolve
from qrtui.models.load import LoadedModel, load
from qrtui.models.precisions import PRECISIONS
from qrtui.tasks.datasets import load_tasks


def timed(loaded: LoadedModel, requests: list[Request], size: int, cap: int) -> tuple[float, dict[int, str]]:
    started, texts = time.perf_counter(), {}
    for at in range(0, len(requests), size):
        for answer in decode(loaded.model, loaded.tokenizer, requests[at : at + size], max_new_tokens=cap):
            texts[at + answer.request] = answer.text
    return time.perf_counter() - started, texts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--precision", default="fp32", choices=list(PRECISIONS))
    parser.add_argument("--tasks", type=int, default=16)
    parser.add_argument("--cap", type=int, default=64)
    given = parser.parse_args()
    loaded = load(resolve("smollm2-135m"), PRECISIONS[given.precision])
    tasks = load_tasks("demo")[: given.tasks]
    requests = [
        Request(render(task.prompt, "chat", loaded.tokenizer), stop_texts(task, "chat"), False) for task in tasks
    ]
    timed(loaded, requests[:2], 2, 4)
    batched, together = timed(loaded, requests, len(requests), given.cap)
    single, alone = timed(loaded, requests, 1, given.cap)
    differing = sum(together[at] != alone[at] for at in alone)
    print(f"{given.precision} on {loaded.device}, {len(requests)} tasks, at most {given.cap} tokens")
    print(f"one at a time {single:7.1f} s\none batch     {batched:7.1f} s\nratio         {single / batched:7.1f}")
    print(f"completions that differ: {differing} of {len(requests)}")


if __name__ == "__main__":
    main()
