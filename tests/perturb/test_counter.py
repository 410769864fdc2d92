"""Numbers by counter: the same on every path, and distributed as they should be."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from qrtui.perturb import counter
from qrtui.perturb.counter import _Words, device_words, normals, uniforms

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


@pytest.mark.parametrize("fill", [normals, uniforms])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 577, 200_001])
def test_the_gpu_path_gives_the_cpu_numbers(fill, count, monkeypatch):
    on_cpu = fill(KEY, torch.empty(count))
    transform = counter._device_normals if fill is normals else counter._device_uniforms
    first, second = transform(device_words(KEY, 0, (count + 1) // 2, torch.device("cpu")))
    torch.testing.assert_close(on_cpu, torch.cat([first, second])[:count], rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("fill", [normals, uniforms])
def test_threads_and_chunks_do_not_matter(fill, monkeypatch):
    whole = fill(KEY, torch.empty(300_001))
    monkeypatch.setattr(counter, "_CPU_CHUNK", 1 << 10)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 5)
    assert torch.equal(fill(KEY, torch.empty(300_001)), whole)


def test_the_distributions():
    normal, uniform = normals(KEY, torch.empty(400_000)).numpy(), uniforms(KEY, torch.empty(400_000)).numpy()
    assert stats.kstest(normal, "norm").pvalue > 0.01
    assert stats.kstest(uniform, "uniform", args=(-1, 2)).pvalue > 0.01
    assert np.abs(normal).max() < math.sqrt(50 * math.log(2))
    assert np.abs(uniform).max() < 1
    for numbers in (normal, uniform):
        half = len(numbers) // 2
        assert abs(np.corrcoef(numbers[:half], numbers[half:])[0, 1]) < 0.01
        assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 0.01
