"""Patterns of keys: what fits them, what can't be one, and whether two can mean the same object."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbrestore.contract.adoption import patterns


@pytest.mark.parametrize(
    ("pattern", "key", "named"),
    [
        ("nightly/{run}/{database}.dump", "nightly/2026-11-30/orders + ümlaut%20.dump", ("orders + ümlaut%20", "2026-11-30")),
        ("nightly/{run}/{database}.dump", "nightly/a/b/c.dump", None),
        ("nightly/{run}/{database}.dump", "nightly/a/.dump", None),
        ("{database}-{time}.dump", "orders-2-2026-11-30T02:00Z.dump", ("orders-2", None)),
        ("{database}-{time}.dump", "orders-latest.dump", None),
        ("native/**.bak", "native/a/b c.bak", (None, None)),
        ("native/*.bak", "native/a/b.bak", None),
        ("a.dump", "axdump", None),
        ("pg/{database}/", "pg/orders/toc.dat", ("orders", None)),
        ("pg/{database}/", "pg/orders", None),
    ],
)
def test_a_key_fits_or_not(pattern: str, key: str, named: tuple[str | None, str | None] | None) -> None:
    found = patterns.parse(pattern).match(key)

    assert (found and (found.database, found.run)) == named


def test_a_key_that_was_made_to_cost_time_costs_none() -> None:
    pattern, key = patterns.parse("-".join(["*"] * 60) + "x"), "-" * 1000 + "y"
    began = time.monotonic()

    assert pattern.match(key) is None
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{x}.dump", "has {x}, which is no placeholder"),
        ("{run}/{run}", "has {run} twice"),
        ("{database}{run}", "without anything between them"),
        ("***", "without anything between them"),
        ("a{", "has a brace that belongs to no placeholder"),
        ("/a", "begins with /"),
        ("ü" * 600, "is longer than a key can be"),
    ],
)
def test_what_cant_be_a_pattern_is_refused_with_what_to_write(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        patterns.parse(text)


@pytest.mark.parametrize(
    ("one", "other", "do_meet"),
    [
        ("nightly/{run}/{database}.dump", "nightly/**", True),
        ("nightly/*.dump", "nightly/*.bak", False),
        ("nightly/{time}.dump", "nightly/x*.dump", False),
        ("a/{database}/", "a/*/*.bak", True),
        ("a/{database}/", "b/*", False),
        ("*a", "b*", True),
        ("x", "x", True),
    ],
)
def test_it_is_known_whether_two_patterns_mean_one_object(one: str, other: str, do_meet: bool) -> None:
    first, second = patterns.parse(one), patterns.parse(other)

    assert ((first.meets(second) is not None), (second.meets(first) is not None)) == (do_meet, do_meet)


PARTS = st.lists(st.sampled_from(["a", "b", "/", "*", "**", "2026", "{time}", "-"]), min_size=1, max_size=5).map("".join)


@given(PARTS, PARTS, st.text("ab/-2026", max_size=8))
def test_what_fits_both_is_found_and_what_is_found_fits_both(one: str, other: str, key: str) -> None:
    try:
        first, second = patterns.parse(one), patterns.parse(other)
    except ValueError:
        return
    example = first.meets(second)

    if example is not None:
        assert first.match(example) or one.endswith("/")
        assert second.match(example) or other.endswith("/")
    elif not (one.endswith("/") or other.endswith("/")):
        assert not (first.match(key) and second.match(key))
