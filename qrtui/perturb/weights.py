"""Noise on the weights of a loaded model, added in place, taken back bit for bit. Imports torch: import it lazily."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from qrtui.perturb.noise import Noise, NoiseKind


@contextmanager
def noisy(model: nn.Module, noise: Noise) -> Iterator[float]:
    """A context in which `model` carries `noise`; yields the share of its weights that were perturbed, 0 to 1.

    On leaving, every parameter has its former bits again: they are put back from a copy in main memory, since adding
    and subtracting floats is not exact. A tied parameter gets its noise once.
    """
    before: list[tuple[nn.Parameter, Tensor]] = []
    try:
        for name, parameter in trainable(model):
            before.append((parameter, parameter.detach().to("cpu", copy=True)))
            with torch.no_grad():
                dose = draw(noise.kind, noise.seed, name, parameter.shape).mul_(noise.level)
                # One rounding: the sum is made in float32 and stored in the parameter's own format.
                parameter.copy_(parameter.float().add_(dose.to(parameter.device)))
        yield perturbed_share(model)
    finally:
        with torch.no_grad():
            for parameter, original in before:
                parameter.copy_(original)


def trainable(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """The parameters that the published protocol reaches: those with `requires_grad`, each once."""
    return ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)


def draw(kind: NoiseKind, seed: int, name: str, shape: torch.Size) -> Tensor:
    """Noise of level 1 for the parameter called `name`: float32, on the CPU, of `shape`.

    It depends on nothing else, so that every precision, device and protocol of one seed gets the same noise, and every
    level a multiple of it.
    """
    digest = hashlib.sha256(f"{seed}/{kind}/{name}".encode()).digest()
    generator = torch.Generator("cpu").manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    if kind == "gaussian":
        return torch.randn(shape, generator=generator, dtype=torch.float32)
    return torch.rand(shape, generator=generator, dtype=torch.float32).mul_(2).sub_(1)


def perturbed_share(model: nn.Module) -> float:
    """The share of the model's weights that the published protocol reaches, 0 to 1."""
    reached = sum(parameter.numel() for _, parameter in trainable(model))
    return reached / sum(_weights(parameter) for parameter in model.parameters())


def _weights(parameter: nn.Parameter) -> int:
    # A 4-bit parameter packs two weights in a byte and keeps the true shape beside it.
    state = getattr(parameter, "quant_state", None)
    return int(state.shape.numel()) if state is not None else parameter.numel()
