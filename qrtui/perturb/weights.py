"""Noise on the weights of a loaded model, added in place, taken back bit for bit. Imports torch: import it lazily."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from qrtui.errors import ModelError
from qrtui.perturb import counter
from qrtui.perturb.dose import Dose, Measured, dose_of
from qrtui.perturb.noise import Noise, NoiseKind
from qrtui.perturb.quantized import QuantizedWeight, quantized_weight, to_main_memory

OriginalWeights = Callable[[str], Tensor]
"""By parameter name: the weight as loading found it, before it was quantized, on the CPU."""

_CHUNK = 1 << 24
"""Weights worked on at a time, so that no parameter needs a second copy of itself beside it."""


class NoiseCarrier:
    """A loaded model that can be given noise and have it taken away, as often as wanted, without being loaded again.

    Former bits are put back from copies in main memory, made when a weight is first reached and kept for the next
    dose: adding and subtracting floats is not exact. The noise of a parameter depends on nothing but (seed, kind,
    level, parameter name), so every precision, protocol and device gets the same d. A tied parameter gets it once.
    """

    def __init__(self, model: nn.Module, original: OriginalWeights | None = None) -> None:
        """`original` is needed by the protocol `before` on a quantized model."""
        self._original = original
        self._parameters = [_make(*named) for named in _named_weights(model)]
        self._scratch: dict[torch.device, Tensor] = {}
        self._is_checked = False

    @contextmanager
    def carrying(self, noise: Noise) -> Iterator[Dose]:
        """A context in which the model carries `noise`; yields how much that was.

        Raises ModelError where a weight lies on no device (offloaded), where noise would not reach it.
        """
        reached = [parameter for parameter in self._parameters if parameter.is_reached(noise)]
        try:
            with torch.no_grad():
                if noise.protocol == "before":
                    self._check_original()
                measured = [self._apply(parameter, noise) for parameter in self._parameters]
            # On a GPU generating needs that room; in main memory it is kept for the next dose.
            self._scratch = {device: kept for device, kept in self._scratch.items() if device.type == "cpu"}
            yield dose_of(measured)
        finally:
            with torch.no_grad():
                for parameter in reached:
                    parameter.put_back()

    def release(self) -> None:
        """Let go of the model and of all copies; the carrier is of no use afterwards."""
        self._parameters, self._original = [], None
        self._scratch.clear()

    def _check_original(self) -> None:
        """Quantizing the first original weight must give what is loaded; else the two are not of the same model."""
        quantized = [parameter for parameter in self._parameters if isinstance(parameter, _QuantizedParameter)]
        if quantized and not self._is_checked:
            quantized[0].check(self._original)
        self._is_checked = True

    def _apply(self, parameter: _Parameter, noise: Noise) -> Measured:
        if not parameter.is_reached(noise):
            return Measured(parameter.kind, parameter.count, False, parameter.squares(), 0.0, 0.0)
        parameter.keep()
        size = parameter.squares()
        noise_squares, moved_squares = parameter.add(self._draw(parameter, noise), noise, self._original)
        return Measured(parameter.kind, parameter.count, True, size, noise_squares, moved_squares)

    def _draw(self, parameter: _Parameter, noise: Noise) -> Tensor:
        """The noise for a parameter, flat, on its device; overwritten by the next draw there."""
        scratch = self._scratch.get(parameter.device)
        if scratch is None:
            largest = max(other.count for other in self._parameters if other.device == parameter.device)
            scratch = self._scratch[parameter.device] = torch.empty(largest, device=parameter.device)
        return draw(noise.kind, noise.seed, parameter.name, scratch[: parameter.count]).mul_(noise.level)


def draw(kind: NoiseKind, seed: int, name: str, out: Tensor) -> Tensor:
    """Fill `out` (float32, flat) with noise of level 1 for the parameter called `name`; returns it.

    It depends on nothing else, so that every precision, device and protocol of one seed gets the same noise, and every
    level a multiple of it.
    """
    digest = hashlib.sha256(f"{seed}/{kind}/{name}".encode()).digest()
    fill = counter.normals if kind == "gaussian" else counter.uniforms
    return fill(int.from_bytes(digest[:8], "big"), out)


class _Parameter:
    """One weight of the model, and its former bits once noise has been near it."""

    name: str
    kind: str
    count: int
    device: torch.device

    def is_reached(self, noise: Noise) -> bool:
        raise NotImplementedError

    def keep(self) -> None:
        raise NotImplementedError

    def put_back(self) -> None:
        raise NotImplementedError

    def squares(self) -> float:
        """The sum of the squares of the untouched weights."""
        raise NotImplementedError

    def add(self, noise: Tensor, protocol: Noise, original: OriginalWeights | None) -> tuple[float, float]:
        """Add the flat `noise`; the sums of the squares of the noise and of what the weights moved by."""
        raise NotImplementedError


class _FloatParameter(_Parameter):
    """A parameter held as plain floats."""

    def __init__(self, name: str, kind: str, parameter: nn.Parameter) -> None:
        self.name, self.kind, self._parameter = name, kind, parameter
        self.count, self.device = parameter.numel(), parameter.device
        if not parameter.is_contiguous():
            parameter.data = parameter.data.contiguous()
        self._former: Tensor | None = None
        self._squares: float | None = None

    def is_reached(self, noise: Noise) -> bool:
        return self._parameter.requires_grad or noise.protocol != "published"

    def keep(self) -> None:
        if self._former is None:
            self._former = to_main_memory(self._parameter)

    def put_back(self) -> None:
        if self._former is not None:
            self._parameter.copy_(self._former)

    def squares(self) -> float:
        if self._squares is None:
            self._squares = _squares(self._parameter.detach())
        return self._squares

    def add(self, noise: Tensor, protocol: Noise, original: OriginalWeights | None) -> tuple[float, float]:
        weights = self._parameter.detach().view(-1)
        if weights.dtype == torch.float32:
            weights.add_(noise)
            size = _squares(noise)
            # A float32 sum is off by no more than the last of 24 bits: it moved by the noise.
            return size, size
        moved = 0.0
        for start in range(0, self.count, _CHUNK):
            part = weights[start : start + _CHUNK]
            before = part.float()
            # One rounding: the sum is made in float32 and stored in the parameter's own format.
            part.copy_(before + noise[start : start + _CHUNK])
            moved += _squares(part.float().sub_(before))
        return _squares(noise), moved


class _QuantizedParameter(_Parameter):
    """A parameter that bitsandbytes holds."""

    def __init__(self, name: str, kind: str, weight: QuantizedWeight) -> None:
        self.name, self.kind, self._weight = name, kind, weight
        self.count, self.device = weight.count, weight.device
        self._restore: Callable[[], None] | None = None
        self._squares: float | None = None

    def is_reached(self, noise: Noise) -> bool:
        return noise.protocol != "published"

    def keep(self) -> None:
        self._restore = self._weight.keep()

    def put_back(self) -> None:
        if self._restore is not None:
            self._restore()
            self._restore = None

    def squares(self) -> float:
        if self._squares is None:
            self._squares = _squares(self._weight.values())
        return self._squares

    def add(self, noise: Tensor, protocol: Noise, original: OriginalWeights | None) -> tuple[float, float]:
        former = self._weight.values()
        if protocol.protocol == "after":
            base = former
        else:
            base = self._as_loaded(original).to(self.device, torch.float32)
        self._weight.store(base + self._turned(noise, base))
        return _squares(noise), _squares(self._weight.values().sub_(former))

    def check(self, original: OriginalWeights | None) -> None:
        """Raise ModelError unless the original weight, quantized, is what is stored."""
        self.keep()
        former = self._weight.values()
        self._weight.store(self._as_loaded(original).to(self.device, torch.float32))
        is_same = torch.equal(self._weight.values(), former)
        self.put_back()
        if not is_same:
            raise ModelError(
                f"{self.name} on disk does not lead to the weights that were loaded",
                'take the protocol "after" or "published"',
            )

    def _turned(self, noise: Tensor, like: Tensor) -> Tensor:
        # Drawn in the orientation of the original weight, whose noise every precision shares.
        return noise.view(like.shape[::-1]).T if self._weight.is_turned else noise.view(like.shape)

    def _as_loaded(self, original: OriginalWeights | None) -> Tensor:
        if original is None:
            raise ModelError("the protocol `before` needs the original weights", 'take "after" or "published"')
        weight = original(self.name)
        return weight.T if self._weight.is_turned else weight


def _named_weights(model: nn.Module) -> Iterator[tuple[str, nn.Module, nn.Parameter, bool]]:
    """Each parameter once: (name, the layer that holds it, parameter, whether it is the output head's)."""
    heads = getattr(model, "get_output_embeddings", lambda: None)()
    seen: set[int] = set()
    for path, module in model.named_modules():
        for short, parameter in module.named_parameters(recurse=False):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield f"{path}.{short}" if path else short, module, parameter, module is heads


def _make(name: str, module: nn.Module, parameter: nn.Parameter, is_head: bool) -> _Parameter:
    if parameter.is_meta:
        raise ModelError(
            f"{name} is kept off the device for want of memory, where noise cannot reach it",
            'take a smaller model or precision, or device = "cpu"',
        )
    kind = "head" if is_head else layer_kind(name, module)
    weight = quantized_weight(module) if name.endswith("weight") else None
    return _QuantizedParameter(name, kind, weight) if weight else _FloatParameter(name, kind, parameter)


def layer_kind(name: str, module: nn.Module) -> str:
    """Which of `dose.KINDS` a parameter belongs to, by its layer's class and its name."""
    if isinstance(module, nn.Embedding):
        return "embedding"
    parts = name.lower().split(".")
    if "norm" in type(module).__name__.lower() or any("norm" in part or part.startswith("ln_") for part in parts):
        return "norm"
    if any("attn" in part or "attention" in part for part in parts):
        return "attention"
    return "mlp" if any(part in _MLP_NAMES for part in parts) else "other"


_MLP_NAMES = frozenset({"mlp", "ffn", "feed_forward", "feedforward", "fc1", "fc2", "experts", "block_sparse_moe"})


def _squares(values: Tensor) -> float:
    """The sum of squares, added up in float64 over chunks."""
    flat = values.reshape(-1)
    total = torch.zeros((), dtype=torch.float64, device=flat.device)
    for start in range(0, flat.numel(), _CHUNK):
        norm = torch.linalg.vector_norm(flat[start : start + _CHUNK], dtype=torch.float32)
        total += norm.double().square()
    return float(total)
