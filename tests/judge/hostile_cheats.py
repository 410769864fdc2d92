"""Programs that want to be taken for right, with the statuses that each may get."""

from __future__ import annotations

FRAMES = """
import gc, sys
def channel():
    frame = sys._getframe()
    while frame:
        if "channel" in frame.f_locals:
            return frame.f_locals["channel"]
        frame = frame.f_back
"""

PASSED = ("passed",)
FAILED = ("failed",)
TIMEOUT = ("timeout",)
CRASHED = ("crashed",)
TAMPERED = ("tampered",)
TOO_LARGE = ("output too large",)

CHEATS: dict[str, tuple[str, tuple[str, ...]]] = {
    "finalizers that answer": (
        """
import atexit, os, weakref
class A:
    def __del__(s): os.write(3, b'{"value": 3}\\n')
atexit.register(os.write, 3, b'3\\n')
keep = []
def add(a, b):
    a = A(); keep.append(A())
    weakref.finalize(keep[0], os._exit, 0)
    del a
    return 7
""",
        TAMPERED,
    ),
    "at exit": (
        """
import atexit, os
atexit.register(os._exit, 0)
def add(a, b):
    return 7
""",
        FAILED,
    ),
    "peeking by tracing": (
        """
import sys
seen = []
def look(frame, event, argument):
    seen.append('expected' in frame.f_locals)
    return look
sys.settrace(look); sys.setprofile(look)
def add(a, b):
    sys.settrace(None); sys.setprofile(None)
    return any(seen)
""",
        FAILED,
    ),
    "peeking by the collector": (
        """
import gc
def add(a, b):
    for one in gc.get_objects():
        if type(one) is dict and ('expected' in one or 'canonical_solution' in one):
            return one
    return None
""",
        FAILED,
    ),
    "builtins of its own": (
        """
import builtins
for name in ('isinstance', 'len', 'type', 'hasattr', 'bool', 'any', 'all'):
    setattr(builtins, name, lambda *a, **k: True)
builtins.__import__ = lambda *a, **k: None
def add(a, b):
    return 7
""",
        ("failed", "crashed", "tampered"),
    ),
    "a json of its own": (
        """
import json, marshal, hashlib
json.dumps = lambda *a, **k: '{"n": 1, "value": 3, "seconds": 0}'
json.JSONEncoder.encode = lambda *a: '3'
marshal.dumps = lambda *a: b''
def add(a, b):
    return 7
""",
        ("failed", "crashed", "tampered"),
    ),
    "the judge's child changed from within": (
        FRAMES
        + """
import qrtui.judge.session as s, qrtui.judge.values as v
s.encode = v.encode = lambda value: True
s.outcome = lambda error: {'status': 'passed'}
def add(a, b):
    raise ValueError
""",
        TAMPERED,
    ),
    "a verdict instead of an answer": (
        FRAMES
        + """
def add(a, b):
    channel().answer({'status': 'passed', 'seconds': 0})
    return 3
""",
        TAMPERED,
    ),
    "values of one hash": (
        FRAMES
        + """
content = {'set': [{'int': hex(n * (2**61 - 1))} for n in range(100000)]}
def add(a, b):
    channel().answer({'value': content, 'seconds': 0})
""",
        TAMPERED,
    ),
    "a value of the wrong make": (
        FRAMES
        + """
def add(a, b):
    channel().answer({'value': {'numpy': ['f8,(99999,99999)f8', [1], [1]]}, 'seconds': 0})
""",
        TAMPERED,
    ),
    "the answers' line closed": (
        """
import os
def add(a, b):
    os.closerange(0, 64)
    return a + b
""",
        CRASHED,
    ),
    "another file in the line's place": (
        """
import os
def add(a, b):
    os.dup2(os.open('x', os.O_CREAT | os.O_RDWR), 3)
    return a + b
""",
        CRASHED,
    ),
    "the line written from C": (
        """
import ctypes
def add(a, b):
    ctypes.CDLL(None).write(3, b'0123 {"n": 1, "value": 3}\\n', 27)
    return 3
""",
        TAMPERED,
    ),
    # Objects that are not what they seem
    "an object that lies about all it is": (
        """
class A:
    __class__ = int
    def __eq__(s, o): return True
    def __hash__(s): return 3
    def __len__(s): return 0
    def __iter__(s): return iter([3])
    def __repr__(s): return '3'
    def __int__(s): return 3
    def __index__(s): return 3
    def __reduce__(s): return int, (3,)
def add(a, b):
    return A()
""",
        FAILED,
    ),
    "an object whose parts never end": (
        """
class A(list):
    def __iter__(s):
        while True: yield s
    def __len__(s):
        while True: pass
    def __repr__(s):
        while True: pass
def add(a, b):
    return A([7])
""",
        FAILED,
    ),
    "a class that hangs when asked": (
        """
class M(type):
    @property
    def __module__(c):
        while True: pass
    @property
    def __name__(c):
        while True: pass
class A(metaclass=M): pass
def add(a, b):
    return A()
""",
        TIMEOUT,
    ),
    "a dictionary that lies": (
        """
class D(dict):
    def items(s): return [(1, 2)]
    def __eq__(s, o): return True
    __hash__ = None
def add(a, b):
    return D(x=1)
""",
        FAILED,
    ),
    "right numbers of other classes": (
        """
import enum, numpy as np
class N(int): pass
def add(a, b):
    return np.int64(a + b) if a < 9 else N(a + b)
""",
        PASSED,
    ),
    "a right number as text": (
        """
class S(str):
    def __eq__(s, o): return True
def add(a, b):
    return S(a + b)
""",
        FAILED,
    ),
    "an endless generator": (
        """
import itertools
def add(a, b):
    return itertools.count()
""",
        FAILED,
    ),
    "not a number": (
        """
def add(a, b):
    return float('nan')
""",
        FAILED,
    ),
    "infinity": (
        """
def add(a, b):
    return float('inf')
""",
        FAILED,
    ),
    "a number of a million digits": (
        """
def add(a, b):
    return 10 ** 10 ** 6
""",
        FAILED,
    ),
    "deep nesting": (
        """
def add(a, b):
    x = []
    for _ in range(10**5): x = [x]
    return x
""",
        TOO_LARGE,
    ),
    "a list that holds itself": (
        """
def add(a, b):
    x = [7]; x.append(x)
    return x
""",
        TOO_LARGE,
    ),
    "an exception that never ends": (
        """
class E(Exception):
    def __str__(s): return str(s)
def add(a, b):
    raise E
""",
        FAILED,
    ),
    "an exception that writes on the terminal": (
        """
def add(a, b):
    raise ValueError('TTYSPAM\\x1b[2J\\x07\\u202e')
""",
        FAILED,
    ),
    "a class that writes on the terminal": (
        """
def add(a, b):
    return type('TTYSPAM\\x1b[2J', (), {})()
""",
        FAILED,
    ),
}
