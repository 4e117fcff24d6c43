"""What one invocation asks for once: the target's role and the target's VPC."""

from collections import Counter
from collections.abc import Iterator

import pytest

from lambdas.runtime import aws
from tests.statemachine.engines import SQLSERVER
from tests.statemachine.world import World


@pytest.fixture
def asked(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[tuple[int, str]]]:
    """(number of the invocation, operation): how often AWS was asked for it there."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "dbrestore-ExamineInstallation")
    counted: Counter[tuple[int, str]] = Counter()

    def listen(model: object, **_: object) -> None:
        counted[len(world.calls), getattr(model, "name", "")] += 1

    events = aws._session().events
    events.register("before-call", listen)
    yield counted
    events.unregister("before-call", listen)


def test_an_invocation_assumes_the_targets_role_once_and_reads_its_vpc_once(world: World, asked: Counter[tuple[int, str]]) -> None:
    world.use(SQLSERVER).run()
    world.call("ExamineInstallation", {"dbInstance": SQLSERVER.request()["target"]["dbInstance"]})

    once = ("AssumeRole", "DescribeSubnets", "DescribeRouteTables", "DescribeNetworkAcls", "DescribeVpcEndpoints")
    seen = {(world.calls[number - 1], name): times for (number, name), times in asked.items() if name in once}
    assert {("RemoveWorker", "AssumeRole"), ("PlanRestore", "DescribeSubnets")} <= seen.keys()
    assert {place: times for place, times in seen.items() if times > 1} == {}
