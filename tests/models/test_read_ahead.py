"""The next model's files are asked for while the last work of the present one goes on."""

from qrtui.models import read_ahead as read_ahead_module
from qrtui.models.catalog import resolve
from qrtui.models.read_ahead import read_ahead


def test_all_weight_files_are_asked_for_unless_memory_is_short(tiny_llama, monkeypatch):
    info = resolve(str(tiny_llama))
    assert read_ahead(info) == (tiny_llama / "model.safetensors").stat().st_size
    monkeypatch.setattr(read_ahead_module, "free_memory", lambda: 1000)
    assert read_ahead(info) == 0
