"""Downloads from a hub of our own: the real client library against a small local server."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from qrtui.errors import FetchError, ModelError
from qrtui.fetching.child import ChildResult, StoppedError
from qrtui.fetching.progress import FetchProgress
from qrtui.models.catalog import ModelInfo, local_path, resolve, revision
from qrtui.models.convert import convert, plain_model
from qrtui.models.fetch import fetch

COMMIT = "a" * 40


class Hub(ThreadingHTTPServer):
    """Serves the files of one folder under any repository's name but `gone/...` and `gated/...`."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.folder = folder
        self.sent: list[str] = []


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = urlsplit(self.path).path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            return self._describe(parts[2], parts[4:])
        if parts[0] == "gated":
            return self._refuse(403, "GatedRepo")
        file = self.server.folder / parts[-1]
        if not file.is_file():
            return self._refuse(404, "EntryNotFound")
        if self.command == "GET":
            self.server.sent.append(file.name)
        return self._send(file.read_bytes(), {"ETag": hashlib.sha1(file.read_bytes()).hexdigest()})

    def _describe(self, owner: str, rest: list[str]) -> None:
        if owner == "gone":
            return self._refuse(401, "RepoNotFound")
        files = sorted(file for file in self.server.folder.iterdir() if file.is_file())
        if rest and rest[0] == "tree":
            listing: object = [
                {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": "0" * 40} for file in files
            ]
        else:
            siblings = [{"rfilename": file.name, "size": file.stat().st_size} for file in files]
            listing = {"id": f"{owner}/tiny", "sha": COMMIT, "siblings": siblings}
        return self._send(json.dumps(listing).encode(), {"Content-Type": "application/json"})

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(200)
        for name, value in {**headers, "X-Repo-Commit": COMMIT, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub(tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    folder = Path(shutil.copytree(tiny_llama, tmp_path / "served"))
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    server = Hub(folder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    yield server
    server.shutdown()
    server.server_close()


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


def test_off_the_network_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises((FetchError, ModelError), match="cannot be reached; go online, or copy its folder"):
        fetch(resolve("someone/tiny"), lambda _: None)
