"""What the paper's studies would cost on a GPU: an estimate from sizes and published rates, not a measurement.

    python benchmarks/preset_cost.py rq1-table1 rq2-noise rq3-tradeoff

A decoding step reads every weight once and computes 2 FLOP for each weight and sequence; the slower of the two counts,
and on top of it what transformers and bitsandbytes spend on each layer before the GPU is busy. Some sequence of a batch
nearly always runs to the cap, so a batch takes `max_new_tokens` steps; on average half of it is still running. Loading,
noise and judging (beside generating) are left out. Expect to be wrong by a factor of two.
"""

from __future__ import annotations

import sys

import msgspec

from qrtui.models.catalog import memory_needed, resolve
from qrtui.models.model_info import ModelInfo
from qrtui.models.precisions import PRECISIONS
from qrtui.presets import load_preset
from qrtui.spec import Experiment
from qrtui.tasks.datasets import TASK_COUNTS

BATCH = 128


class Gpu(msgspec.Struct, frozen=True):
    """Bytes of memory, bytes/s, and FLOP/s in float32 and in 16 bits (dense), as NVIDIA publishes them."""

    name: str
    memory: float
    bandwidth: float
    single: float
    half: float


GPUS = [
    Gpu("A100 80 GB", 80e9, 2.0e12, 19.5e12, 312e12),
    Gpu("H100 80 GB", 80e9, 3.35e12, 67e12, 989e12),
    Gpu("H200 141 GB", 141e9, 4.8e12, 67e12, 989e12),
]

# Decoder layers, from the models' configurations.
LAYERS = {
    "llama-3.2-1b": 16,
    "llama-3.2-3b": 28,
    "llama-3.1-8b": 32,
    "deepseek-coder-1.3b": 24,
    "deepseek-coder-6.7b": 32,
    "deepseek-coder-33b": 62,
    "codegen-350m": 20,
    "codegen-2b": 32,
    "codegen-6b": 33,
    "starcoder2-3b": 30,
    "starcoder2-7b": 32,
    "starcoder2-15b": 40,
    "smollm2-135m": 30,
}

# Seconds a layer costs a step before bytes and FLOP count: a guess from what such loops usually show.
OVERHEAD = {"fp32": 0.8e-3, "fp16": 0.8e-3, "bf16": 0.8e-3, "int8": 2e-3, "nf4": 1.5e-3, "fp4": 1.5e-3}


def step_seconds(model: ModelInfo, precision: str, gpu: Gpu) -> float:
    """One decoding step of a batch, in seconds."""
    weights = model.parameters or 0
    read = float(memory_needed(model, PRECISIONS[precision], "cuda") or 0)
    if precision in ("nf4", "fp4"):
        # bitsandbytes writes a float32 copy of each weight and reads it, for batches of more than one.
        read += 8 * weights
    single = PRECISIONS[precision].dtype_on("cuda") == "float32"
    compute = weights * BATCH / (gpu.single if single else gpu.half)
    return LAYERS[model.name] * OVERHEAD[precision] + max(read / gpu.bandwidth, compute)


def distinct_prompts(experiment: Experiment) -> int:
    """Prompts under one state of the weights: MBPP+ puts MBPP's again, and HumanEval+ nearly HumanEval's."""
    names = {dataset.removesuffix("+") for dataset in experiment.tasks.datasets}
    tasks = sum(min(TASK_COUNTS[name], experiment.tasks.limit or TASK_COUNTS[name]) for name in names)
    return tasks * (1 + len(experiment.attacks))


def hours(experiment: Experiment, gpu: Gpu) -> tuple[float, list[str]]:
    """Hours of generating on `gpu`, and the (model, precision) that do not fit into its memory, left out of them."""
    clean = sum(TASK_COUNTS[name] for name in {name.removesuffix("+") for name in experiment.tasks.datasets})
    seconds, too_large = 0.0, []
    for choice in experiment.models:
        model = resolve(choice.id)
        for precision in experiment.precisions.all:
            if (memory_needed(model, PRECISIONS[precision], "cuda") or 0) > 0.97 * gpu.memory:
                too_large.append(f"{model.name} {precision}")
                continue
            noises = len(experiment.noise.kinds) * len(experiment.noise.levels)
            batches = -(-distinct_prompts(experiment) // BATCH) + noises * -(-clean // BATCH)
            seconds += batches * experiment.generation.max_new_tokens * step_seconds(model, precision, gpu)
    return seconds / 3600, too_large


def main() -> None:
    for name in sys.argv[1:] or ["rq1-table1", "rq2-noise", "rq3-tradeoff"]:
        experiment = load_preset(name)
        download = sum(resolve(choice.id).bytes or 0 for choice in experiment.models)
        print(f"{name}: {download / 1e9:.0f} GB to download")
        for gpu in GPUS:
            cost, too_large = hours(experiment, gpu)
            note = f", without {', '.join(too_large)}: too large" if too_large else ""
            print(f"  {gpu.name:12} about {cost:.1f} h{note}")


if __name__ == "__main__":
    main()
