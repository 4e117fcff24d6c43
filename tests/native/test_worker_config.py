"""Worker configurations on the local cloud: real functions under their roles, the command against their endpoint, and a restore in another
account and Region whose worker is what the file says."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from dbrestore.cli import main
from tests.native.asked_elsewhere import ELSEWHERE, WHERE, cloud_elsewhere
from tests.native.chains import FULL
from tests.native.whole_cloud import WholeCloud, workers

ASKING = ("PlanRestore", "CheckWorkerConfiguration")

pytestmark = [pytest.mark.xdist_group("worker-config"), pytest.mark.timeout(600), pytest.mark.slow]


@pytest.fixture(scope="module")
def whole() -> Iterator[WholeCloud]:
    with cloud_elsewhere() as made:
        yield made


@pytest.fixture
def command(whole: WholeCloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run `dbrestore worker-config ...`: its exit code and its lines."""
    for name, value in whole.cloud.environment().items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
        code = main.run(["worker-config", *arguments, "--json"])
        return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


def configure(whole: WholeCloud, **here: Any) -> None:
    """What holds in the target's account and Region, for the functions that read the file."""
    path = whole.folder / f"workers-{len(list(whole.folder.iterdir()))}.json"
    place = {"account": ELSEWHERE.account, "region": ELSEWHERE.region, **here}
    path.write_text(json.dumps({"places": [place]}))
    functions = whole.cloud.client("lambda")
    for state in ASKING:
        variables = functions.get_function_configuration(FunctionName=f"dbrestore-{state}")["Environment"]["Variables"]
        functions.update_function_configuration(
            FunctionName=f"dbrestore-{state}", Environment={"Variables": {**variables, "WORKER_CONFIGURATION": str(path)}}
        )


def test_the_file_that_was_deployed_sets_nothing(command: Any) -> None:
    assert command("list") == (
        0,
        [
            {"type": "place", "place": "defaults", "pointer": "/defaults", "settings": {}},
            {"type": "summary", "places": 0, "exitCode": 0},
        ],
    )


def test_an_instance_in_another_account_is_looked_at_there(whole: WholeCloud, command: Any) -> None:
    code, lines = command("check", "crm", *WHERE)

    assert code == 0, lines
    assert (lines[0]["account"], lines[0]["region"]) == (ELSEWHERE.account, ELSEWHERE.region)
    own = {subnet["SubnetId"] for subnet in whole.client("ec2").describe_subnets()["Subnets"]}
    assert {launch["subnetId"] for launch in lines[0]["launches"]} <= own


def test_an_image_of_another_account_is_found_out(whole: WholeCloud, command: Any) -> None:
    configure(whole, imageId="ami-0123456789abcdef0")

    code, lines = command("check", "crm", *WHERE)

    assert code == 1
    [finding] = [line for line in lines if line["type"] == "finding"]
    assert finding["place"] == "workers.json#/places/0/imageId"


def test_a_restore_there_has_the_worker_of_the_file_and_leaves_nothing(whole: WholeCloud) -> None:
    configure(whole, instanceTypes=["m5.large"], volumeGib=33, tags={"team": "dba"}, maxRunHours=5)
    before = whole.inventory()

    run = whole.start("crm", {"name": FULL.database, "as": "again"})

    assert run.ended()["status"] == "SUCCEEDED", run.now()
    found = whole.client("ec2").describe_instances()["Reservations"]
    [worker] = [one for reservation in found for one in reservation["Instances"]]
    assert worker["InstanceType"] == "m5.large"
    assert {"Key": "team", "Value": "dba"} in worker["Tags"]
    assert workers(whole.client("ec2")) == []
    after = whole.inventory()
    assert {key: after[key] for key in ("machines", "group lists", "buckets", "ledger")} == {
        key: before[key] for key in ("machines", "group lists", "buckets", "ledger")
    }
