"""Programs that use up time, memory, disk or the compiler, with the statuses that each may get."""

from __future__ import annotations

PASSED = ("passed",)
FAILED = ("failed",)
TIMEOUT = ("timeout",)
CRASHED = ("crashed",)

TIMES: dict[str, tuple[str, tuple[str, ...]]] = {
    "clocks that stand still": (
        """
import time
for name in ('perf_counter', 'process_time', 'monotonic', 'time'):
    setattr(time, name, lambda: 0)
def add(a, b):
    time.sleep(2)
    return a + b
""",
        TIMEOUT,
    ),
    "a stopwatch taken apart": (
        """
import sys, time
def add(a, b):
    frame = sys._getframe()
    while frame:
        if 'alarm' in frame.f_locals:
            frame.f_locals['alarm']._limit = 1e9
            frame.f_locals['alarm']._watch.used = lambda: 0
        frame = frame.f_back
    end = time.process_time() + 3
    while time.process_time() < end: pass
    return a + b
""",
        TIMEOUT,
    ),
    "deaf to the alarm": (
        """
import signal
def add(a, b):
    signal.signal(signal.SIGALRM, lambda *a: None)
    while True: signal.pause()
""",
        TIMEOUT,
    ),
    "an alarm of its own": (
        """
import os, signal
signal.signal(signal.SIGALRM, lambda *a: os._exit(0))
def add(a, b):
    signal.signal(signal.SIGALRM, lambda *a: os._exit(0)); signal.setitimer(signal.ITIMER_REAL, 0.01)
    while True: pass
""",
        CRASHED,
    ),
    "stopped by itself": (
        """
import os
def add(a, b):
    os.kill(os.getpid(), 19)
    return a + b
""",
        TIMEOUT,
    ),
    "sleeping in C": (
        """
import ctypes
def add(a, b):
    ctypes.PyDLL(None).sleep(30)
    return a + b
""",
        TIMEOUT,
    ),
    "import hangs, deaf": (
        """
import signal
signal.signal(signal.SIGALRM, signal.SIG_IGN)
while True: signal.pause()
""",
        TIMEOUT,
    ),
    "import exits": (
        """
import sys
sys.exit(0)
def add(a, b):
    return a + b
""",
        FAILED,
    ),
    "import ends the process": (
        """
import os
os._exit(0)
def add(a, b):
    return a + b
""",
        CRASHED,
    ),
    "a bomb after the answer": (
        """
import os, threading, time
def later():
    time.sleep(0.02); os.write(3, b'x' * 99); os.kill(os.getpid(), 9)
def add(a, b):
    threading.Timer(30, later).start()
    return a + b
""",
        PASSED,
    ),
}

RESOURCES: dict[str, tuple[str, tuple[str, ...]]] = {
    "a bomb of threads": (
        """
import _thread, time
_thread.stack_size(32768)
def add(a, b):
    for _ in range(200000):
        _thread.start_new_thread(time.sleep, (30,))
    return a + b
""",
        ("crashed", "failed", "memory"),
    ),
    "a thousand open files": (
        """
import os
def add(a, b):
    files = []
    try:
        while True: files.append(os.open('/dev/null', 0))
    except OSError: pass
    return a + b if len(files) < 100 else len(files)
""",
        PASSED,
    ),
    "memory asked for at once": (
        """
import mmap
def add(a, b):
    try: mmap.mmap(-1, 1 << 40)
    except (OSError, MemoryError): return a + b
""",
        PASSED,
    ),
    "empty files without end": (
        """
import os
def add(a, b):
    for n in range(10**7):
        os.close(os.open(str(n), os.O_CREAT | os.O_WRONLY))
    return a + b
""",
        ("output too large", "failed", "timeout"),
    ),
    "one operation that takes hours": (
        """
def add(a, b):
    return a ** 9 ** 10 + 9 ** 9 ** 10
""",
        TIMEOUT,
    ),
}

RIGHT = "def add(a, b):\n    return a + b\n"
SOURCES: dict[str, tuple[str, tuple[str, ...]]] = {
    "a NUL in the source": (RIGHT + "\0", ("syntax error",)),
    "half a surrogate in the source": (RIGHT + "# \ud800\n", ("syntax error",)),
    "a cookie of another encoding": ("# -*- coding: rot13 -*-\n" + RIGHT, PASSED),
    "form feeds and carriage returns": ("\f\r\ndef add(a, b):\r\n\f    return a + b\r\n", PASSED),
    "a large source": ("x = 1\n" * 100_000 + RIGHT, PASSED),
    "a hundred thousand minus signs": ("x = " + "-" * 100_000 + "1\n", ("syntax error", "crashed", "memory")),
    "brackets without end": ("x = " + "(" * 5000 + ")" * 5000, ("syntax error",)),
    "a sum without end": ("x = " + "+".join(["a"] * 100_000), ("syntax error", "crashed", "memory", "failed")),
}
