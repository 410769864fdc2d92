"""Prompt attacks, one module each.

Every module in this folder is imported and every `Attack` it defines becomes a `kind` that presets, commands and the
app know by name: adding an attack is adding a file.
"""

from __future__ import annotations

import importlib
import pkgutil

from qrtui.perturb.attack import Attack


def _discover() -> dict[str, type[Attack]]:
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        importlib.import_module(f"{__name__}.{module}")
    return {subclass.kind(): subclass for subclass in Attack.__subclasses__()}


ATTACKS: dict[str, type[Attack]] = _discover()
"""Every attack by its kind, as a preset's `[[attacks]] kind = "..."` names it."""
