"""The peak of a run's memory by precision, against its model and cache, and against what `qrtui plan` says.

    python benchmarks/memory.py [--precisions fp32 int8 nf4] [--tasks 40] [--noise]

Each precision is a `qrtui run` of its own on demo tasks. On a CPU the peak is that of the anonymous memory of its
process (what it holds itself; pages of files that the system may drop are left out), sampled every 20 ms; on a GPU it
is what torch had allocated at most. The quarters tell whether a run grows: the peak within each quarter of its time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sides.turns import machine

from qrtui.models.precisions import PRECISIONS

MODEL = "smollm2-135m"
# Prints what torch allocated at most when the run is over.
ON_CUDA = (
    "import sys, atexit\n"
    "def tell():\n"
    "    import torch\n"
    "    print('peak', torch.cuda.max_memory_allocated(), file=sys.stderr)\n"
    "atexit.register(tell)\n"
    "from qrtui.cli import main\n"
    "main()"
)


def preset(precision: str, given: argparse.Namespace) -> str:
    """A campaign in one precision as TOML."""
    noise = '[noise]\nkinds = ["gaussian"]\nlevels = [1e-3]\n' if given.noise else ""
    attacks = '[[attacks]]\nkind = "char"\n[[attacks]]\nkind = "word"\n' if given.attacks else ""
    return (
        f'name = "memory"\ndevice = "{given.device}"\n[[models]]\nid = "{given.model}"\n'
        f'[precisions]\nbaseline = "{precision}"\n[tasks]\ndatasets = ["{given.dataset}"]\nlimit = {given.tasks}\n'
        f"{attacks}{noise}[generation]\nmax_new_tokens = {given.cap}\n"
    )


def qrtui(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "qrtui", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"qrtui {arguments[0]} failed: {done.stderr[-1000:]}")
    return done.stdout


def anonymous(process: int) -> int:
    """The bytes of anonymous memory that a process holds; 0 once it is gone."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * next((int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)


def sampled(command: list[str]) -> tuple[list[int], str]:
    """What a command's process held, every 20 ms, and what it wrote on stderr."""
    held = []
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
        while process.poll() is None:
            held.append(anonymous(process.pid))
            time.sleep(0.02)
        log.seek(0)
        said = log.read()
    if process.returncode:
        raise SystemExit(f"{command[2:6]} failed: {said[-1000:]}")
    return held, said


def measure(precision: str, given: argparse.Namespace, libraries: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path, database = Path(folder) / "memory.toml", str(Path(folder) / "x.db")
        path.write_text(preset(precision, given))
        planned = json.loads(qrtui("plan", str(path), "--db", database, "--json"))
        start = ["-c", ON_CUDA] if given.device.startswith("cuda") else ["-m", "qrtui"]
        held, said = sampled([sys.executable, *start, "run", str(path), "--db", database])
    if given.device.startswith("cuda"):
        return {"peak": int(said.rpartition("peak")[2]), "planned": planned, "quarters": []}
    part = max(1, len(held) // 4)
    quarters = [max(held[at * part : (at + 1) * part]) for at in range(4)]
    return {"peak": max(held), "planned": planned, "quarters": quarters, "libraries": libraries}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="8 tasks of at most 16 tokens")
    parser.add_argument("--precisions", nargs="+", default=["fp32", "int8", "nf4"], choices=list(PRECISIONS))
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dataset", default="demo")
    parser.add_argument("--tasks", type=int, default=40)
    parser.add_argument("--cap", type=int, default=96)
    parser.add_argument("--noise", action="store_true", help="under noise too, which keeps a copy of what it changes")
    parser.add_argument("--attacks", action="store_true", help="two attacks, for a longer run")
    given = parser.parse_args()
    if given.quick:
        given.tasks, given.cap = 8, 16
    print(machine())
    libraries = max(sampled([sys.executable, "-c", "import torch, transformers, bitsandbytes, evalplus.sanitize"])[0])
    print(
        f"the libraries alone hold {libraries / 1e6:.0f} MB\n{'':6}{'peak':>8}{'planned':>9}{'ratio':>7}   quarters, MB"
    )
    for precision in given.precisions:
        found = measure(precision, given, libraries)
        planned = found["planned"]["bytes"]
        quarters = " ".join(f"{held / 1e6:.0f}" for held in found["quarters"])
        print(
            f"{precision:6}{found['peak'] / 1e6:6.0f} MB{planned / 1e6:6.0f} MB"
            f"{planned / found['peak']:7.2f}   {quarters}",
            flush=True,
        )


if __name__ == "__main__":
    main()
