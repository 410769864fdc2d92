from __future__ import annotations

import json
from collections import UserList, deque
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrtui.judge.source import source
from qrtui.judge.values import Opaque, TooLargeError, check_spread, decode, encode, printable

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
)
hashables = st.recursive(scalars, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3))
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(hashables, inner, max_size=4)
        | st.sets(hashables, max_size=4)
        | st.lists(inner, max_size=3).map(deque)
    ),
)


def there_and_back(value: Any) -> Any:
    return decode(json.loads(json.dumps(encode(value))))


@settings(max_examples=60, deadline=None)
@given(values)
def test_plain_values_come_back_with_their_types(value: Any) -> None:
    assert repr(there_and_back(value)) == repr(value) or there_and_back(value) == value


@pytest.mark.parametrize("value", [np.float64(1.5), np.int8(3), np.arange(6).reshape(2, 3), np.array(["a", "bc"])])
def test_numpy_values_stay_numpy(value: Any) -> None:
    back = there_and_back(value)
    assert type(back) is type(value)
    assert np.array_equal(back, value)


@pytest.mark.parametrize(
    "value",
    [
        Fraction(-10, 3),
        Decimal("1.50"),
        Decimal("1e999999"),
        np.longdouble(1) / 3,
        np.longdouble("inf"),
        {"a": 1}.keys(),
        {(1, 2): [3]}.items(),
    ],
)
def test_exact_numbers_and_views_come_back_equal(value: Any) -> None:
    back = there_and_back([value])[0]
    assert (type(back), back) == (type(value), value)


def test_wrappers_arrive_as_what_they_wrap() -> None:
    assert list(there_and_back({1: 2}.values())) == [2]
    assert there_and_back({1: 2}.values()) != [2]
    assert there_and_back(UserList([1, {2}])) == [1, {2}]
    assert there_and_back(np.array(3, dtype=object)) == 3
    assert np.array_equal(there_and_back(np.matrix([[1, 2], [3, 4]])), [[1, 2], [3, 4]])
    assert np.array_equal(there_and_back(np.arange(3, dtype=np.longdouble) / 7), np.arange(3, dtype=np.longdouble) / 7)
    assert isinstance(there_and_back(np.clongdouble(1)), Opaque)
    for vast in (Fraction(2**20_000), Decimal("1" * 5000)):
        with pytest.raises(TooLargeError):
            encode(vast)


def test_texts_and_hashes_chosen_to_cost_much_are_refused() -> None:
    wide = {"numpy": ["<U1", [2501], ["x" * 300_000] + ["a"] * 2500]}
    alike = [[-1] * 1900 + [-1 if n >> bit & 1 else -2 for bit in range(11)] for n in range(1999)]
    for forged in (wide, {"set": [{"tuple": one} for one in alike]}, {"numpy": ["f8", [1], ["3"]]}):
        with pytest.raises(ValueError, match=r"too long|same hash|other parts"):
            decode(forged)


def test_what_is_not_plain_stays_behind() -> None:
    class Cheat:
        def __eq__(self, other: object) -> bool:
            return True

    class Number(int):
        def __eq__(self, other: object) -> bool:
            return True

    class Liar(complex):
        real = property(lambda self: 1.0)

    assert there_and_back(Liar(5)) == 5
    assert isinstance(there_and_back(Cheat()), Opaque)
    assert isinstance(there_and_back([object])[0], Opaque)
    assert type(there_and_back(Number(7))) is int
    assert there_and_back(Cheat()) != there_and_back(Cheat())


def test_what_cannot_be_carried_is_refused() -> None:
    endless: list[Any] = []
    endless += [endless, endless]
    with pytest.raises(TooLargeError):
        encode(endless)
    deep: list[Any] = []
    for _ in range(300):
        deep = [deep]
    alike = [{"int": hex(n * (2**61 - 1))} for n in range(5000)]
    for forged in (deep, {"set": alike}, {"dict": [[one, 1] for one in alike]}, {"numpy": ["f8,f8", [1], [1]]}):
        with pytest.raises(ValueError, match=r"too deep|same hash|plain array"):
            decode(forged)
    for forged in ({"set": [[1]]}, {"opaque": 1, "x": 2}, {"pickle": "x"}, {"numpy": ["O8", [1], [1]]}, {"int": "z"}):
        with pytest.raises((ValueError, TypeError)):
            decode(forged)


def test_many_values_with_few_hashes_are_no_attack() -> None:
    pairs = {(a, b) for a in range(-60, 60) for b in range(-60, 60)}
    assert there_and_back(pairs) == pairs
    check_spread([-1, -2] * 10_000)


def test_names_cannot_steer_a_terminal() -> None:
    class_name = "A\x1b[2J\u202e\ud800"
    assert repr(there_and_back(type("A", (), {})())) == "<A object>"
    assert repr(Opaque(class_name)) == r"<A\x1b[2J\u202e\ud800 object>"
    assert printable("naïve → ok") == "naïve → ok"


def test_source_is_bounded_whatever_the_value() -> None:
    assert source({"a": [1, (2,)], "b": {3}}) == "{'a': [1, (2,)], 'b': {3}}"
    assert source([]) == "[]"
    for large in (deque([10**5000]), Fraction(10**5000)):
        assert len(source(large)) in (400, len("<Fraction object>"))
    for large in (10**100_000, [0] * 10**6, "x" * 10**7, {n: n for n in range(10**5)}):
        assert len(source(large)) == 400
