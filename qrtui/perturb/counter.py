"""Random numbers by counter: number `i` of a stream is a function of (key, i) and nothing else. Imports torch.

The words are those of SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators"):
word `i` is a 64-bit mix of `key + (i + 1) * GAMMA`. Any part of a stream can therefore be made anywhere, in any order,
by any number of threads, on a CPU or a GPU: the words are equal bit for bit, the floats made of them up to the
rounding of the device's logarithm and sine.

A stream of `n` numbers takes `(n + 1) // 2` words. With `m` words, word `i` makes number `i` and number `m + i`: a part
of the words makes two parts of the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
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
_DEVICE_CHUNK = 1 << 22
"""Words made at a time elsewhere: about 250 MB of intermediate numbers."""
_STEPS = np.arange(1, _CPU_CHUNK + 1, dtype=np.uint64) * np.uint64(_GAMMA)


Fill = Callable[[int, int, Tensor, Tensor], None]
"""Called with (key, start, first, second): fills `first` with the first numbers of the words from `start` on, `second`,
as long or one shorter, with their second numbers. Both are float32, one-dimensional and contiguous."""


def normals(key: int, start: int, first: Tensor, second: Tensor) -> None:
    """A `Fill` of standard normal numbers.

    Box and Muller's transform of a radius from the word's upper 24 bits and an angle from its lower 32. As with any
    24-bit radius, nothing lies beyond 5.9 standard deviations.
    """
    _fill(key, start, first, second, _cpu_normals, _device_normals)


def uniforms(key: int, start: int, first: Tensor, second: Tensor) -> None:
    """A `Fill` of numbers from (-1, 1).

    Each is the midpoint of one of 2^24 equal cells, so the distribution is symmetric and its ends are not reached.
    """
    _fill(key, start, first, second, _cpu_uniforms, _device_uniforms)


def fill(make: Fill, key: int, out: Tensor) -> Tensor:
    """Fill `out` (float32, one-dimensional, contiguous) with a whole stream; returns it."""
    words = (out.numel() + 1) // 2
    make(key, 0, out[:words], out[words:])
    return out


def in_pieces(make: Fill, key: int, count: int, room: Tensor) -> Iterator[tuple[int, Tensor]]:
    """The stream of `count` numbers that `fill` makes, piece by piece: (the place of its first number, the numbers).

    The pieces lie in `room` (float32, one-dimensional, contiguous) and are overwritten by those that follow.
    """
    words, half = (count + 1) // 2, room.numel() // 2
    for start in range(0, words, half):
        end = min(start + half, words)
        first, second = room[: end - start], room[half : half + min(end, count - words) - start]
        make(key, start, first, second)
        yield start, first
        if second.numel():
            yield words + start, second


_CpuTransform = Callable[[np.ndarray, np.ndarray, np.ndarray], None]
_DeviceTransform = Callable[[Tensor], tuple[Tensor, Tensor]]


def _fill(
    key: int, begin: int, first: Tensor, second: Tensor, on_cpu: _CpuTransform, elsewhere: _DeviceTransform
) -> None:
    words = first.numel()
    if first.device.type == "cpu":
        ones, others = first.numpy(), second.numpy()

        def work(part: range) -> None:
            maker = _Words(key)
            for start in part:
                end = min(start + _CPU_CHUNK, words)
                one, other = ones[start:end], others[start:end]
                made = maker.make(begin + start, end - start)
                spare = np.empty(end - start, np.float32) if len(other) < end - start else other
                on_cpu(made, one, spare)
                if spare is not other:
                    other[:] = spare[: len(other)]

        _in_threads(work, range(0, words, _CPU_CHUNK))
        return
    for start in range(0, words, _DEVICE_CHUNK):
        end = min(start + _DEVICE_CHUNK, words)
        cosines, sines = elsewhere(device_words(key, begin + start, end - start, first.device))
        first[start:end] = cosines
        other = second[start:end]
        other.copy_(sines[: len(other)])


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
