"""Numbers by counter: the same on every path, and distributed as they should be."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from qrtui.perturb import counter
from qrtui.perturb.counter import _Words, device_words, fill, in_pieces, normals, uniforms

KEY = 0xFEDCBA9876543210


def splitmix(key, count):
    """The generator as its authors define it, one word at a time."""
    mask, state, words = (1 << 64) - 1, key, []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & mask
        word = state
        word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & mask
        word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & mask
        words.append(word ^ (word >> 31))
    return words


def test_the_words_are_those_of_the_published_generator_on_both_paths():
    expected = splitmix(KEY, 1000)
    assert _Words(KEY).make(0, 1000).tolist() == expected
    assert [word % (1 << 64) for word in device_words(KEY, 0, 1000, torch.device("cpu")).tolist()] == expected
    assert _Words(KEY).make(700, 300).tolist() == expected[700:]
    assert [word % (1 << 64) for word in device_words(KEY, 700, 300, torch.device("cpu")).tolist()] == expected[700:]


@pytest.mark.parametrize("make", [normals, uniforms])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 577, 200_001])
def test_the_gpu_path_gives_the_cpu_numbers(make, count):
    on_cpu = fill(make, KEY, torch.empty(count))
    transform = counter._device_normals if make is normals else counter._device_uniforms
    first, second = transform(device_words(KEY, 0, (count + 1) // 2, torch.device("cpu")))
    torch.testing.assert_close(on_cpu, torch.cat([first, second])[:count], rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("make", [normals, uniforms])
def test_threads_and_chunks_do_not_matter(make, monkeypatch):
    whole = fill(make, KEY, torch.empty(300_001))
    monkeypatch.setattr(counter, "_CPU_CHUNK", 1 << 10)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 5)
    assert torch.equal(fill(make, KEY, torch.empty(300_001)), whole)


@pytest.mark.parametrize("make", [normals, uniforms])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 577, 4095, 4096, 4097, 8191, 8192, 20_001, 300_001])
@pytest.mark.parametrize("room", [2, 96, 4096, 1 << 18])
def test_a_stream_in_pieces_is_the_whole_stream_bit_for_bit(make, count, room):
    if count > 1000 * room:
        count = 1000 * room + 1
    whole, pieced, filled = fill(make, KEY, torch.empty(count)), torch.empty(count), torch.zeros(count)
    for start, numbers in in_pieces(make, KEY, count, torch.empty(room)):
        pieced[start : start + len(numbers)] = numbers
        filled[start : start + len(numbers)] += 1
    assert (filled == 1).all()
    assert torch.equal(pieced, whole)


def test_the_distributions():
    normal, uniform = (fill(make, KEY, torch.empty(400_000)).numpy() for make in (normals, uniforms))
    assert stats.kstest(normal, "norm").pvalue > 0.01
    assert stats.kstest(uniform, "uniform", args=(-1, 2)).pvalue > 0.01
    assert np.abs(normal).max() < math.sqrt(50 * math.log(2))
    assert np.abs(uniform).max() < 1
    for numbers in (normal, uniform):
        half = len(numbers) // 2
        assert abs(np.corrcoef(numbers[:half], numbers[half:])[0, 1]) < 0.01
        assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 0.01


def test_uniform_numbers_are_midpoints_of_cells_so_that_neither_end_is_reached():
    # In each half of a word the smallest and the largest number that its upper 24 bits can be.
    words = np.array([0x7FFFFFFF_80000000, 0x80000000_7FFFFFFF, 0], dtype=np.uint64)
    first, second = np.empty(3, np.float32), np.empty(3, np.float32)
    counter._cpu_uniforms(words, first, second)
    assert first.tolist() == [1 - 2**-24, -1 + 2**-24, 2**-24]
    assert second.tolist() == [-1 + 2**-24, 1 - 2**-24, 2**-24]
    signed = torch.from_numpy(words.view(np.int64))
    assert [part.tolist() for part in counter._device_uniforms(signed)] == [first.tolist(), second.tolist()]
