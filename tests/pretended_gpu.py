"""A GPU that is not there: tensors that lie in main memory, say they are on `cuda:0`, and refuse to meet others."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map_only

GPU = torch.device("cuda", 0)
_WAITING = {
    "item",
    "tolist",
    "cpu",
    "__bool__",
    "__int__",
    "__float__",
    "__index__",
    "nonzero",
    "equal",
    "masked_select",
}


class DevicesMixed(AssertionError):  # noqa: N818
    """What on a machine with a GPU is an error of torch's."""


class OnGpu(Tensor):
    """A tensor of the pretended GPU. Its numbers are computed on the CPU."""

    waits: list[str] = []

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """As torch does it, if all tensors that are involved are on the same device."""
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", str(func))
        if func == Tensor.device.__get__:
            return GPU
        if func == Tensor.is_cuda.__get__:
            return True
        if name == "numpy":
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        _refuse_mixed(name, args, tensors)
        if (generator := kwargs.get("generator")) is not None and generator.device.type == "cpu":
            raise DevicesMixed(f"{name} draws on the GPU with a generator of the CPU")
        if name in _WAITING or (name in ("__getitem__", "__setitem__") and _chooses(args[1])):
            cls.waits.append(name)
        if name == "copy_" and not all(isinstance(one, OnGpu) for one in tensors):
            cls.waits.append(name)
        if name == "cpu":
            return _bare(args[0]).clone()
        if name in ("to", "cuda") or "device" in kwargs:
            return _moved(func, args, kwargs)
        made = super().__torch_function__(func, types, args, kwargs)
        if name.endswith("_") and not name.endswith("__"):
            return args[0]
        return made


def on_gpu(tensor: Tensor) -> Tensor:
    """A copy of it on the pretended GPU."""
    return tensor.detach().clone().as_subclass(OnGpu)


def put_on_gpu(model: nn.Module) -> None:
    """Move a model's parameters and buffers there, and what bitsandbytes holds beside them."""
    moved: dict[int, Any] = {}
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                if id(parameter) not in moved:
                    there = nn.Parameter(on_gpu(parameter), parameter.requires_grad)
                    vars(there).update({**_state_on_gpu(vars(parameter)), **vars(there)})
                    moved[id(parameter)] = parameter, there
                module._parameters[name] = moved[id(parameter)][1]
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = on_gpu(buffer)


def _state_on_gpu(state: dict[str, Any]) -> dict[str, Any]:
    """The same, its tensors and those of its quantization states moved."""
    moved = {}
    for name, value in state.items():
        if isinstance(value, Tensor):
            moved[name] = on_gpu(value)
        elif type(value).__name__ == "QuantState":
            moved[name] = copy.copy(value)
            vars(moved[name]).update(_state_on_gpu(vars(value)))
        else:
            moved[name] = value
    return moved


@contextmanager
def pretended_gpu() -> Iterator[list[str]]:
    """A context in which tensors can be made on the GPU; yields a list of what has waited for it since it began."""
    OnGpu.waits.clear()
    with _Making():
        yield OnGpu.waits


class _Making(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """What makes a tensor makes it on the pretended GPU where that is asked for."""
        kwargs = {name: value for name, value in (kwargs or {}).items() if name != "pin_memory"}
        if any(issubclass(kind, OnGpu) for kind in types):
            return func(*args, **kwargs)
        if getattr(func, "__name__", "") == "to":
            return _moved(func, args, kwargs)
        if not _names_gpu(kwargs.get("device")):
            return func(*args, **kwargs)
        if func is torch.tensor:  # is made in main memory and copied
            OnGpu.waits.append("tensor")
        return func(*args, **{**kwargs, "device": "cpu"}).as_subclass(OnGpu)


def _names_gpu(device: Any) -> bool:
    return device is not None and torch.device(device).type == "cuda"


def _bare(tensor: Tensor) -> Tensor:
    return tensor.as_subclass(Tensor)


def _moved(func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """`to`, and whatever makes a tensor like another, with a device among its arguments."""
    given = [*args[1:], kwargs.get("device")]
    devices = [one.device if isinstance(one, Tensor) else one for one in given]
    devices = [one for one in devices if isinstance(one, torch.device | str)]
    there = _names_gpu(devices[0]) if devices else isinstance(args[0], OnGpu)
    was_there = isinstance(args[0], OnGpu)
    leaves = was_there and not there
    args = [torch.device("cpu") if isinstance(one, torch.device | str) else one for one in args]
    kwargs = {**kwargs, **({"device": torch.device("cpu")} if "device" in kwargs else {})}
    args, kwargs = tree_map_only(OnGpu, _bare, (list(args), kwargs))
    made = func(*args, **kwargs)
    if leaves or (there and not was_there):
        OnGpu.waits.append("to")
    if there:
        return made.as_subclass(OnGpu)
    return made.clone() if leaves else made


def _refuse_mixed(name: str, args: Any, tensors: list[Tensor]) -> None:
    if name in ("to", "copy_", "type_as"):
        return
    if name in ("__getitem__", "__setitem__") and isinstance(args[0], OnGpu):
        # Indices may be on either; what is put at a slice too, but not what is put at places that are listed.
        tensors = [one for one in args[2:] if isinstance(one, Tensor)] if _lists(args[1]) else []
    there = [isinstance(tensor, OnGpu) for tensor in tensors]
    if any(not on and tensor.dim() > 0 for on, tensor in zip(there, tensors, strict=True)):
        shapes = [f"{'GPU' if on else 'CPU'} {tuple(tensor.shape)}" for on, tensor in zip(there, tensors, strict=True)]
        raise DevicesMixed(f"{name} of {', '.join(shapes)}")


def _lists(index: Any) -> bool:
    return any(isinstance(one, Tensor | list) for one in (index if isinstance(index, tuple) else (index,)))


def _chooses(index: Any) -> bool:
    """Whether an index is by a mask, whose ones have to be counted."""
    return any(isinstance(one, Tensor) and one.dtype == torch.bool for one in tree_leaves(index))
