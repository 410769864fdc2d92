"""Translation by rules: Apertium, English to Spanish and back, as Debian's apertium-eng-spa installs it.

It is no substitute for the paper's translator: it loses about half of the meaning. It needs no weights and no network.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from qrtui.counting import counted
from qrtui.errors import AttackError
from qrtui.perturb.translation.engine import Engine, Progress, how_to_get

OUT, BACK = "eng-spa", "spa-eng"
# No marks at unknown words; an answer at every NUL; sentences in Apertium's own stream format.
FLAGS = ("-u", "-z", "-f", "none")
_PACKAGES = ("apertium", "apertium-eng-spa")

# Apertium's stream format: these are escaped, and what stands in [ ] passes through as it is.
_RESERVED = re.compile(r"([\\^$/@<>\[\]{}*])")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_MARK = re.compile(r"(?<![^\s(])[*#@](?=\w)")
_FINAL = (".", "!", "?")


class Installation(NamedTuple):
    """Where the program and its language data are."""

    program: str
    data: Path

    def mode(self, name: str) -> Path:
        """The file that says how one direction is translated."""
        return self.data / "modes" / f"{name}.mode"


def find_apertium() -> Installation | None:
    """Apertium with both directions of English and Spanish, or None."""
    program = shutil.which("apertium")
    if program is None:
        return None
    named = os.environ.get("APERTIUM_DATADIR")
    folders = (
        [Path(named)] if named else [Path(program).parent.parent / "share" / "apertium", Path("/usr/share/apertium")]
    )
    found = (Installation(program, folder) for folder in folders)
    return next((one for one in found if one.mode(OUT).is_file() and one.mode(BACK).is_file()), None)


def open_apertium() -> ApertiumEngine:
    """The engine; raises AttackError where Apertium or one of the two directions is not installed."""
    installation = find_apertium()
    if installation is None:
        what = "has no English-Spanish data" if shutil.which("apertium") else "is not on this machine"
        raise AttackError(f"apertium {what}", how_to_get("apertium"))
    return ApertiumEngine(installation)


class ApertiumEngine(Engine):
    """A round trip through Spanish: one process for each direction, all sentences through it.

    Apertium's tagger is not quite without memory: about one sentence in a hundred depends on the others in its list.
    The sentences go in sorted, so the same list gives the same answer.
    """

    name = "apertium"

    def __init__(self, installation: Installation, seconds: float = 60.0) -> None:
        """Give up on a direction after `seconds` and a fifth of a second more for each sentence."""
        self._installation = installation
        self._seconds = seconds
        self.revision = _revision(installation)

    def translate(self, sentences: Sequence[str], progress: Progress) -> list[str]:
        """See `Engine`."""
        distinct = sorted(set(sentences))
        progress(0, 2 * len(distinct))
        there = self._one_way(OUT, distinct)
        progress(len(distinct), 2 * len(distinct))
        back = self._one_way(BACK, there)
        progress(2 * len(distinct), 2 * len(distinct))
        known = dict(zip(distinct, back, strict=True))
        return [known[sentence] for sentence in sentences]

    def close(self) -> None:
        """Nothing is held between translations."""

    def _one_way(self, mode: str, sentences: Sequence[str]) -> list[str]:
        if not sentences:
            return []
        sent = "".join(f"{_framed(number, sentence)}\0" for number, sentence in enumerate(sentences))
        limit = self._seconds + 0.2 * len(sentences)
        answer = _run([self._installation.program, *FLAGS, mode], sent, limit)
        # Every program in the pipe adds an empty answer of its own at the end.
        answers = answer.split("\0")
        if len(answers) < len(sentences) or any(map(str.strip, answers[len(sentences) :])):
            raise AttackError(
                f"apertium {mode} gave {counted(sum(map(bool, answers)), 'answer')}"
                f" to {counted(len(sentences), 'sentence')}",
                "install Debian's apertium and apertium-eng-spa again",
            )
        return [
            _unframed(number, sentence, result, mode)
            for number, (sentence, result) in enumerate(zip(sentences, answers, strict=False))
        ]


def _framed(number: int, sentence: str) -> str:
    """The sentence in Apertium's stream format, its number behind it; a full stop tells the tagger where it ends."""
    line = " ".join(sentence.replace("\0", " ").split())
    escaped = _RESERVED.sub(r"\\\1", line)
    return f"{escaped}{'' if line.endswith(_FINAL) else '.'}[{number}]"


def _unframed(number: int, source: str, answer: str, mode: str) -> str:
    frame = f"[{number}]"
    if not answer.endswith(frame):
        raise AttackError(
            f"apertium {mode} mixed up its answers at {source[:40]!r}",
            "install Debian's apertium and apertium-eng-spa again",
        )
    line = " ".join(_ESCAPED.sub(r"\1", answer.removesuffix(frame)).split())
    if not _MARK.search(source):
        line = _MARK.sub("", line)
    return line if source.rstrip().endswith(_FINAL) else line.removesuffix(".")


def _run(command: Sequence[str], text: str, seconds: float) -> str:
    """What the program answers; its whole process group is ended when the time is up, or when we are stopped."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise AttackError(f"apertium cannot be started ({error.strerror})", how_to_get("apertium")) from error
    try:
        answer, complaint = process.communicate(text.encode("utf-8", "replace"), timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise AttackError(f"apertium did not answer within {seconds:.0f} s", "try again, or translate less") from error
    finally:
        _end(process)
    if process.returncode != 0:
        # Some of its complaints go to the standard output.
        said = (complaint or answer).decode("utf-8", "replace").strip().splitlines()
        raise AttackError(
            f"apertium {command[-1]} failed ({said[0] if said else f'exit status {process.returncode}'})",
            "install Debian's apertium and apertium-eng-spa",
        )
    return answer.decode("utf-8", "replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _revision(installation: Installation) -> str:
    """The Debian packages' versions; elsewhere a hash over the language data."""
    versions = [_debian_version(package) for package in _PACKAGES]
    if all(versions) and installation.data == Path("/usr/share/apertium"):
        return ", ".join(f"{package} {version}" for package, version in zip(_PACKAGES, versions, strict=True))
    digest = hashlib.sha256()
    for file in _language_files(installation):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return f"data:{digest.hexdigest()[:16]}"


def _language_files(installation: Installation) -> Iterator[Path]:
    for mode in (OUT, BACK):
        file = installation.mode(mode)
        yield file
        named = re.findall(r"'([^']+)'", file.read_text(encoding="utf-8", errors="replace"))
        yield from (path for path in map(Path, named) if path.is_file())


def _debian_version(package: str) -> str:
    if shutil.which("dpkg-query") is None:
        return ""
    asked = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Version}", package],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    status, _, version = asked.stdout.partition(" ")
    return version if asked.returncode == 0 and status == "installed" else ""
