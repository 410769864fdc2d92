from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from qrtui.errors import ModelError
from qrtui.models.catalog import catalog, memory_needed, resolve
from qrtui.models.listing import rows
from qrtui.models.precisions import PRECISIONS

PAPER = {
    "meta-llama/Llama-3.2-1B",
    "meta-llama/Llama-3.2-3B",
    "meta-llama/Llama-3.1-8B",
    "deepseek-ai/deepseek-coder-1.3b-base",
    "deepseek-ai/deepseek-coder-6.7b-base",
    "deepseek-ai/deepseek-coder-33b-base",
    "Salesforce/codegen-350M-mono",
    "Salesforce/codegen-2B-mono",
    "Salesforce/codegen-6B-mono",
    "bigcode/starcoder2-3b",
    "bigcode/starcoder2-7b",
    "bigcode/starcoder2-15b",
}


def test_the_catalog_has_the_papers_models_and_the_embedded_one() -> None:
    models = catalog()
    assert {info.hub_id for info in models[1:]} == PAPER
    assert models[0].name == "smollm2-135m"
    assert models[0].registry is not None
    assert len({info.name for info in models}) == 13
    for info in models:
        assert info.licence
        assert info.chat is not None
        assert info.bytes
        assert 0 < (info.unquantized or 0) < (info.parameters or 0)


def test_precisions_are_the_six_in_order() -> None:
    assert list(PRECISIONS) == ["fp32", "fp16", "bf16", "int8", "nf4", "fp4"]
    assert [name for name, recipe in PRECISIONS.items() if recipe.quantized] == ["int8", "nf4", "fp4"]


@pytest.mark.parametrize("name", ["llama-3.2-1b", "LLaMA-3.2-1B", "meta-llama/Llama-3.2-1B", " llama-3.2-1b "])
def test_a_catalog_model_is_found_by_name_and_by_hub_id(name: str) -> None:
    assert resolve(name).hub_id == "meta-llama/Llama-3.2-1B"


def test_any_hub_id_is_taken_without_asking_the_hub() -> None:
    info = resolve("someone/new-model")
    assert (info.source, info.hub_id, info.parameters) == ("hub", "someone/new-model", None)


def test_a_folder_and_a_gguf_file_are_taken(tmp_path: Path, fake_weights: object) -> None:
    folder = fake_weights(tmp_path / "mine")  # type: ignore[operator]
    (tmp_path / "other.gguf").write_bytes(b"GGUF")
    assert resolve(str(folder)).source == "folder"
    assert resolve(str(tmp_path / "other.gguf")).name == "other"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("smolm2-135m", "did you mean smollm2-135m?"),
        ("what is this", "qrtui models"),
        ("./not-there", "no model in ./not-there"),
        ("gone.gguf", "no file gone.gguf"),
    ],
)
def test_what_is_no_model_is_refused_in_one_line(name: str, said: str) -> None:
    with pytest.raises(ModelError, match=r"^[^\n]+$") as caught:
        resolve(name)
    assert said in str(caught.value)


def test_a_folder_with_pickles_or_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="lacks weight files"):
        resolve(str(tmp_path))
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ModelError, match="pickled"):
        resolve(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "precision", "gigabytes"),
    # By arithmetic on the published architectures.
    [("llama-3.1-8b", "bf16", 16.06), ("llama-3.1-8b", "int8", 9.08), ("starcoder2-3b", "fp32", 12.12)],
)
def test_memory_needed_of_known_models(name: str, precision: str, gigabytes: float) -> None:
    needed = memory_needed(resolve(name), PRECISIONS[precision], "cuda")
    assert needed == pytest.approx(gigabytes * 1e9, rel=0.01)


def test_memory_is_unknown_for_a_model_nobody_described() -> None:
    assert memory_needed(resolve("someone/new-model"), PRECISIONS["fp32"]) is None


def test_rows_show_every_model_and_nothing_heavy_is_imported() -> None:
    assert [row.here for row in rows()] == [False] * 13
    assert all(set(row.memory) == set(PRECISIONS) for row in rows())
    code = """
import sys
import qrtui.models.listing, qrtui.models.fetch, qrtui.quiet
qrtui.models.listing.rows()
sys.exit(any(name in sys.modules for name in ("torch", "transformers", "huggingface_hub", "bitsandbytes")))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
