"""Random numbers by counter: number `i` of a stream is a function of (key, i) and nothing else. Imports torch.

The words are those of SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators"):
word `i` is a 64-bit mix of `key + (i + 1) * GAMMA`. Any part of a stream can therefore be made anywhere, in any order,
by any number of threads, on a CPU or a GPU: the words are equal bit for bit, the floats made of them up to the
rounding of the device's logarithm and sine.

A stream of `n` numbers takes `(n + 1) // 2` words. With `m` words, word `i` makes number `i` and number `m + i`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

_GAMMA = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB
_ALL_64 = (1 << 64) - 1

_CPU_CHUNK = 1 << 16
"""Words a CPU thread makes at a time: what it works on stays in its cache."""
_DEVICE_CHUNK = 1 << 24
"""Words made at a time elsewhere: about 1 GB of intermediate numbers."""
_STEPS = np.arange(1, _CPU_CHUNK + 1, dtype=np.uint64) * np.uint64(_GAMMA)


def normals(key: int, out: Tensor) -> Tensor:
    """Fill `out` (float32, one-dimensional, contiguous) with standard normal numbers of the stream `key`; returns it.

    Box and Muller's transform of a radius from the word's upper 24 bits and an angle from its lower 32. As with any
    24-bit radius, nothing lies beyond 5.9 standard deviations.
    """
    return _fill(key, out, _cpu_normals, _device_normals)


def uniforms(key: int, out: Tensor) -> Tensor:
    """Fill `out` (float32, one-dimensional, contiguous) with numbers from (-1, 1) of the stream `key`; returns it.

    Each is the midpoint of one of 2^24 equal cells, so the distribution is symmetric and its ends are not reached.
    """
    return _fill(key, out, _cpu_uniforms, _device_uniforms)


_CpuTransform = Callable[[np.ndarray, np.ndarray, np.ndarray], None]
_DeviceTransform = Callable[[Tensor], tuple[Tensor, Tensor]]


def _fill(key: int, out: Tensor, on_cpu: _CpuTransform, elsewhere: _DeviceTransform) -> Tensor:
    count, words = out.numel(), (out.numel() + 1) // 2
    if out.device.type == "cpu":
        numbers = out.numpy()

        def work(part: range) -> None:
            maker = _Words(key)
            for start in part:
                end = min(start + _CPU_CHUNK, words)
                first, second = numbers[start:end], numbers[words + start : min(words + end, count)]
                made = maker.make(start, end - start)
                spare = np.empty(end - start, np.float32) if len(second) < end - start else second
                on_cpu(made, first, spare)
                if spare is not second:
                    second[:] = spare[: len(second)]

        _in_threads(work, range(0, words, _CPU_CHUNK))
        return out
    for start in range(0, words, _DEVICE_CHUNK):
        end = min(start + _DEVICE_CHUNK, words)
        cosines, sines = elsewhere(device_words(key, start, end - start, out.device))
        out[start:end] = cosines
        second = out[words + start : min(words + end, count)]
        second.copy_(sines[: len(second)])
    return out


def _in_threads(work: Callable[[range], None], chunks: range) -> None:
    threads = min(torch.get_num_threads(), len(chunks))
    if threads <= 1:
        work(chunks)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, [chunks[at::threads] for at in range(threads)]))


class _Words:
    """Makes the words of one stream on the CPU, in buffers of its own."""

    def __init__(self, key: int) -> None:
        self._key = key
        self._word, self._shifted = np.empty(_CPU_CHUNK, np.uint64), np.empty(_CPU_CHUNK, np.uint64)

    def make(self, start: int, count: int) -> np.ndarray:
        """Words `start` to `start + count`, of at most one chunk; the array is overwritten by the next call."""
        word, shifted = self._word[:count], self._shifted[:count]
        np.add(_STEPS[:count], np.uint64((self._key + start * _GAMMA) & _ALL_64), out=word)
        for shift, factor in ((30, _MIX_1), (27, _MIX_2), (31, None)):
            np.right_shift(word, np.uint64(shift), out=shifted)
            np.bitwise_xor(word, shifted, out=word)
            if factor is not None:
                np.multiply(word, np.uint64(factor), out=word)
        return word


def _cpu_normals(words: np.ndarray, first: np.ndarray, second: np.ndarray) -> None:
    halves = words.view(np.uint32)
    np.copyto(first, (halves[1::2] >> np.uint32(8)).view(np.int32), casting="unsafe")
    np.multiply(first, np.float32(2**-24), out=first)
    np.add(first, np.float32(2**-25), out=first)
    np.log(first, out=first)
    np.multiply(first, np.float32(-2), out=first)
    np.sqrt(first, out=first)
    angle = halves[0::2].view(np.int32).astype(np.float32)
    np.multiply(angle, np.float32(math.pi * 2**-31), out=angle)
    np.sin(angle, out=second)
    np.multiply(second, first, out=second)
    np.cos(angle, out=angle)
    np.multiply(first, angle, out=first)


def _cpu_uniforms(words: np.ndarray, first: np.ndarray, second: np.ndarray) -> None:
    halves = words.view(np.int32)
    for out, part in ((first, halves[1::2]), (second, halves[0::2])):
        np.copyto(out, part >> np.int32(8), casting="unsafe")
        np.add(out, np.float32(0.5), out=out)
        np.multiply(out, np.float32(2**-23), out=out)


def device_words(key: int, start: int, count: int, device: torch.device) -> Tensor:
    """The words of a stream made by torch: int64 with the bits of the unsigned words, (count,), on `device`."""
    word = torch.arange(start + 1, start + count + 1, dtype=torch.int64, device=device)
    word.mul_(_signed(_GAMMA)).add_(_signed(key))
    for shift, factor in ((30, _MIX_1), (27, _MIX_2), (31, None)):
        # Shifting a signed number drags its sign along; the mask takes it away again.
        word.bitwise_xor_((word >> shift).bitwise_and_((1 << (64 - shift)) - 1))
        if factor is not None:
            word.mul_(_signed(factor))
    return word


def _device_normals(words: Tensor) -> tuple[Tensor, Tensor]:
    radius = (words >> 40).bitwise_and_((1 << 24) - 1).to(torch.float32)
    radius.mul_(2**-24).add_(2**-25).log_().mul_(-2).sqrt_()
    angle = ((words << 32) >> 32).to(torch.float32).mul_(math.pi * 2**-31)
    return angle.cos().mul_(radius), angle.sin_().mul_(radius)


def _device_uniforms(words: Tensor) -> tuple[Tensor, Tensor]:
    upper, lower = words >> 40, (words << 32) >> 40
    return upper.to(torch.float32).add_(0.5).mul_(2**-23), lower.to(torch.float32).add_(0.5).mul_(2**-23)


def _signed(word: int) -> int:
    word &= _ALL_64
    return word - (1 << 64) if word >> 63 else word
