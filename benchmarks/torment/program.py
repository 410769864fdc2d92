"""The program under test: the real command, on a slowed model whose device fails on a signal.

    python benchmarks/torment/program.py PRESET DATABASE SHOWN

SIGUSR1: the device is out of memory at the next pass. SIGUSR2: it is lost.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import Any

SECONDS_A_PASS = 0.01


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


if __name__ == "__main__":
    work(*map(Path, sys.argv[1:]))
