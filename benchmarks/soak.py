"""A long run that is hurt again and again: what is lost, and what leaks?

    python benchmarks/soak.py [--tasks 250] [--faults 100] [--seed 0] [--quick]

A tiny random model (made here, so that a token costs next to nothing) completes every task in eight conditions through
the real command, judge and database: 2,000 completions. At random moments the program is killed, hung up on, told to
stop, frozen; its judge is killed; its database is locked and its disk filled; its device runs out of memory or is
lost. Whenever it ends it is started again with the same command. Afterwards every completion and verdict is compared
with those of a run that nothing disturbed, and what was shown with what is in the database. Filling the disk takes a
file system of its own, which only root can mount; without it that fault is left out, and said.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

CONDITIONS = 8
TOKENS = 8
SECONDS_A_PASS = 0.01
DISK = 96 * 2**20
PATIENCE = 120.0

PROMPT = 'def f{at}(w):\n    """Return the w{a} w{b} of the w{c} number."""\n'

RESULTS = """
SELECT c.position, r.task, r.completion, g.text, g.finish, v.base, v.plus
FROM conditions c JOIN results r ON r.condition = c.id
LEFT JOIN completions g ON g.key = r.completion
LEFT JOIN verdicts v ON v.solution_hash = g.solution_hash AND v.task_hash = r.task_hash
ORDER BY 1, 2
"""


# The program under test: the real command, on a slowed model whose device fails on a signal.


def work(preset: Path, database: Path, shown: Path) -> None:
    """Run the preset by the plain command; every completion that is told goes to `shown`."""
    import torch

    from qrtui.cli import main
    from qrtui.events import Event, Generated
    from qrtui.models import load as loading
    from qrtui.plain import Narrator

    torch.set_num_threads(1)
    wounds: list[RuntimeError] = []
    no_memory, lost = torch.OutOfMemoryError("CUDA out of memory"), torch.AcceleratorError("CUDA error: assert")
    signal.signal(signal.SIGUSR1, lambda *_: wounds.append(no_memory))
    signal.signal(signal.SIGUSR2, lambda *_: wounds.append(lost))
    load, tell = loading.load, Narrator.__call__

    def slowed(*arguments: Any, **options: Any) -> Any:
        loaded = load(*arguments, **options)
        forward = loaded.model.forward

        def step(*inputs: Any, **named: Any) -> Any:
            time.sleep(SECONDS_A_PASS)
            if wounds:
                raise wounds.pop()
            return forward(*inputs, **named)

        step.__signature__ = __import__("inspect").signature(forward)  # type: ignore[attr-defined]
        loaded.model.forward = step
        return loaded

    def told(self: Narrator, event: Event) -> None:
        if isinstance(event, Generated):
            with shown.open("a") as file:
                file.write(event.key + "\n")
        tell(self, event)

    loading.load, Narrator.__call__ = slowed, told  # type: ignore[method-assign]
    sys.argv[1:] = ["run", str(preset), "--db", str(database)]
    main()


# What it works on


def prepare(folder: Path, tasks: int) -> Path:
    """The model, the tasks and the preset."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = {"<unk>": 0, "<s>": 1, "</s>": 2, **{f"w{n}": n for n in range(3, 64)}}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        tie_word_embeddings=True,
        eos_token_id=2,
        pad_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder / "model")
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>")
    fast.save_pretrained(folder / "model")
    lines = [
        {
            "task_id": f"Own/{at}",
            "prompt": PROMPT.format(at=at, a=at % 61 + 3, b=at % 59 + 3, c=at % 53 + 3),
            "entry_point": f"f{at}",
            "canonical_solution": f"    return w + {at}\n",
            "base_input": [[1], [2]],
        }
        for at in range(tasks)
    ]
    (folder / "tasks.jsonl").write_text("\n".join(map(json.dumps, lines)))
    preset = folder / "soak.toml"
    preset.write_text(
        f"""
name = "soak"
device = "cpu"
[[models]]
id = "{folder / "model"}"
[precisions]
baseline = "fp32"
quantized = ["nf4"]
[tasks]
datasets = ["{folder / "tasks.jsonl"}"]
[[attacks]]
kind = "char"
[noise]
kinds = ["gaussian", "uniform"]
levels = [0.1]
[generation]
max_new_tokens = {TOKENS}
batch_size = 4
"""
    )
    return preset


# The tormentor


@dataclass
class Sample:
    """What the program holds at a moment."""

    life: int
    completions: int
    memory: int
    descriptors: int
    threads: int
    processes: int
    files: int


@dataclass
class Soak:
    """A run, its program, and what was done to it."""

    folder: Path
    preset: Path
    disk: Path
    total: int
    program: subprocess.Popen[bytes] | None = None
    lives: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def database(self) -> Path:
        """Where the results go."""
        return self.disk / "soak.db"

    @property
    def scratch(self) -> Path:
        """The program's folder for temporary files."""
        return self.folder / "tmp"

    def start(self) -> None:
        """Start the program, and wait until it generates or has ended."""
        self.lives += 1
        self.scratch.mkdir(exist_ok=True)
        environment = {**os.environ, "TMPDIR": str(self.scratch), "QRTUI_CACHE": str(self.folder / "cache")}
        arguments = ["--work", self.preset, self.database, self.folder / "shown"]
        with (self.folder / "log").open("ab") as log:
            self.program = subprocess.Popen(
                [sys.executable, __file__, *map(str, arguments)], stdout=log, stderr=log, env=environment
            )
        before = self.completions()
        self.until(lambda: self.ended or self.completions() > before)

    @property
    def ended(self) -> bool:
        """Whether the program is gone."""
        return self.program is None or self.program.poll() is not None

    def until(self, true: Callable[[], bool]) -> None:
        """Wait for something; a run that hangs is a problem."""
        begun = time.monotonic()
        while not true():
            if time.monotonic() - begun > PATIENCE:
                raise SystemExit(f"the program hangs: see {self.folder / 'log'}")
            time.sleep(0.02)

    def completions(self) -> int:
        """How many are in the database now."""
        with contextlib.suppress(sqlite3.Error), reading(self.database) as db:
            return int(db.execute("SELECT count(*) FROM completions").fetchone()[0])
        return 0

    def family(self) -> list[psutil.Process]:
        """The program's child processes: judge servers, their zygotes, checks."""
        assert self.program is not None
        with contextlib.suppress(psutil.Error):
            return psutil.Process(self.program.pid).children(recursive=True)
        return []

    def look(self) -> None:
        """Note what the program holds."""
        assert self.program is not None
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.program.pid)
            self.samples.append(
                Sample(
                    self.lives,
                    self.completions(),
                    process.memory_info().rss,
                    process.num_fds(),
                    process.num_threads(),
                    len(self.family()),
                    sum(1 for _ in self.scratch.rglob("*")),
                )
            )

    def bury(self, children: list[psutil.Process]) -> None:
        """After an end: the database is whole, what was shown is there, no process and no file is left behind."""
        assert self.program is not None
        code = self.program.wait()
        self.ends[str(signal.Signals(-code).name if code < 0 else code)] += 1
        _, left = psutil.wait_procs(children, timeout=10)
        self.note(bool(left), f"{len(left)} processes outlived the program")
        # Whatever a SIGKILL left is taken away by the next start.
        with reading(self.database) as db:
            self.note(db.execute("PRAGMA integrity_check").fetchone()[0] != "ok", "the database is damaged")
            self.note(bool(db.execute("PRAGMA foreign_key_check").fetchall()), "references lead nowhere")
            kept = {key for (key,) in db.execute("SELECT key FROM completions")}
        self.note(bool(lost := self.shown() - kept), f"{len(lost)} completions were shown and are lost")

    def shown(self) -> set[str]:
        """The keys of all completions that were told so far."""
        file = self.folder / "shown"
        return set(file.read_text().split()) if file.exists() else set()

    def note(self, wrong: bool, what: str) -> None:
        """Keep a problem."""
        if wrong:
            self.problems.append(f"life {self.lives}: {what}")

    # Faults

    def hit(self, fault: str) -> None:
        """Do this to the program; start it again if it ended."""
        assert self.program is not None
        children = self.family()
        FAULTS[fault](self)
        if fault in DEADLY:
            self.until(lambda: self.ended)
        else:
            # Time enough to notice.
            seen = self.completions()
            self.until(lambda: self.ended or self.done or self.completions() > seen)
        if self.ended and not self.done:
            self.bury(children)
            self.start()

    @property
    def done(self) -> bool:
        """Whether every completion is there."""
        return self.completions() >= self.total

    def send(self, *signals: signal.Signals) -> None:
        """Send signals to the program, one after the other."""
        assert self.program is not None
        for one in signals:
            self.program.send_signal(one)
            time.sleep(0.05)

    def kill_judge(self, depth: int) -> None:
        """Kill a judge server (1) or the zygote below it (2)."""
        assert self.program is not None
        with contextlib.suppress(psutil.Error):
            found = psutil.Process(self.program.pid).children()
            for _ in range(depth - 1):
                found = [child for process in found for child in process.children()]
            if found:
                found[0].kill()

    def lock(self, seconds: float) -> None:
        """Hold the database's write lock."""
        db = sqlite3.connect(self.database, timeout=10)
        db.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        db.rollback()
        db.close()

    def fill(self, seconds: float) -> None:
        """Leave no room on the disk."""
        filler = self.disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(2**16))
        time.sleep(seconds)
        filler.unlink()


FAULTS: dict[str, Callable[[Soak], None]] = {
    "SIGKILL": lambda soak: soak.send(signal.SIGKILL),
    "SIGTERM": lambda soak: soak.send(signal.SIGTERM),
    "SIGHUP": lambda soak: soak.send(signal.SIGHUP),
    "SIGINT": lambda soak: soak.send(signal.SIGINT),
    "SIGINT twice": lambda soak: soak.send(signal.SIGINT, signal.SIGINT),
    "device lost": lambda soak: soak.send(signal.SIGUSR2),
    "out of memory": lambda soak: soak.send(signal.SIGUSR1),
    "judge killed": lambda soak: soak.kill_judge(1),
    "judge's zygote killed": lambda soak: soak.kill_judge(2),
    "frozen for a second": lambda soak: (soak.send(signal.SIGSTOP), time.sleep(1), soak.send(signal.SIGCONT))[0],
    "database locked": lambda soak: soak.lock(3),
    "disk full": lambda soak: soak.fill(2),
}
DEADLY = {"SIGKILL", "SIGTERM", "SIGHUP", "SIGINT", "SIGINT twice", "device lost"}


@contextlib.contextmanager
def reading(database: Path) -> Iterator[sqlite3.Connection]:
    """A connection of our own."""
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)
    try:
        yield db
    finally:
        db.close()


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A small file system in `folder`; whether there is one."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", folder], capture_output=True, check=False
    )
    try:
        yield mounted.returncode == 0
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "-l", folder], check=False)


def results(database: Path) -> dict[tuple[int, str], tuple[Any, ...]]:
    """Every result by condition and task: completion's key, text and end, and its verdict."""
    with reading(database) as db:
        return {(row[0], row[1]): row[2:] for row in db.execute(RESULTS)}


def torment(soak: Soak, faults: list[str], rng: random.Random) -> None:
    """Run to the end with these faults, spread over the completions."""
    soak.start()
    moments = sorted(rng.sample(range(1, soak.total - 20), len(faults)))
    for moment, fault in zip(moments, faults, strict=True):
        soak.until(lambda at=moment: soak.ended or soak.completions() >= at)
        soak.look()
        soak.hit(fault)
    soak.until(lambda: soak.ended)
    for _ in itertools.count():
        assert soak.program is not None
        if soak.program.returncode == 0:
            break
        soak.bury([])
        soak.start()
        soak.until(lambda: soak.ended)
    soak.bury([])


def told_of(samples: list[Sample], gentle: list[str]) -> None:
    """How much the longest life held at its beginning and at its end."""
    longest = Counter(sample.life for sample in samples).most_common(1)[0][0]
    life = [sample for sample in samples if sample.life == longest]
    first, last = life[: max(1, len(life) // 4)], life[-max(1, len(life) // 4) :]
    print(
        f"longest life: {len(gentle)} kinds of fault that do not end the program,"
        f" {life[-1].completions - life[0].completions} completions"
    )
    for name, unit in (("memory", 1e6), ("descriptors", 1), ("threads", 1), ("processes", 1), ("files", 1)):
        begin, end = (statistics.median(getattr(one, name) / unit for one in part) for part in (first, last))
        print(f"  {name:12} {begin:8.0f} at first, {end:8.0f} at last{' MB' if unit > 1 else ''}")


def main() -> int:
    """Torment, compare, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=250)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="20 tasks and 8 faults")
    parser.add_argument("--keep", action="store_true", help="leave the folder for a look")
    parser.add_argument("--work", nargs=3, type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.tasks, chosen.faults = 20, 8
    if chosen.work:
        work(*chosen.work)
    folder, rng = Path(tempfile.mkdtemp(prefix="soak-")), random.Random(chosen.seed)
    preset, total = prepare(folder, chosen.tasks), chosen.tasks * CONDITIONS
    with small_disk(folder / "disk") as may_fill:
        whole = Soak(folder, preset, folder, total)
        whole.start()
        whole.until(lambda: whole.ended)
        if whole.program is None or whole.program.returncode:
            raise SystemExit(f"the undisturbed run failed: see {folder / 'log'}")
        (folder / "shown").unlink()
        gentle = [fault for fault in FAULTS if fault not in DEADLY and (may_fill or fault != "disk full")]
        if not may_fill:
            print("the disk is not filled: only root can mount one for that")
        half = chosen.faults // 2
        # First what a program must survive in one life, then what ends it.
        faults = [rng.choice(gentle) for _ in range(half)]
        faults += [rng.choice([*DEADLY_IN_ORDER, *gentle]) for _ in range(chosen.faults - half)]
        soak = Soak(folder, preset, folder / "disk", total)
        begun = time.monotonic()
        torment(soak, faults, rng)
        seconds = time.monotonic() - begun
        expected, found = results(whole.database), results(soak.database)
        soak.samples and told_of(soak.samples, gentle)
    lost = [place for place in expected if found.get(place, (None,) * 4)[3] is None]
    other = [place for place in expected if place not in lost and found[place] != expected[place]]
    left = sum(1 for _ in (folder / "tmp").rglob("*"))
    print(f"faults: {', '.join(f'{fault} {count}' for fault, count in Counter(faults).most_common())}")
    print(f"ends: {dict(soak.ends)}; {soak.lives} lives in {seconds:.0f} s")
    print(
        f"{len(expected)} results: {len(lost)} lost, {len(other)} other than undisturbed; {left} temporary files left"
    )
    for problem in soak.problems:
        print(f"PROBLEM {problem}")
    if chosen.keep:
        print(folder)
    else:
        shutil.rmtree(folder)
    return 1 if lost or other or left or soak.problems else 0


DEADLY_IN_ORDER = sorted(DEADLY)

if __name__ == "__main__":
    sys.exit(main())
