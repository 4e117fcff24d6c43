"""Two restore points of one instance, and what is asked of them."""

from typing import Any

import boto3
import pytest

from dbrestore.contract import keys
from dbrestore.contract.errors import RestoreError
from dbrestore.points import stored_points
from lambdas.planning.plan_restore import plan_restore
from tests.statemachine.engines import INSTANCE
from tests.statemachine.sources import POINT, store_point
from tests.statemachine.world import REQUEST, World, execution_arn

NEWER, NEWEST = "20261123T021500Z-3fa9c1d2", "20261124T021500Z-3fa9c1d2"
OF_POINT = {**REQUEST, "source": {"restorePoint": POINT}}


@pytest.fixture
def points(world: World) -> World:
    """Three points of two databases."""
    for point in (NEWER, NEWEST):
        store_point(INSTANCE, point, ["orders", "crm"])
    return world


def remove(world: World, *ids: str, **question: Any) -> list[tuple[str, str, str]]:
    """Of each point its outcome, and by what error or an empty text."""
    told = world.call("RemovePoints", {"instance": INSTANCE, "points": list(ids), **question})
    return [(one["pointId"], one["outcome"], (one["error"] or {}).get("name", "")) for one in told["points"]]


def refusal(world: World, point: str) -> str:
    told = world.call("RemovePoints", {"instance": INSTANCE, "points": [point]})
    return str(told["points"][0]["error"]["message"])


def listed() -> list[str]:
    return [one.point_id for one in stored_points.list_points(boto3.client("s3"), "repository", INSTANCE)]


def files(point: str) -> int:
    found = boto3.client("s3").list_objects_v2(Bucket="repository", Prefix=keys.point_prefix(INSTANCE, point))
    return int(found["KeyCount"])


def planned(name: str = "restore-1", request: dict[str, Any] = OF_POINT) -> str:
    """The id of the restore, or the name of the error."""
    try:
        return str(plan_restore({"request": request, "executionArn": execution_arn(name)}, None)["restoreId"])
    except RestoreError as error:
        return type(error).__name__
