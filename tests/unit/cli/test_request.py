"""Names, requests and execution names as the command line makes them."""

import json
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbrestore.cli import request
from dbrestore.cli.request import Target
from dbrestore.contract.errors import RestoreRequestInvalid
from dbrestore.contract.request import RestoreRequest
from dbrestore.contract.swaps.orders import SwapRequest

MOMENT = datetime(2026, 11, 23, 5, 12, 0, tzinfo=UTC)


def built(target: str = "shop", databases: tuple[str, ...] = ("shop",), mode: str = "restore") -> RestoreRequest:
    return request.build(Target(target), list(databases), source="shop", point="latest", mode=mode, on_conflict="fail", reason=None)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("shop", ("shop", None)),
        ("shop=crm", ("shop", "crm")),
        (r"a\=b", ("a=b", None)),
        (r"a\=b=c\=d", ("a=b", "c=d")),
        (r"a\\=b", ("a\\", "b")),
        (r"C:\temp", (r"C:\temp", None)),
        ("../$(rm -rf ~);'\"=naïve 🐘", ("../$(rm -rf ~);'\"", "naïve 🐘")),
    ],
)
def test_a_name_comes_through_as_it_was_meant(text: str, names: tuple[str, str | None]) -> None:
    assert request.split_names(text) == names


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_two_names_can_be_written(old: str, new: str) -> None:
    def escaped(name: str) -> str:
        return name.replace("\\", "\\\\").replace("=", "\\=")

    assert request.split_names(f"{escaped(old)}={escaped(new)}") == (old, new)


@pytest.mark.parametrize("text", ["", "=", "a=", "=b", "a=b=c"])
def test_a_pair_that_could_mean_two_things_is_refused(text: str) -> None:
    with pytest.raises(RestoreRequestInvalid, match="NAME=NEW"):
        request.split_names(text)


def test_the_input_holds_what_was_asked_and_leaves_defaults_to_the_control_plane() -> None:
    asked = built(databases=("shop=shop_copy", "crm"))

    assert json.loads(asked.input_text()) == {
        "target": {"dbInstance": "shop"},
        "source": {"dbInstance": "shop"},
        "databases": [{"name": "shop", "as": "shop_copy"}, {"name": "crm"}],
    }


def test_an_execution_name_says_target_and_time_and_is_one_that_step_functions_takes() -> None:
    name = request.execution_name(built(), MOMENT)
    longest = request.execution_name(built(target="a" * 63), MOMENT)

    assert re.fullmatch(r"restore-shop-20261123T051200Z-[0-9a-f]{8}", name)
    assert len(longest) <= 80
    assert re.fullmatch(r"[0-9A-Za-z_-]+-20261123T051200Z-[0-9a-f]{8}", longest)


def test_two_different_requests_in_one_second_have_different_names_and_the_same_one_has_one() -> None:
    one, other = built(databases=("a",)), built(databases=("b",))

    assert request.execution_name(one, MOMENT) != request.execution_name(other, MOMENT)
    assert request.execution_name(one, MOMENT) == request.execution_name(built(databases=("a",)), MOMENT)


def test_all_problems_of_a_request_are_told_at_once_with_their_place() -> None:
    with pytest.raises(RestoreRequestInvalid) as caught:
        request.build(Target("no such name!"), ["a"] * 41, source=None, point="latest", mode="plan", on_conflict="fail", reason=None)

    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["/target/dbInstance", "/databases"]


def test_what_is_wished_of_sql_server_stands_in_the_input_and_a_moment_with_a_zone_is_refused() -> None:
    asked = with_wishes(stopAt="2026-05-12T13:29:50", fixUsers=True, checkDatabase=None)
    with pytest.raises(RestoreRequestInvalid, match=r"^/sqlserver/stopAt: .*without a zone"):
        with_wishes(stopAt="2026-05-12T13:29:50Z")

    assert json.loads(asked.input_text())["sqlserver"] == {"stopAt": "2026-05-12T13:29:50", "fixUsers": True}


def with_wishes(**wishes: object) -> RestoreRequest:
    return request.build(
        Target("crm"), ["crm"], source=None, point="latest", mode="restore", on_conflict="fail", reason=None, sqlserver=wishes
    )


def test_how_a_database_is_replaced_is_said_only_where_one_is() -> None:
    swap = {"swap": {"sessions": "end", "keepDays": 2}}
    wanted = {"source": None, "point": "latest", "mode": "restore", "reason": None, "choices": swap}

    asked = request.build(Target("shop"), ["shop"], on_conflict="replace", **wanted)

    assert asked.swap == SwapRequest(sessions="end", keep_days=2)
    with pytest.raises(RestoreRequestInvalid, match="/swap: says how a database is replaced"):
        request.build(Target("shop"), ["shop"], on_conflict="fail", **wanted)


def test_the_tier_of_the_retrieval_reaches_the_request() -> None:
    asked = request.build(Target("shop"), ["shop"], source=None, point="latest", mode="plan", on_conflict="fail", reason=None, tier="Bulk")

    assert asked.archive.tier == "Bulk"
