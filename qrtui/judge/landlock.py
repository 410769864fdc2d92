"""Landlock: the kernel's own file rules for a process that does not trust itself.

Standard library only: this module runs inside the sandbox. Numbers are those of `linux/landlock.h`.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REFER, TRUNCATE, IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
_FIRST_RIGHTS = (1 << 13) - 1
_FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE
_NETWORK_RIGHTS = 0b11
_SCOPES = 0b11

READ = READ_FILE | READ_DIR

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_RULE_PATH_BENEATH = 1

_libc = ctypes.CDLL(None, use_errno=True)


def abi() -> int:
    """The version of Landlock this kernel speaks, 0 where it has none or has it switched off."""
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(_VERSION_FLAG))))


def _file_rights(version: int) -> int:
    rights = _FIRST_RIGHTS
    if version >= 2:
        rights |= REFER
    if version >= 3:
        rights |= TRUNCATE
    if version >= 5:
        rights |= IOCTL_DEVICE
    return rights


class Ruleset:
    """Everything is forbidden but what `allow` names; made once, then entered by every forked child."""

    def __init__(self) -> None:
        """Raise OSError where the kernel has no Landlock."""
        self.version = abi()
        if not self.version:
            raise OSError("this kernel has no Landlock, or has it switched off")
        self._rights = _file_rights(self.version)
        network = _NETWORK_RIGHTS if self.version >= 4 else 0
        scopes = _SCOPES if self.version >= 6 else 0
        size = 8 if self.version < 4 else 16 if self.version < 6 else 24
        attributes = struct.pack("QQQ", self._rights, network, scopes)[:size]
        self.fd = int(_libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(size), ctypes.c_uint(0)))
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "landlock_create_ruleset")

    def allow(self, paths: Iterable[str | Path], rights: int) -> None:
        """Grant `rights` on each path and all beneath it; a path that is not there is passed over."""
        for path in paths:
            try:
                anchor = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except OSError:
                continue
            try:
                granted = rights & self._rights
                if not Path(path).is_dir():
                    granted &= _FILE_RIGHTS
                rule = struct.pack("=Qi", granted, anchor)
                if _libc.syscall(_ADD_RULE, self.fd, _RULE_PATH_BENEATH, rule, ctypes.c_uint(0)):
                    raise OSError(ctypes.get_errno(), f"landlock_add_rule {path}")
            finally:
                os.close(anchor)

    def allow_all_but_execute(self, paths: Iterable[str | Path]) -> None:
        """Grant every right that `paths` can have, except to run programs from there."""
        self.allow(paths, self._rights & ~EXECUTE)

    def enter(self) -> None:
        """Put the calling process under these rules for good; it must have set no-new-privileges."""
        if _libc.syscall(_RESTRICT_SELF, self.fd, ctypes.c_uint(0)):
            raise OSError(ctypes.get_errno(), "landlock_restrict_self")
