"""seccomp: which system calls a solution may make.

Calls that reach outside the process are refused with EPERM: network, new processes, signals to others,
changes to files' metadata, kernel facilities. Calls newer than the table are refused with ENOSYS, so that a
kernel of tomorrow opens no door. Threads stay allowed; so does a socket pair, which asyncio needs.

Standard library only: this module runs inside the sandbox.
"""

from __future__ import annotations

import ctypes
import functools
import os
import struct

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_CLONE_THREAD = 0x00010000
_AF_UNIX, _SOCK_STREAM = 1, 1
_NEWEST_KNOWN = 450

# Their owner argument makes the kernel send signals to another process; a lease or a watch holds up others' access.
_FCNTL_DENIED = (8, 10, 15, 1024, 1026)  # F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY
_PRCTL_DENIED = (1, 4)  # PR_SET_PDEATHSIG, PR_SET_DUMPABLE: a child must die with the judge, its memory stay closed
_IOCTL_DENIED = (0x8901, 0x8902, 0x5412, 0x541C)  # FIOSETOWN, SIOCSPGRP, TIOCSTI, TIOCLINUX

_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""Machine name -> (the audit architecture a filter sees, the column of the tables below)."""

_DENIED: dict[str, tuple[int | None, int | None]] = {
    "socket": (41, 198),
    "connect": (42, 203),
    "accept": (43, 202),
    "accept4": (288, 242),
    "bind": (49, 200),
    "listen": (50, 201),
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "kcmp": (312, 272),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "setsid": (112, 157),
    "setpgid": (109, 154),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "utimensat": (280, 88),
    "futimesat": (261, None),
    "truncate": (76, 45),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "inotify_add_watch": (254, 27),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "sync": (162, 81),
    "syncfs": (306, 267),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "semop": (65, 193),
    "semctl": (66, 191),
    "semtimedop": (220, 192),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "setuid": (105, 146),
    "setgid": (106, 144),
    "setreuid": (113, 145),
    "setregid": (114, 143),
    "setresuid": (117, 147),
    "setresgid": (119, 149),
    "setfsuid": (122, 151),
    "setfsgid": (123, 152),
    "setgroups": (116, 159),
    "capset": (126, 91),
    "personality": (135, 92),
    "setpriority": (141, 140),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    "ioprio_set": (251, 30),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "reboot": (169, 142),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "acct": (163, 89),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "lookup_dcookie": (212, 18),
    "uselib": (134, None),
    "ustat": (136, None),
    "sysfs": (139, None),
}
_CONDITIONAL: dict[str, tuple[int, int]] = {
    "clone": (56, 220),
    "kill": (62, 129),
    "tgkill": (234, 131),
    "prlimit64": (302, 261),
    "fcntl": (72, 25),
    "ioctl": (16, 29),
    "prctl": (157, 167),
    "socketpair": (53, 199),
}
_CLONE3 = 435
_ANY_PID = b"\xa5\x5a\x5a\xa5"
_INSTRUCTION = 8

_libc = ctypes.CDLL(None, use_errno=True)


def supported() -> bool:
    """Whether this machine's system call numbers are known here."""
    return os.uname().machine in _ARCHITECTURES


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def _load(offset: int) -> bytes:
    return struct.pack("HBBI", 0x20, 0, 0, offset)


def _argument(index: int) -> bytes:
    """The low half of an argument; the kernel reads these arguments as 32 bits too."""
    return _load(16 + 8 * index)


def _and(mask: int) -> bytes:
    return struct.pack("HBBI", 0x54, 0, 0, mask)


def _jump(code: int, value: int, if_true: int, if_false: int) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def _equal(value: int, if_true: int, if_false: int) -> bytes:
    return _jump(0x15, value, if_true, if_false)


def _return(action: int) -> bytes:
    return struct.pack("HBBI", 0x06, 0, 0, action)


def _for_call(number: int, body: list[bytes]) -> list[bytes]:
    """Run `body`, which must return, when the call is `number`."""
    return [_equal(number, 0, len(body)), *body]


def _allow_only(test: list[bytes]) -> list[bytes]:
    """Finish a rule whose last test falls through to a refusal and jumps one further to allow."""
    return [*test, _return(_ERRNO | _EPERM), _return(_ALLOW)]


def _deny_values(index: int, values: tuple[int, ...]) -> list[bytes]:
    body = [_argument(index)]
    for value in values:
        body += [_equal(value, 0, 1), _return(_ERRNO | _EPERM)]
    return [*body, _return(_ALLOW)]


def program(machine: str, pid: int) -> list[bytes]:
    """The filter's instructions for `machine`, for a process that may signal `pid` (itself) alone."""
    audit, column = _ARCHITECTURES[machine]
    own = _allow_only([_argument(0), _equal(pid, 1, 0)])
    rules = {
        "clone": _allow_only([_argument(0), _jump(0x45, _CLONE_THREAD, 1, 0)]),
        "kill": own,
        "tgkill": own,
        "prlimit64": _allow_only([_argument(0), _equal(0, 1, 0)]),
        "fcntl": _deny_values(1, _FCNTL_DENIED),
        "ioctl": _deny_values(1, _IOCTL_DENIED),
        "prctl": _deny_values(0, _PRCTL_DENIED),
        "socketpair": [
            *[_argument(0), _equal(_AF_UNIX, 1, 0), _return(_ERRNO | _EPERM)],
            *_allow_only([_argument(1), _and(0xF), _equal(_SOCK_STREAM, 1, 0)]),
        ],
    }
    lines = [_load(4), _equal(audit, 1, 0), _return(_KILL_PROCESS), _load(0)]
    lines += [_jump(0x25, _NEWEST_KNOWN, 0, 1), _return(_ERRNO | _ENOSYS)]
    lines += _for_call(_CLONE3, [_return(_ERRNO | _ENOSYS)])  # glibc then falls back to clone, whose flags show
    for name, body in rules.items():
        lines += _for_call(_CONDITIONAL[name][column], body)
    for numbers in _DENIED.values():
        number = numbers[column]
        if number is not None:
            lines += _for_call(number, [_return(_ERRNO | _EPERM)])
    return [*lines, _return(_ALLOW)]


@functools.cache
def prepared(machine: str) -> bytes:
    """The filter with a mark where a process's own id belongs: made once, in the zygote, for all its children."""
    (mark,) = struct.unpack("I", _ANY_PID)
    return b"".join(program(machine, mark))


def install() -> None:
    """Filter the calling process and its threads to come; it must have set no-new-privileges.

    Raises OSError where the kernel refuses or the machine is not one of `supported`.
    """
    if not supported():
        raise OSError(f"no seccomp table for {os.uname().machine}")
    instructions = prepared(os.uname().machine).replace(_ANY_PID, struct.pack("I", os.getpid()))
    buffer = ctypes.create_string_buffer(instructions, len(instructions))
    filter_program = _Program(len(instructions) // _INSTRUCTION, ctypes.addressof(buffer))
    if _libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(filter_program), 0, 0):
        raise OSError(ctypes.get_errno(), "prctl PR_SET_SECCOMP")
