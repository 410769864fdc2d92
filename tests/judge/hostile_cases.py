"""All hostile programs of our own: the code, and the statuses it may get. All are judged as `add(a, b)`."""

from __future__ import annotations

from .hostile_cheats import CHEATS
from .hostile_limits import RESOURCES, SOURCES, TIMES
from .hostile_refused import PRELUDE, REFUSED

OWN: dict[str, tuple[str, tuple[str, ...]]] = {
    **{name: (PRELUDE + code, ("passed",)) for name, code in REFUSED.items()},
    **CHEATS,
    **TIMES,
    **RESOURCES,
    **SOURCES,
}
