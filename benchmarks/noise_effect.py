"""What noise does to a model's predictions, without generating: the precise companion of a run's pass@1.

For every precision, protocol and level: the mean Kullback-Leibler divergence in nats between the next-token
distributions without and with noise, over every token of the demo tasks' reference solutions, and the share of
tokens whose most likely prediction changed. The last column is how far quantization alone went from the baseline.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import argparse

import torch
from torch import Tensor

from qrtui.generate.prompt import render
from qrtui.models.catalog import resolve
from qrtui.models.load import LoadedModel, load, unload
from qrtui.models.precisions import PRECISIONS
from qrtui.perturb.noise import PAPER_LEVELS, Noise
from qrtui.perturb.weights import NoiseCarrier
from qrtui.tasks.datasets import load_tasks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--precisions", nargs="+", default=["fp32", "int8", "nf4"], choices=list(PRECISIONS))
    parser.add_argument("--levels", nargs="+", type=float, default=list(PAPER_LEVELS))
    parser.add_argument("--kind", default="gaussian", choices=["gaussian", "uniform"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--tasks", type=int, default=12)
    given = parser.parse_args()
    original: list[Tensor] = []
    print(f"{'':6}{'protocol':11}" + "".join(f"{level:>16g}" for level in given.levels), flush=True)
    for name in given.precisions:
        loaded = load(resolve(given.model), PRECISIONS[name])
        texts = prompts_and_solutions(loaded, given.tasks)
        clean = predict(loaded, texts)
        original = original or clean
        carrier = NoiseCarrier(loaded.model, loaded.original)
        for protocol in ("published", "before", "after") if loaded.precision.quantized else ("published",):
            cells = []
            for level in given.levels:
                found = []
                for seed in range(given.seeds):
                    noise = Noise(kind=given.kind, level=level, protocol=protocol, seed=seed)
                    with carrier.carrying(noise):
                        found.append(distance(clean, predict(loaded, texts)))
                cells.append(tuple(sum(values) / len(found) for values in zip(*found, strict=True)))
            print(f"{name:6}{protocol:11}" + "".join(f"{kl:10.4f} {share:5.1%}" for kl, share in cells), flush=True)
        kl, share = distance(original, clean)
        print(f"{name:6}{'no noise':11}{kl:10.4f} {share:5.1%} from {given.precisions[0]}", flush=True)
        carrier.release()
        unload(loaded)


def prompts_and_solutions(loaded: LoadedModel, count: int) -> list[tuple[list[int], int]]:
    """For each task the tokens of its question and reference answer, and where the answer begins."""
    texts = []
    for task in load_tasks("demo")[:count]:
        prompt = render(task.prompt, "chat", loaded.tokenizer)
        answer = f"{task.prompt if 'def ' in task.prompt else ''}{task.canonical_solution}"
        before = loaded.tokenizer(prompt, add_special_tokens=False)["input_ids"]
        after = loaded.tokenizer(answer, add_special_tokens=False)["input_ids"]
        texts.append(([*before, *after], len(before)))
    return texts


def predict(loaded: LoadedModel, texts: list[tuple[list[int], int]]) -> list[Tensor]:
    """The log probabilities of each answer's tokens: (tokens, vocabulary), float32, one tensor a text."""
    found = []
    with torch.inference_mode():
        for ids, start in texts:
            logits = loaded.model(input_ids=torch.tensor([ids], device=loaded.device)).logits[0, start - 1 : -1]
            found.append(torch.log_softmax(logits.float(), dim=-1).cpu())
    return found


def distance(clean: list[Tensor], noisy: list[Tensor]) -> tuple[float, float]:
    """The mean divergence of `noisy` from `clean` in nats, and the share of changed first choices."""
    one, other = torch.cat(clean), torch.cat(noisy)
    divergence = (one.exp() * (one - other)).sum(-1).mean()
    return float(divergence), float((one.argmax(-1) != other.argmax(-1)).float().mean())


if __name__ == "__main__":
    main()
