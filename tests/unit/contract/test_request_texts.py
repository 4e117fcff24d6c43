"""JSON can escape half a character: in no text of a request, because no row, file or log could hold it."""

from typing import Any

import pytest

from dbrestore.contract.errors import RestoreRequestInvalid
from dbrestore.contract.request_problems import Problems, read

REQUEST: dict[str, Any] = {"target": {"dbInstance": "orders-prod"}, "databases": ["orders"]}


@pytest.mark.parametrize(
    ("change", "pointers"),
    [
        ({"reason": "\ud800"}, ["/reason"]),
        ({"ticket": {"id": "INC-\udfff", "system": "x"}, "requestedBy": "\ud801"}, ["/ticket/id", "/requestedBy"]),
        ({"databases": ["a\ud800", {"name": "b", "as": "\udc00"}]}, ["/databases/0", "/databases/1/as"]),
        ({"worker": {"tags": {"team\ud800": "x", "a": "\ud800"}}}, ["/worker/tags/team\\ud800", "/worker/tags/a"]),
        ({"reason": "\N{DROMEDARY CAMEL} zurück"}, []),
    ],
)
def test_half_a_character_is_refused_wherever_it_stands(change: dict[str, Any], pointers: list[str]) -> None:
    problems = Problems()

    read({**REQUEST, **change}, problems)

    halves = [problem for problem in problems.found if "half a surrogate pair" in problem.sentence]
    assert sorted(problem.pointer for problem in halves) == sorted(pointers)
    assert all(problem.kind is RestoreRequestInvalid for problem in halves)


def test_what_else_is_wrong_with_the_form_is_told_with_it() -> None:
    problems = Problems()

    assert read({"target": {"dbInstance": "a"}, "databases": [], "reason": "\ud800", "extra": 1}, problems) is None

    assert [problem.pointer for problem in problems.found] == ["/reason", "/databases", "/extra"]
