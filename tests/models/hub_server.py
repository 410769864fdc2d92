"""A hub of our own on the loopback, for the real client library: it can fail in every way a hub can."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest

COMMIT = "a" * 40
Fault = Literal["stall", "cut", "500", "401", "flip"]


class Hub(ThreadingHTTPServer):
    """Serves the files of one folder under any repository's name but `gone/...` and `gated/...`.

    `faults` says what happens to a file that is asked for; `began` is set when a faulty answer is half sent. `sent`
    holds the files that were sent, `ranges` where they were taken up again, `heard` all that a client said of itself.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.folder = folder
        self.sent: list[str] = []
        self.ranges: list[str] = []
        self.heard: list[str] = []
        self.faults: dict[str, Fault] = {}
        self.began, self.go_on = threading.Event(), threading.Event()


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.heard.append(self.headers.get("Authorization") or "")
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
        return self._send(file.read_bytes(), {"ETag": sha256(file)}, self.server.faults.get(file.name))

    def _describe(self, owner: str, rest: list[str]) -> None:
        if owner == "gone":
            return self._refuse(401, "RepoNotFound")
        files = sorted(file for file in self.server.folder.iterdir() if file.is_file())
        if rest and rest[0] == "tree":
            listing: object = [
                {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": "0" * 40} for file in files
            ]
        else:
            listing = {"id": f"{owner}/tiny", "sha": COMMIT, "siblings": list(map(described, files))}
        return self._send(json.dumps(listing).encode(), {"Content-Type": "application/json"})

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, body: bytes, headers: dict[str, str], fault: Fault | None = None) -> None:
        if fault in ("401", "500"):
            return self._refuse(int(fault), "")
        start = 0
        if asked := self.headers.get("Range"):
            self.server.ranges.append(asked)
            start = int(asked.removeprefix("bytes=").rstrip("-"))
        if fault == "flip":
            body = body[:-1] + bytes([body[-1] ^ 1])
        self.send_response(206 if start else 200)
        for name, value in {**headers, "X-Repo-Commit": COMMIT, "Content-Length": str(len(body) - start)}.items():
            self.send_header(name, value)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        if self.command == "GET":
            self._write(body[start:], fault)
        return None

    def _write(self, body: bytes, fault: Fault | None) -> None:
        if fault not in ("stall", "cut"):
            self.wfile.write(body)
            return
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        self.server.began.set()
        if fault == "stall":
            self.server.go_on.wait(60)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def described(file: Path) -> dict[str, object]:
    """A file as the hub lists it: large files by their SHA-256, small ones by git's SHA-1."""
    content = file.read_bytes()
    entry: dict[str, object] = {"rfilename": file.name, "size": len(content)}
    if file.suffix in (".safetensors", ".bin"):
        return {**entry, "lfs": {"sha256": sha256(file), "size": len(content), "pointerSize": 134}}
    return {**entry, "blobId": hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()}


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture
def hub(tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    folder = Path(shutil.copytree(tiny_llama, tmp_path / "served"))
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    server = Hub(folder)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    yield server
    server.go_on.set()
    server.shutdown()
    server.server_close()
