"""Two installations in one account and Region, both in the middle of their work: what one cleans up is never the other's.

The second's prefix begins like the first's, so that a pattern that is too wide would show.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dbrestore.contract import limits, names
from dbrestore.contract.exit_code import ExitCode
from infrastructure.names import PRODUCT
from lambdas.closing.clean_up_strays import STRAYS
from localcloud import cloud as local
from localcloud.backups.files import Written
from localcloud.stacks import application
from tests.native.installation import BYSTANDER
from tests.native.whole_cloud import WholeCloud, wait_for
from tests.statemachine.plain_moto import know_images

pytestmark = [pytest.mark.xdist_group("two-installations"), pytest.mark.timeout(1800), pytest.mark.slow]

PREFIXES = (PRODUCT, f"{PRODUCT}2")
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Installation:
    """One of the two, with an instance of its own."""

    whole: WholeCloud

    @property
    def prefix(self) -> str:
        return self.whole.prefix

    @property
    def instance(self) -> str:
        return self.whole.instances[0]

    @property
    def tag(self) -> str:
        """How it marks what it makes."""
        return names.installation(self.whole.names["stateMachineArn"])

    def things(self) -> dict[str, Any]:
        """All that it has made, its ledger's rows, and who holds the temporary buckets."""
        ec2 = self.whole.client("ec2")
        of_it = [{"Name": f"tag:{names.INSTALLATION}", "Values": [self.tag]}]
        found = ec2.describe_instances(Filters=of_it)["Reservations"]
        instances = {i["InstanceId"]: i["State"]["Name"] for r in found for i in r["Instances"] if i["State"]["Name"] != "terminated"}
        described = ec2.describe_security_groups(Filters=of_it)["SecurityGroups"]
        return {
            "instances": instances,
            "groups": {g["GroupId"]: (g["IpPermissions"], g["IpPermissionsEgress"]) for g in described},
            "buckets": {name: keys for name, keys in self.whole.buckets().items() if name.startswith(f"{self.prefix}-staging-")},
            "group list": sorted(g["VpcSecurityGroupId"] for g in self.whole.instance(self.instance)["VpcSecurityGroups"]),
            # Its own flow goes on writing into the rows that there are.
            "ledger": sorted(self.rows()),
            "leases": [item["holders"] for (_, sk), item in sorted(self.rows().items()) if sk == "LEASE"],
        }

    def rows(self) -> dict[tuple[str, str], Any]:
        """Of its ledger, by their keys."""
        items = self.whole.cloud.client("dynamodb").scan(TableName=self.whole.names["ledgerTable"], ConsistentRead=True)["Items"]
        return {(item["pk"]["S"], item["sk"]["S"]): item for item in items}

    def stray(self) -> str:
        """A group that its restores lost: no ledger knows the restore."""
        expired = datetime.now(UTC) - timedelta(days=2)
        tags = {names.MANAGED: "true", names.INSTALLATION: self.tag, names.RESTORE_ID: "r-000000000000"}
        tags |= {names.EXPIRES_AT: expired.isoformat(), "Name": f"{self.prefix}-lost"}
        tagged = [{"ResourceType": "security-group", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]
        made = self.whole.client("ec2").create_security_group(GroupName=f"{self.prefix}-lost", Description="lost", TagSpecifications=tagged)
        return str(made["GroupId"])

    def sweep(self) -> None:
        """A round of its sweeper."""
        answer = self.whole.cloud.client("lambda").invoke(FunctionName=f"{self.prefix}-SweepLedger", Payload=b"{}")
        assert "FunctionError" not in answer, answer["Payload"].read()

    def clean_up(self) -> dict[str, str]:
        """`dbrestore cleanup`: id -> what became of it."""
        command = [sys.executable, "-m", "dbrestore.cli.main", "--installation", self.prefix, "cleanup", "--json"]
        environment = {**os.environ, **self.whole.cloud.environment()}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode in (ExitCode.DONE, ExitCode.LEFTOVERS), done.stderr
        answer = json.loads(done.stdout)
        assert answer["unseen"] == []
        return {one["physicalId"]: one["outcome"] for one in answer["strays"]}

    def let_an_hour_pass(self) -> None:
        """For what it saw once."""
        dynamodb, table = self.whole.cloud.client("dynamodb"), self.whole.names["ledgerTable"]
        earlier = (datetime.now(UTC) - timedelta(seconds=limits.STRAY_LOOKS_APART + 1)).isoformat()
        for (pk, _), item in self.rows().items():
            if pk == STRAYS:
                dynamodb.put_item(TableName=table, Item=item | {"firstSeenAt": {"S": earlier}})


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Installation, Installation]]:
    with tempfile.TemporaryDirectory(prefix="two-") as folder:
        running = local.start(Path(folder, "cloud"), time_scale=100.0, schedules=False)
        try:
            know_images()
            made = [
                WholeCloud(running, Path(folder), instances=(name,), deploy=partial(application.deploy, prefix=prefix), prefix=prefix)
                for prefix, name in zip(PREFIXES, ("crm", "erp"), strict=True)
            ]
            for whole in made:
                whole.build().point(whole.instances[0], [Written()])
            yield Installation(made[0]), Installation(made[1])
        finally:
            running.stop()


@pytest.mark.parametrize("first", [0, 1], ids=PREFIXES)
def test_what_one_cleans_up_is_never_the_others(both: tuple[Installation, Installation], first: int) -> None:
    ours, theirs = both[first], both[1 - first]
    switches = theirs.whole.engine(theirs.instance).switches
    switches.percent_per_poll = 0
    running = theirs.whole.start(theirs.instance, Written().database)
    wait_for(lambda: theirs.whole.is_restoring(theirs.instance))
    mine, lost = ours.stray(), theirs.stray()

    ended = ours.whole.start(ours.instance, Written().database).ended()
    before = theirs.things()
    assert (len(before["instances"]), len(before["buckets"]), len(before["group list"])) == (1, 1, 2)
    ours.sweep()
    seen = [ours.clean_up()]
    ours.let_an_hour_pass()
    seen.append(ours.clean_up())

    assert ended["status"] == "SUCCEEDED", ended
    assert seen == [{mine: "waiting"}, {mine: "removed"}]
    assert theirs.things() == before
    assert mine not in ours.things()["groups"]

    switches.percent_per_poll = 50
    ended = running.ended()
    assert ended["status"] == "SUCCEEDED", ended
    assert theirs.clean_up() == {lost: "waiting"}
    theirs.let_an_hour_pass()
    assert theirs.clean_up() == {lost: "removed"}
    for one in both:
        left = one.things()
        assert (left["instances"], left["buckets"]) == ({}, {})
        one.whole.engine(one.instance).instance.databases.drop(one.whole.engine(one.instance).database(Written().database))  # type: ignore[arg-type]
        assert set(one.whole.databases(one.instance)) == {BYSTANDER}


def test_nothing_is_named_alike_and_each_knows_its_own_restores_alone(both: tuple[Installation, Installation]) -> None:
    one, other = both

    assert not set(all_names(one.whole.names)) & set(all_names(other.whole.names))
    assert {stack.removesuffix("Control").removesuffix("Target") for stack in stacks(one)} == {"Dbrestore", "Dbrestore2"}
    restores = [{pk for pk, sk in installation.rows() if sk == "META"} for installation in both]
    assert all(len(found) == 2 for found in restores)
    assert not restores[0] & restores[1]


def all_names(signpost: dict[str, Any]) -> Iterator[str]:
    """Of what the control plane is made of, the functions among them."""
    for value in signpost.values():
        yield from all_names(value) if isinstance(value, dict) else (value,)


def stacks(installation: Installation) -> set[str]:
    return {one["StackName"] for one in installation.whole.cloud.client("cloudformation").describe_stacks()["Stacks"]}
