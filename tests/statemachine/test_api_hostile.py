"""Whatever is sent to the API, the answer is one of its own: a good one or a problem document, and nothing is started without permission.

Calls are drawn from the routes, from valid requests with something changed in them, and from bytes that mean nothing.
"""

import base64
import json
import string
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dbrestore.contract import form_problems
from dbrestore.contract.api.problem import Problem
from dbrestore.contract.api.routes import DOORS, ROUTES
from dbrestore.contract.request import RestoreRequest
from tests.statemachine.api_calls import CLIENTS, DBA, KEYS, answered, configure, event
from tests.statemachine.conftest import installed
from tests.statemachine.world import World

STATUSES = {200, 202, 303, 400, 403, 404, 409, 413, 415, 422}
FEW, MANY = 150, 10_000
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["orders-prod", "orders", "r-000000000000", "../..", "\x00", "\ud800", "a" * 300, "%2e%2e%2f", "'; DROP TABLE x; --"]),
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=6
)
KEYS_OF_A_REQUEST = st.sampled_from([*form_problems.keys_at(RestoreRequest, ()), "Comment", "decision", "extra"])
REQUEST = {"target": {"dbInstance": "orders-prod"}, "databases": ["orders"]}
REQUESTS = st.builds(lambda changed: {**REQUEST, **changed}, st.dictionaries(KEYS_OF_A_REQUEST, ANYTHING, max_size=4))
BODIES = st.one_of(
    st.none(),
    REQUESTS.map(lambda value: json.dumps(value)),
    ANYTHING.map(lambda value: json.dumps(value)),
    st.text(max_size=60),
    st.sampled_from(["[" * 16384, " " * 16384, "x" * 16385, '{"a":1,"a":2}', "payload=%7B%7D", "null", '"\\ud800"', "{" * 3000]),
)
HEADERS = st.dictionaries(
    st.sampled_from(["Content-Type", "content-type", "Idempotency-Key", "idempotency-key", "X-Forwarded-For", "Host", "Authorization"]),
    st.one_of(
        st.text(max_size=30), st.sampled_from(["application/json", "application/x-www-form-urlencoded", "text/plain", "key-1", "x" * 300])
    ),
    max_size=4,
)
PARTS = st.one_of(
    st.sampled_from(["r-000000000000", "orders-weekly", "..", "%2e%2e", "r-" + "0" * 13, "openapi.json"]),
    st.text(string.printable, max_size=12),
)
QUERIES = st.dictionaries(
    st.sampled_from(["target", "status", "limit", "nextToken", "dbInstance", "other"]),
    st.one_of(st.text(max_size=20), st.sampled_from(["1", "100", "101", "-1", "0", "orders-prod", "MjAyNg", "=", "1e3"])),
    max_size=3,
)


@st.composite
def calls(draw: st.DrawFn) -> dict[str, Any]:
    """An event as API Gateway hands it over: of a route that there is, and mostly of a caller that there is."""
    door, route = draw(st.sampled_from(DOORS)), draw(st.sampled_from(ROUTES))
    caller = draw(st.sampled_from([*KEYS, *CLIENTS, DBA, "arn:aws:sts::123456789012:assumed-role/dba/jane", "nobody"]))
    made = event(route.method, door + route.path, None, caller=caller, headers=draw(HEADERS))
    query = draw(QUERIES)
    made |= {"body": draw(BODIES), "queryStringParameters": query or None}
    made["multiValueQueryStringParameters"] = {name: [value] for name, value in query.items()} or None
    made["resource"] = door + route.path
    made["pathParameters"] = {name: draw(PARTS) for name in ("id", "name") if f"{{{name}}}" in route.path} or None
    if made["body"] and draw(st.booleans()):
        made |= {"body": base64.b64encode(made["body"].encode("utf-8", "surrogatepass")).decode(), "isBase64Encoded": True}
    return made


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch, installed(patch) as built:
        configure(built, tmp_path_factory.mktemp("access"), READING_ALONE)
        yield built


# Nobody in it may start anything, so whatever is started was started without permission.
READING_ALONE: dict[str, Any] = {
    "callers": [
        {"name": "tickets", "by": "apiKey"},
        {"name": "reader", "by": "apiKey"},
        {"name": "agent", "by": "oauth"},
        {"name": "dba", "by": "iam", "principal": DBA},
    ],
    "rules": [{"callers": ["*"], "may": ["read"], "targets": ["*"]}],
}


def check(world: World, call: dict[str, Any]) -> None:
    answer = answered(world, call)
    assert answer.status in STATUSES, (answer, call)
    if answer.status >= 400:
        problem = Problem.from_json(answer.text)
        assert problem.status == answer.status
        assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"


@settings(
    max_examples=FEW, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(call=calls())
def test_every_answer_is_one_of_the_apis_own(world: World, call: dict[str, Any]) -> None:
    check(world, call)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=MANY, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(call=calls())
def test_ten_thousand_calls(world: World, call: dict[str, Any]) -> None:
    check(world, call)


def test_nothing_was_started_by_all_that(world: World) -> None:
    steps = boto3.client("stepfunctions")
    machine = steps.list_state_machines()["stateMachines"][0]["stateMachineArn"]

    assert steps.list_executions(stateMachineArn=machine)["executions"] == []
