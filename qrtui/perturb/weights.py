"""Noise on the weights of a loaded model, added in place, taken back bit for bit. Imports torch: import it lazily."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn

from qrtui.errors import ModelError
from qrtui.perturb import counter
from qrtui.perturb.dose import Dose, Measured, dose_of
from qrtui.perturb.noise import Noise, NoiseKind
from qrtui.perturb.quantized import QuantizedWeight, quantized_weight, to_main_memory

_CHUNK = 1 << 22
"""Weights worked on at a time, so that no parameter needs a second copy of itself beside it."""
_ROOM = {"cpu": 1 << 21, "cuda": 1 << 23}
"""Numbers of noise that are there at a time, by the type of device."""


class OriginalWeights(Protocol):
    """A model's weights as loading found them, by parameter name, on the CPU (`models/original.py`)."""

    def __call__(self, name: str) -> Tensor:
        """The weight before it was quantized; raises ModelError where there is none."""
        ...

    def stored(self, name: str) -> Tensor | None:
        """The weight as its file holds it, in that file's dtype, taking no memory of its own; None where absent."""
        ...

    def refuse_changed(self) -> None:
        """Raise ModelError where what was read before is no longer what it was."""
        ...


class NoiseCarrier:
    """A loaded model that can be given noise and have it taken away, as often as wanted, without being loaded again.

    Adding and subtracting floats is not exact, so former bits are put back: read again from the model's files where
    those lead to the very bits that were loaded, which is verified when a weight is first reached; else from a copy in
    main memory made then. The noise of a parameter depends on nothing but (seed, kind, level, parameter name), so every
    precision, protocol and device gets the same d. A tied parameter gets it once.
    """

    def __init__(self, model: nn.Module, original: OriginalWeights | None = None) -> None:
        """`original` is needed by the protocol `before` on a quantized model, and saves the copies of float weights."""
        self._original = original
        self._parameters = [_make(*named) for named in _named_weights(model)]
        self._is_checked = False

    @contextmanager
    def carrying(self, noise: Noise) -> Iterator[Dose]:
        """A context in which the model carries `noise`; yields how much that was.

        Raises ModelError where the protocol `before` lacks an original weight, and ChangedModelError where the model's
        files were written to meanwhile: the model is then of no use any more.
        """
        reached = [parameter for parameter in self._parameters if parameter.is_reached(noise)]
        self._refuse_changed()
        try:
            with torch.no_grad():
                if noise.protocol == "before":
                    self._check_original()
                room: dict[torch.device, Tensor] = {}
                measured = [self._apply(parameter, noise, room) for parameter in self._parameters]
                room.clear()
            yield dose_of(measured)
        finally:
            self._refuse_changed()
            with torch.no_grad():
                for parameter in reached:
                    parameter.put_back()

    def release(self) -> None:
        """Let go of the model and of all copies; the carrier is of no use afterwards."""
        self._parameters, self._original = [], None

    def _refuse_changed(self) -> None:
        if self._original is not None:
            self._original.refuse_changed()

    def _check_original(self) -> None:
        """Quantizing the first original weight must give what is loaded; else the two are not of the same model."""
        quantized = [parameter for parameter in self._parameters if isinstance(parameter, _QuantizedParameter)]
        if quantized and not self._is_checked:
            quantized[0].check(self._original)
        self._is_checked = True

    def _apply(self, parameter: _Parameter, noise: Noise, room: dict[torch.device, Tensor]) -> Measured:
        if not parameter.is_reached(noise):
            return Measured(parameter.kind, parameter.count, False, parameter.squares(), 0.0, 0.0)
        parameter.keep(self._original)
        size = parameter.squares()
        device = parameter.device
        if device not in room:
            room[device] = torch.empty(_ROOM.get(device.type, _ROOM["cpu"]), device=device)
        drawn = _Drawn(noise, parameter.name, parameter.count, room[device])
        noise_squares, moved_squares = parameter.add(drawn, noise, self._original)
        return Measured(parameter.kind, parameter.count, True, size, noise_squares, moved_squares)


def draw(kind: NoiseKind, seed: int, name: str, out: Tensor) -> Tensor:
    """Fill `out` (float32, flat) with noise of level 1 for the parameter called `name`; returns it.

    It depends on nothing else, so that every precision, device and protocol of one seed gets the same noise, and every
    level a multiple of it.
    """
    return counter.fill(_MAKERS[kind], _key(kind, seed, name), out)


_MAKERS: dict[NoiseKind, counter.Fill] = {"gaussian": counter.normals, "uniform": counter.uniforms}


def _key(kind: NoiseKind, seed: int, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{kind}/{name}".encode()).digest()[:8], "big")


class _Drawn:
    """The noise for one parameter, made where it is needed."""

    def __init__(self, noise: Noise, name: str, count: int, room: Tensor) -> None:
        self._noise, self._name, self._count, self._room = noise, name, count, room

    def pieces(self) -> Iterator[tuple[int, Tensor]]:
        """All of it, piece by piece: the place of the first number, the numbers; overwritten by those that follow."""
        key = _key(self._noise.kind, self._noise.seed, self._name)
        for start, numbers in counter.in_pieces(_MAKERS[self._noise.kind], key, self._count, self._room):
            yield start, numbers.mul_(self._noise.level)

    def whole(self) -> Tensor:
        """All of it at once, flat."""
        out = self._room.new_empty(self._count)
        return draw(self._noise.kind, self._noise.seed, self._name, out).mul_(self._noise.level)


class _Parameter:
    """One weight of the model, and where its former bits are once noise has been near it."""

    name: str
    kind: str
    count: int
    device: torch.device

    def is_reached(self, noise: Noise) -> bool:
        raise NotImplementedError

    def keep(self, original: OriginalWeights | None) -> None:
        """See to it that `put_back` can be done."""
        raise NotImplementedError

    def put_back(self) -> None:
        """Bring back the former bits, where noise has been."""
        raise NotImplementedError

    def squares(self) -> float:
        """The sum of the squares of the untouched weights."""
        raise NotImplementedError

    def add(self, drawn: _Drawn, noise: Noise, original: OriginalWeights | None) -> tuple[float, float]:
        """Add the noise; the sums of the squares of the noise and of what the weights moved by."""
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

    def keep(self, original: OriginalWeights | None) -> None:
        if self._former is not None:
            return
        stored = original.stored(self.name) if original is not None else None
        is_former = stored is not None and _leads_to(stored, self._parameter.detach())
        self._former = stored if is_former else to_main_memory(self._parameter)
        if self.device.type == "cpu":
            # Loaded weights may lie in a mapped file: what is written there stays until all of the file is let go of.
            self._parameter.data = self._parameter.data.clone()

    def put_back(self) -> None:
        if self._former is None:
            return
        weights, former = self._parameter.view(-1), self._former.reshape(-1)
        for start in range(0, self.count, _CHUNK):
            weights[start : start + _CHUNK].copy_(former[start : start + _CHUNK])

    def squares(self) -> float:
        if self._squares is None:
            self._squares = _squares(self._parameter.detach())
        return self._squares

    def add(self, drawn: _Drawn, noise: Noise, original: OriginalWeights | None) -> tuple[float, float]:
        weights = self._parameter.detach().view(-1)
        size = moved = 0.0
        for start, numbers in drawn.pieces():
            part = weights[start : start + len(numbers)]
            squares = _squares(numbers)
            size += squares
            if part.dtype == torch.float32:
                part.add_(numbers)
                # A float32 sum is off by no more than the last of 24 bits: it moved by the noise.
                moved += squares
            else:
                before = part.float()
                # One rounding: the sum is made in float32 and stored in the parameter's own format.
                part.copy_(before + numbers)
                moved += _squares(part.float().sub_(before))
        return size, moved


class _QuantizedParameter(_Parameter):
    """A parameter that bitsandbytes holds."""

    def __init__(self, name: str, kind: str, weight: QuantizedWeight) -> None:
        self.name, self.kind, self._weight = name, kind, weight
        self.count, self.device = weight.count, weight.device
        self._restore: Callable[[], None] | None = None
        self._squares: float | None = None

    def is_reached(self, noise: Noise) -> bool:
        return noise.protocol != "published"

    def keep(self, original: OriginalWeights | None) -> None:
        self._restore = self._weight.keep()

    def put_back(self) -> None:
        if self._restore is not None:
            self._restore()
            self._restore = None

    def squares(self) -> float:
        if self._squares is None:
            self._squares = _squares(self._weight.values())
        return self._squares

    def add(self, drawn: _Drawn, noise: Noise, original: OriginalWeights | None) -> tuple[float, float]:
        former, numbers = self._weight.values(), drawn.whole()
        if noise.protocol == "after":
            base = former
        else:
            base = self._as_loaded(original).to(self.device, torch.float32)
        self._weight.store(base + self._turned(numbers, base))
        return _squares(numbers), _squares(self._weight.values().sub_(former))

    def check(self, original: OriginalWeights | None) -> None:
        """Raise ModelError unless the original weight, quantized, is what is stored."""
        self.keep(original)
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


def _leads_to(stored: Tensor, loaded: Tensor) -> bool:
    """Whether `stored`, converted, has the very bits of `loaded`: not a number's sign or payload may differ."""
    if stored.shape != loaded.shape:
        return False
    ones, others = stored.reshape(-1), loaded.view(-1)
    for start in range(0, len(ones), _CHUNK):
        other = others[start : start + _CHUNK]
        one = ones[start : start + _CHUNK].to(other.device, other.dtype)
        if not torch.equal(one.view(torch.uint8), other.view(torch.uint8)):
            return False
    return True


def _squares(values: Tensor) -> float:
    """The sum of squares, added up in float64 over chunks."""
    flat = values.reshape(-1)
    total = torch.zeros((), dtype=torch.float64, device=flat.device)
    for start in range(0, flat.numel(), _CHUNK):
        norm = torch.linalg.vector_norm(flat[start : start + _CHUNK], dtype=torch.float32)
        total += norm.double().square()
    return float(total)
