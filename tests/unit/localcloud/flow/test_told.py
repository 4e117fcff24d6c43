"""What the local cloud's bus and topics told, as `dbrestore local events` shows it."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.cloud import Cloud
from localcloud.flow import told_view

EVENT = {"Source": "dbrestore.restore", "DetailType": "Phase Changed"}
DETAIL = {"restoreId": "r-0123456789ab", "mode": "restore", "status": "RUNNING", "phase": "ReplayDumps"}


@pytest.fixture
def topic(cloud: Cloud) -> Iterator[str]:
    """A topic that gets one line of every event of ours."""
    events, topics = cloud.client("events"), cloud.client("sns")
    arn = str(topics.create_topic(Name="people")["TopicArn"])
    events.put_rule(Name="people", EventPattern=json.dumps({"source": [EVENT["Source"]]}))
    transformer = {"InputPathsMap": {"id": "$.detail.restoreId", "kind": "$.detail-type"}, "InputTemplate": '"<kind>: <id>"'}
    events.put_targets(Rule="people", Targets=[{"Id": "t", "Arn": arn, "InputTransformer": transformer}])
    yield arn
    events.remove_targets(Rule="people", Ids=["t"])
    events.delete_rule(Name="people")


def _put(cloud: Cloud, **changed: Any) -> None:
    cloud.client("events").put_events(Entries=[{**EVENT, "Detail": json.dumps(DETAIL), **changed}])


def test_events_of_the_product_and_what_topics_publish_are_told_in_their_order(cloud: Cloud, topic: str) -> None:
    before = len(list(told_view.told(cloud.directory)))
    _put(cloud, Source="somebody.else")
    _put(cloud, Detail="no JSON")
    _put(cloud)
    deadline = time.monotonic() + 20
    while len(found := list(told_view.told(cloud.directory))[before:]) < 2:
        assert time.monotonic() < deadline, "The topic was never told."
        time.sleep(0.05)

    event, message = found

    assert (event["type"], event["kind"], event["detail"]) == ("event", "Phase Changed", DETAIL)
    assert (message["type"], message["topic"], message["message"]) == ("message", "people", '"Phase Changed: r-0123456789ab"')
    assert event["at"] <= message["at"]
    assert told_view.line(event) == f"{event['at']}  Phase Changed, r-0123456789ab, restore, ReplayDumps"
    assert told_view.line(message) == f'{message["at"]}  to people: "Phase Changed: r-0123456789ab"'


def test_who_follows_sees_what_comes_and_ends_with_the_cloud(cloud: Cloud) -> None:
    before = len(list(told_view.told(cloud.directory)))
    looks = 0

    def goes_on() -> bool:
        nonlocal looks
        looks += 1
        if looks == 2:
            _put(cloud)
        return looks < 3

    assert len(list(told_view.following(cloud.directory, goes_on))) == before + 1


def test_an_end_names_its_drill_and_its_error_and_nothing_moves_the_cursor(tmp_path: Path) -> None:
    detail = {"restoreId": "r-1", "mode": "drill", "drillName": "weekly", "status": "FAILED", "error": {"name": "DrillFailed\x1b[2J\nx"}}
    end = {"type": "event", "at": "2027-01-31T02:00:05Z", "kind": "Drill Completed", "detail": detail}
    (tmp_path / told_view.RECORD).write_text(json.dumps(end, ensure_ascii=False) + "\n" + '{"half')

    (one,) = told_view.told(tmp_path)

    assert told_view.line(one) == "2027-01-31T02:00:05Z  Drill Completed, r-1, drill weekly, FAILED, DrillFailed [2J x"


def test_nothing_was_told_yet(tmp_path: Path) -> None:
    assert list(told_view.told(tmp_path)) == []
