"""The memory that a container is allowed: less than the machine's, and the kernel kills what takes more."""

from __future__ import annotations

from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
# Where version 2 and version 1 of control groups keep the limit, the use, and what of it can be given up.
_FILES = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
)


def memory_limit(root: Path = _ROOT) -> int | None:
    """The bytes this container may take; None where there is no limit."""
    found = _limit_and_use(root)
    return found[0] if found else None


def memory_left(root: Path = _ROOT) -> int | None:
    """The bytes this container may still take, cached files given up; None where there is no limit."""
    found = _limit_and_use(root)
    return max(0, found[0] - found[1]) if found else None


def _limit_and_use(root: Path) -> tuple[int, int] | None:
    for limit, use, stat, reclaimable in _FILES:
        try:
            allowed, used = int((root / limit).read_text()), int((root / use).read_text())
            counts = dict(line.split() for line in (root / stat).read_text().splitlines())
        except (OSError, ValueError):  # another version, or the word "max"
            continue
        return allowed, used - int(counts.get(reclaimable, 0))
    return None
