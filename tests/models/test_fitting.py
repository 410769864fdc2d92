from __future__ import annotations

from pathlib import Path

import pytest
import torch

from qrtui.errors import ModelError
from qrtui.models import fitting
from qrtui.models.catalog import memory_needed, resolve
from qrtui.models.container import memory_left, memory_limit
from qrtui.models.load import load
from qrtui.models.precisions import PRECISIONS


def test_a_model_that_cannot_fit_is_refused_with_the_numbers_before_it_is_loaded(tiny_llama, monkeypatch):
    info = resolve(str(tiny_llama))
    fp32, nf4 = (memory_needed(info, PRECISIONS[name]) for name in ("fp32", "nf4"))
    monkeypatch.setattr(fitting, "free_memory", lambda: (fp32 + nf4) // 2)
    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", lambda *a, **k: pytest.fail("loaded"))
    with pytest.raises(ModelError, match=r"needs 0\.0 GB for its weights and 0\.0 GB .* free; .*nf4 \(0\.0 GB\)"):
        load(info, PRECISIONS["fp32"], "cpu")
    monkeypatch.setattr(fitting, "free_memory", lambda: 1)
    with pytest.raises(ModelError, match="take a smaller model"):
        load(info, PRECISIONS["nf4"], "cpu")


def test_a_large_model_is_refused_by_what_the_catalog_says_of_it(monkeypatch):
    monkeypatch.setattr(fitting, "free_memory", lambda: 20 * 10**9)
    with pytest.raises(ModelError, match=r"needs 32\.1 GB .*20\.0 GB .*free; .*int8 \(1\d\.\d GB\).*nf4 \(\d\.\d GB\)"):
        fitting.refuse_if_too_large(resolve("llama-3.1-8b"), PRECISIONS["fp32"], "cpu")
    fitting.refuse_if_too_large(resolve("llama-3.1-8b"), PRECISIONS["nf4"], "cpu")
    # Nobody knows how large it is: loading will tell.
    fitting.refuse_if_too_large(resolve("someone/unknown"), PRECISIONS["fp32"], "cpu")


def test_what_torch_keeps_of_a_gpus_memory_counts_as_free(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda gpu: (3 * 10**9, 80 * 10**9))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda gpu: 70 * 10**9)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda gpu: 1 * 10**9)
    assert fitting.free_on("cuda:0") == 72 * 10**9
    fitting.refuse_if_too_large(resolve("llama-3.1-8b"), PRECISIONS["fp32"], "cuda:0")


def group(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_containers_limit_counts_and_cached_files_do_not(tmp_path):
    second = group(
        tmp_path / "v2",
        {"memory.max": "1000\n", "memory.current": "700\n", "memory.stat": "anon 400\ninactive_file 250\n"},
    )
    first = group(
        tmp_path / "v1",
        {
            "memory/memory.limit_in_bytes": "1000\n",
            "memory/memory.usage_in_bytes": "1200\n",
            "memory/memory.stat": "total_inactive_file 50\n",
        },
    )
    free = group(tmp_path / "no", {"memory.max": "max\n", "memory.current": "7\n", "memory.stat": "inactive_file 1\n"})
    assert (memory_limit(second), memory_left(second)) == (1000, 550)
    assert (memory_limit(first), memory_left(first)) == (1000, 0)
    assert memory_limit(free) is memory_left(free) is memory_limit(tmp_path / "absent") is None
