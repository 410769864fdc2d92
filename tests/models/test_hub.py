"""Downloads from a hub of our own: the real client library against a small local server."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from qrtui.errors import FetchError, ModelError
from qrtui.fetching.child import ChildResult, StoppedError
from qrtui.fetching.progress import FetchProgress
from qrtui.models.catalog import ModelInfo, local_path, resolve, revision
from qrtui.models.convert import convert, plain_model
from qrtui.models.fetch import fetch

from .hub_server import COMMIT, Hub


def test_a_model_is_downloaded_into_the_hubs_cache(hub: Hub) -> None:
    heard: list[FetchProgress] = []
    info = resolve("someone/tiny")
    folder = fetch(info, heard.append)
    assert local_path(info) == folder
    assert revision(info) == COMMIT
    assert hub.sent[-1] == "model.safetensors", "weights last, so that a snapshot with weights is whole"
    assert "pytorch_model.bin" not in hub.sent
    assert (heard[-1].stage, heard[-1].done) == ("download", heard[-1].total)
    assert heard[-1].total == sum(file.stat().st_size for file in folder.iterdir())

    hub.sent.clear()
    assert fetch(info, heard.append) == folder
    assert hub.sent == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gated/tiny", "accept its licence .* set HF_TOKEN$"),
        ("gone/tiny", "no model gone/tiny, .* check the name"),
    ],
)
def test_refusals_say_what_to_do(hub: Hub, name: str, said: str) -> None:
    with pytest.raises((FetchError, ModelError), match=said) as caught:
        fetch(resolve(name), lambda _: None)
    assert "\n" not in str(caught.value)


def test_a_strangers_pickles_are_not_even_downloaded(hub: Hub) -> None:
    (hub.folder / "model.safetensors").unlink()
    with pytest.raises((FetchError, ModelError), match="only pickled weights"):
        fetch(resolve("someone/tiny"), lambda _: None)
    assert hub.sent == []


def test_a_catalogued_models_pickles_become_safetensors(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from safetensors.torch import load_file

    def convert_here(command: list[str], *_: object) -> ChildResult:
        convert(*map(Path, command[-2:]))  # another process would import the libraries again
        return ChildResult(0, [], "")

    monkeypatch.setattr("qrtui.models.fetch.run_child", convert_here)
    weights = load_file(hub.folder / "model.safetensors")
    (hub.folder / "model.safetensors").unlink()
    torch.save(weights, hub.folder / "pytorch_model.bin")
    info = ModelInfo(name="tiny", hub_id="paper/tiny", catalogued=True)
    folder = fetch(info, lambda _: None)
    assert revision(info) == COMMIT
    converted = load_file(folder / "model.safetensors")
    assert all(torch.equal(converted[name], weights[name]) for name in converted)


def test_a_pickle_that_would_run_code_is_refused(hub: Hub, tmp_path: Path) -> None:
    import pickle

    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "was-here",)  # type: ignore[return-value]

    (hub.folder / "model.safetensors").unlink()
    (hub.folder / "pytorch_model.bin").write_bytes(pickle.dumps({"lm_head.weight": Hostile()}, protocol=2))
    with pytest.raises(Exception, match=r"[Ww]eights.only"):
        plain_model(hub.folder, {})
    assert not (tmp_path / "was-here").exists()


def test_a_download_can_be_stopped(hub: Hub) -> None:
    stop = threading.Event()
    stop.set()
    info = resolve("someone/tiny")
    with pytest.raises(StoppedError):
        fetch(info, lambda _: None, stop)
    assert local_path(info) is None
