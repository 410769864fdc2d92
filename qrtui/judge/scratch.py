"""The scratch folder that solutions write to: how much is in it, and how it is emptied whatever they left there.

A tree may be deeper than a path is long, and its folders may be closed to their own owner, so everything goes by
open folders and single names, and nothing recurses.

Standard library only: the zygote imports this module.
"""

# Paths are what this module cannot use.
# ruff: noqa: PTH101, PTH106, PTH112, PTH208
from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path

_BLOCK = 4096
_DEEPEST = 100
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OWNERS = stat.S_IRWXU


def holds_more(folder: Path, limit: int) -> bool:
    """Whether more than `limit` bytes of the disk are used, a block at least for each file and folder.

    What cannot be counted is too much: a folder that cannot be listed, or lies more than 100 levels deep.
    """
    total = 0
    open_folders: list[tuple[int, list[str]]] = []
    try:
        open_folders.append(_opened(str(folder), None))
        while open_folders:
            fd, names = open_folders[-1]
            if not names:
                os.close(open_folders.pop()[0])
                continue
            name = names.pop()
            try:
                found = os.lstat(name, dir_fd=fd)
                total += max(_BLOCK, found.st_blocks * 512)
                if stat.S_ISDIR(found.st_mode):
                    if len(open_folders) > _DEEPEST:
                        return True
                    open_folders.append(_opened(name, fd))
            except FileNotFoundError:
                continue  # the solution goes on meanwhile
            if total > limit:
                return True
    except OSError:
        return True
    finally:
        for fd, _ in open_folders:
            os.close(fd)
    return False


def _opened(name: str, parent: int | None) -> tuple[int, list[str]]:
    fd = os.open(name, _FOLDER, dir_fd=parent)
    try:
        return fd, os.listdir(fd)
    except OSError:
        os.close(fd)
        raise


def empty(folder: str) -> bool:
    """Remove all that lies in `folder`; whether nothing is left. No process may be writing there any more."""
    try:
        root = os.open(folder, _FOLDER)
    except OSError:
        return False
    try:
        os.chmod(root, _OWNERS)
        while names := os.listdir(root):
            removed = [_removed(root, name) for name in names]
            if not all(removed):
                return False
    except OSError:
        return False
    finally:
        os.close(root)
    return True


def remove(folder: str) -> None:
    """Empty `folder` and take it away, as far as that goes."""
    if os.path.isdir(folder) and empty(folder):
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def _removed(root: int, name: str) -> bool:
    """Remove a file; of a folder, move the folders it holds up to the root first, to be removed in their turn."""
    try:
        if not stat.S_ISDIR(os.lstat(name, dir_fd=root).st_mode):
            os.unlink(name, dir_fd=root)
            return True
        os.chmod(name, _OWNERS, dir_fd=root)
        fd = os.open(name, _FOLDER, dir_fd=root)
        try:
            _clear(root, fd)
        finally:
            os.close(fd)
        os.rmdir(name, dir_fd=root)
    except OSError:
        return False
    return True


def _clear(root: int, fd: int) -> None:
    for name in os.listdir(fd):
        if stat.S_ISDIR(os.lstat(name, dir_fd=fd).st_mode):
            # Moving a folder writes its `..`: it must be open to its owner.
            os.chmod(name, _OWNERS, dir_fd=fd)
            os.rename(name, secrets.token_hex(16), src_dir_fd=fd, dst_dir_fd=root)
        else:
            os.unlink(name, dir_fd=fd)
