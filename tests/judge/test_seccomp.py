"""The filter's decisions, on both architectures, by running its instructions as the kernel would."""

from __future__ import annotations

import struct

import pytest

from qrtui.judge.seccomp import _ANY_PID, _ARCHITECTURES, _CONDITIONAL, _DENIED, prepared, program

ALLOW, EPERM, ENOSYS, KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
PID = 4321


def decision(machine: str, number: int, *arguments: int, audit: int | None = None) -> int:
    audit = _ARCHITECTURES[machine][0] if audit is None else audit
    data = struct.pack("<IIQ6Q", number, audit, 0, *(*arguments, *[0] * (6 - len(arguments))))
    lines = [struct.unpack("HBBI", line) for line in program(machine, PID)]
    at = value = 0
    while True:
        code, if_true, if_false, constant = lines[at]
        at += 1
        if code == 0x06:
            return constant
        if code == 0x20:
            (value,) = struct.unpack_from("<I", data, constant)
        elif code == 0x54:
            value &= constant
        else:
            met = {0x15: value == constant, 0x25: value > constant, 0x45: bool(value & constant)}[code]
            at += if_true if met else if_false


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_what_is_refused_and_what_is_not(machine: str) -> None:
    column = _ARCHITECTURES[machine][1]
    for numbers in _DENIED.values():
        number = numbers[column]
        assert number is None or decision(machine, number) == EPERM

    def of(name: str, *arguments: int) -> int:
        return decision(machine, _CONDITIONAL[name][column], *arguments)

    assert (of("clone", 0x3D0F00), of("clone", 17), of("clone", 0x4111)) == (ALLOW, EPERM, EPERM)
    assert (of("kill", PID, 9), of("kill", 1, 9), of("kill", 0, 9), of("kill", 2**32 - 1, 9)) == (ALLOW, *[EPERM] * 3)
    assert (of("tgkill", PID, 5, 9), of("tgkill", 1, 1, 9)) == (ALLOW, EPERM)
    assert (of("prlimit64", 0), of("prlimit64", 1)) == (ALLOW, EPERM)
    assert (of("fcntl", 3, 1), *(of("fcntl", 3, command) for command in (8, 1024, 1026))) == (ALLOW, *[EPERM] * 3)
    assert (of("ioctl", 0, 0x5401), of("ioctl", 0, 0x5412)) == (ALLOW, EPERM)
    assert (of("prctl", 15), of("prctl", 1), of("prctl", 4)) == (ALLOW, EPERM, EPERM)
    assert (of("socketpair", 1, 0x80801), of("socketpair", 1, 2), of("socketpair", 30, 1)) == (ALLOW, EPERM, EPERM)
    marked = prepared(machine)
    assert marked.count(_ANY_PID) == 2
    assert marked.replace(_ANY_PID, struct.pack("I", PID)) == b"".join(program(machine, PID))
    assert decision(machine, 435) == ENOSYS
    assert decision(machine, 462) == decision(machine, 0x40000000 | 39) == ENOSYS
    assert decision(machine, 0, audit=0x40000003) == KILL
    assert decision(machine, {"x86_64": 0, "aarch64": 63}[machine]) == ALLOW
