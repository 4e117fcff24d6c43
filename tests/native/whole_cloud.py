"""The application deployed into the local cloud beside instances of RDS for SQL Server: functions, workers and commands are processes.

The instances, and all that a restore makes, lie in `target`, which may be another account and Region than the control plane's. No SQL
Server engine is in it: the servers behind the instances are simulated.
"""

import json
import os
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from dbrestore.contract import keys
from dbrestore.contract.names import restore_id
from dbrestore.points.sqlserver import adding as native_points
from infrastructure.names import PRODUCT
from localcloud.backups.files import Written, backup
from localcloud.base import consistency
from localcloud.base.clients import HOME, Place
from localcloud.cloud import Cloud
from localcloud.rds import database_servers
from localcloud.sqlserver.engine import SqlServerEngine
from localcloud.stacks import application
from tests.native.installation import BYSTANDER, TRUST

INSTANCES = ("crm", "erp")
NATIVE_ROLE = "rds-reads-backups"
# Seconds. Nothing is measured by it: a machine with thirty processes at once needs some minutes for a restore that takes 20 seconds.
PATIENCE = 400.0


@dataclass
class WholeCloud:
    """`instances` are of SQL Server. `deploy` brings the application, the installation with this `prefix`. `names` are those of the
    deployed control plane, `standing_buckets` what came with it."""

    cloud: Cloud
    folder: Path
    target: Place = HOME
    instances: Sequence[str] = INSTANCES
    deploy: Callable[[Cloud, Place], None] = application.deploy
    prefix: str = PRODUCT
    names: dict[str, str] = field(default_factory=dict)
    standing_buckets: set[str] = field(default_factory=set)

    def build(self) -> "WholeCloud":
        """Deploy, and make the instances with one database each that is nobody's business. From here on AWS is inconsistent if the
        environment has a seed for that."""
        self.deploy(self.cloud, self.target)
        self.names = application.control(self.cloud, self.prefix)
        self.standing_buckets = set(self.buckets())
        self._option_group()
        for name in self.instances:
            self.client("rds").create_db_instance(
                DBInstanceIdentifier=name,
                Engine="sqlserver-se",
                DBInstanceClass="db.m6i.large",
                AllocatedStorage=20,
                MasterUsername="boss",
                ManageMasterUserPassword=True,
                OptionGroupName="native",
            )
        for name in self.instances:
            self.await_available(name)
            self.engine(name).create_database(BYSTANDER)
        if seed := os.environ.get(consistency.SEED):
            self.cloud.be_inconsistent(int(seed), for_roles_alone=True)
        return self

    def client(self, service: str) -> Any:
        """A client of the target's owner, in the target's Region."""
        return self.cloud.client(service, place=self.target)

    def await_available(self, instance: str) -> None:
        """Wait until RDS has made it."""
        wait_for(lambda: self.instance(instance)["DBInstanceStatus"] == "available")

    def engine(self, instance: str) -> SqlServerEngine:
        """The simulated SQL Server of an instance."""
        return database_servers.engine_of(instance, self.target)

    def instance(self, name: str) -> dict[str, Any]:
        """As RDS describes it."""
        [found] = self.client("rds").describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
        return dict(found)

    def point(self, instance: str, files: Sequence[Path | Written]) -> None:
        """The newest restore point of an instance."""
        paths = [self._file(file) if isinstance(file, Written) else file for file in files]
        native_points.add(self.cloud.client("s3"), self.names["repositoryBucket"], instance, paths)

    def start(self, instance: str, *databases: str | dict[str, str], **sqlserver: object) -> "Run":
        """Begin a restore into the instance that the backups are of."""
        where = {} if self.target == HOME else {"account": self.target.account, "region": self.target.region}
        target = {"dbInstance": instance, **where}
        return self.start_request({"target": target, "databases": list(databases), "sqlserver": sqlserver})

    def start_request(self, asked: dict[str, Any]) -> "Run":
        """Begin what is asked for in full."""
        started = self.cloud.client("stepfunctions").start_execution(
            stateMachineArn=self.names["stateMachineArn"],
            name=f"restore-{uuid.uuid4().hex[:8]}",
            input=json.dumps(asked, default=datetime.isoformat),
        )
        return Run(self, str(started["executionArn"]))

    def is_restoring(self, instance: str) -> bool:
        """Whether RDS works on a task."""
        return any(task.lifecycle == "IN_PROGRESS" for task in self.engine(instance).tasks)

    def workers(self) -> list[str]:
        """Ids of the instances of EC2 that aren't terminated."""
        return workers(self.client("ec2"))

    def buckets(self) -> dict[str, list[str]]:
        """What lies in each bucket that didn't come with the application, unfinished uploads included."""
        clients = [self.cloud.client("s3"), self.client("s3")][: 1 if self.target == HOME else 2]
        names = {bucket["Name"]: s3 for s3 in clients for bucket in s3.list_buckets()["Buckets"]}
        return {name: _contents(s3, name) for name, s3 in names.items() if name not in self.standing_buckets}

    def inventory(self) -> dict[str, Any]:
        """Everything that a restore could leave behind."""
        regions = {HOME.region, self.target.region}
        places = [Place(account, region) for account in {HOME.account, self.target.account} for region in regions]
        described = self.client("rds").describe_db_instances()["DBInstances"]
        return {
            "machines": {place: machines(self.cloud.client("ec2", place=place)) for place in places},
            "group lists": {
                one["DBInstanceIdentifier"]: sorted(g["VpcSecurityGroupId"] for g in one["VpcSecurityGroups"]) for one in described
            },
            "buckets": self.buckets(),
            "databases": {name: self.databases(name) for name in self.instances},
            "tasks": [task.id for name in self.instances for task in self.engine(name).tasks if not task.has_ended],
            "ledger": self._open_rows(),
        }

    def databases(self, instance: str) -> dict[str, tuple[str, datetime]]:
        """State and moment of creation of everybody's databases."""
        found = [one for one in self.engine(instance).instance.databases if not one.is_system]
        return {one.name: (one.state, one.create_date) for one in found}

    def _option_group(self) -> None:
        iam, rds = self.client("iam"), self.client("rds")
        if any(role["RoleName"] == NATIVE_ROLE for role in iam.list_roles()["Roles"]):
            return  # Another installation's instances have it too.
        role = iam.create_role(RoleName=NATIVE_ROLE, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
        rds.create_option_group(
            OptionGroupName="native", EngineName="sqlserver-se", MajorEngineVersion="15.00", OptionGroupDescription="native"
        )
        option = {
            "OptionName": "SQLSERVER_BACKUP_RESTORE",
            "OptionSettings": [{"Name": "IAM_ROLE_ARN", "Value": role}],
        }
        rds.modify_option_group(OptionGroupName="native", OptionsToInclude=[option], ApplyImmediately=True)

    def _open_rows(self) -> list[str]:
        """Restores that aren't closed, locks and leases that are held."""
        items = self.cloud.client("dynamodb").scan(TableName=self.names["ledgerTable"], ConsistentRead=True)["Items"]
        unclosed = [i["pk"]["S"] for i in items if i["sk"]["S"] == "META" and i["status"]["S"] != "CLOSED"]
        held = [i["pk"]["S"] for i in items if i["sk"]["S"] == "LOCK" and "restoreId" in i]
        leases = [i["pk"]["S"] for i in items if i["sk"]["S"] == "LEASE" and i["holders"]["M"]]
        return sorted([*(i["sk"]["S"] for i in items if i["pk"]["S"] == "OPEN"), *unclosed, *held, *leases])

    def _file(self, what: Written) -> Path:
        path = self.folder / f"{uuid.uuid4().hex}.bak"
        path.write_bytes(backup(what))
        return path


@dataclass(frozen=True)
class Run:
    """One execution of a restore."""

    cloud: WholeCloud
    arn: str

    def now(self) -> dict[str, Any]:
        """DescribeExecution's answer."""
        return dict(self.cloud.cloud.client("stepfunctions").describe_execution(executionArn=self.arn))

    def ended(self) -> dict[str, Any]:
        """The same at its end."""
        wait_for(lambda: self.now()["status"] != "RUNNING")
        return self.now()

    def stop(self) -> None:
        """StopExecution: no Catch sees it."""
        self.cloud.cloud.client("stepfunctions").stop_execution(executionArn=self.arn)

    def report(self) -> dict[str, Any]:
        """The report, which CloseRestore writes: waited for, because after a stop somebody else has to come to that."""
        s3, bucket, key = self.cloud.cloud.client("s3"), self.cloud.names["evidenceBucket"], keys.report_key(self.id)
        wait_for(lambda: s3.list_objects_v2(Bucket=bucket, Prefix=key)["KeyCount"] == 1)
        return dict(json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read()))

    @property
    def id(self) -> str:
        """The restore's."""
        return restore_id(self.arn)


def workers(ec2: Any) -> list[str]:
    """Ids of the instances that aren't terminated."""
    reservations = ec2.describe_instances()["Reservations"]
    return [one["InstanceId"] for r in reservations for one in r["Instances"] if one["State"]["Name"] != "terminated"]


def machines(ec2: Any) -> dict[str, list[str]]:
    """What a restore leaves in EC2 if it leaves anything."""
    groups = ec2.describe_security_groups()["SecurityGroups"]
    return {
        "workers": sorted(workers(ec2)),
        "volumes": sorted(v["VolumeId"] for v in ec2.describe_volumes()["Volumes"]),
        "interfaces": sorted(i["NetworkInterfaceId"] for i in ec2.describe_network_interfaces()["NetworkInterfaces"]),
        "groups": sorted(g["GroupId"] for g in groups),
        "rules": sorted(json.dumps([g["IpPermissions"], g["IpPermissionsEgress"]], sort_keys=True) for g in groups),
    }


def _contents(s3: Any, bucket: str) -> list[str]:
    found = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    return [item["Key"] for item in (*found, *s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []))]


def wait_for(happens: Callable[[], bool]) -> None:
    """Look ten times a second."""
    deadline = time.monotonic() + PATIENCE
    while not happens():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)
