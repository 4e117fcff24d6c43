"""An account that the product is installed in, on moto in this process: target, repository, ledger, and the inventory of everything."""

import hashlib
import json
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from infrastructure.functions import FUNCTIONS
from lambdas import limits, names
from lambdas.ledger import Ledger, Meta
from lambdas.settings import CA_BUNDLE_KEY
from lambdas.state import Surroundings
from lambdas.target_lookup import OFFER_PARAMETER
from repository import keys
from repository.manifest import ByteRange, DatabaseBackup, Manifest, StoredFile, TableMember
from tests.statemachine import plain_moto
from tests.statemachine.fake_worker import FakeWorker

REGION = "eu-central-1"
ACCOUNT = "123456789012"
INSTANCE = "orders-prod"
POINT = "20261122T021500Z-3fa9c1d2"
DEFINITION = Path(__file__).parents[2] / "statemachine" / "restore_databases.asl.json"
MACHINE_ARN = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:dbrestore"
MOST_ATTEMPTS = 12
REQUEST = {"target": {"dbInstance": INSTANCE}, "databases": ["orders"]}
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "LEDGER_TABLE": "ledger",
    "REPOSITORY_BUCKET": "repository",
    "EVIDENCE_BUCKET": "evidence",
    "TARGET_ROLE_NAME": "dbrestore-target-{region}",
    "EXTERNAL_ID": "0123456789abcdef",
    "STATE_MACHINE_ARN": MACHINE_ARN,
}

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


def handlers() -> dict[str, Handler]:
    """Every function of the application by the name of its state."""
    found = {}
    for function in FUNCTIONS:
        module, _, name = function.handler.rpartition(".")
        found[function.state] = getattr(import_module(module), name)
    return found


@dataclass
class World:
    """`calls` are the states in the order in which their functions were called. `before` and `after` are done around a function by its
    state, `repeats` says how often each function is called in the place of once, `around` wraps all of them."""

    patch: pytest.MonkeyPatch
    worker: FakeWorker = field(default_factory=FakeWorker)
    calls: list[str] = field(default_factory=list)
    before: dict[str, Callable[[], None]] = field(default_factory=dict)
    after: dict[str, Callable[[], None]] = field(default_factory=dict)
    repeats: int = 1
    around: Callable[[], AbstractContextManager[Any]] = nullcontext
    group_list: list[str] = field(default_factory=list)
    subnets: list[str] = field(default_factory=list)
    vpc_id: str = ""
    _handlers: dict[str, Handler] = field(default_factory=handlers)

    def build(self) -> "World":
        """Everything that stands before a restore begins."""
        plain_moto.install(self.patch)
        plain_moto.serve(self.patch, self.call)
        self.worker.install(self.patch)
        self.patch.setattr(limits, "VISIBLE_AFTER", 0)
        self._network()
        self._buckets()
        self._database_instance()
        _ledger_table()
        _offer()
        _machine()
        self._listen()
        self.calls.clear()
        return self

    def call(self, state: str, event: dict[str, Any]) -> dict[str, Any]:
        """One invocation, as the state machine makes it."""
        assert len(json.dumps(event)) < 256 * 1024, f"{state} gets more than a state may carry"
        self.calls.append(state)
        self.before.get(state, _nothing)()
        with self.around():
            for _ in range(self.repeats):
                result = self._handlers[state](event, None)
        self.after.get(state, _nothing)()
        return result

    def run(self, request: dict[str, Any] | None = None, name: str = "restore-1") -> dict[str, Any]:
        """One execution from its start to its end: DescribeExecution's answer."""
        arn = start(request or REQUEST, name)
        return self.wait(arn)

    def wait(self, execution_arn: str, seconds: float = 60.0) -> dict[str, Any]:
        """The execution when it is over."""
        # Asked of moto itself: polling through boto3 would take more time than the execution.
        backend = stepfunctions_parser_backends[ACCOUNT][REGION]
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if backend.describe_execution(execution_arn).exec_status != "RUNNING":
                return dict(boto3.client("stepfunctions").describe_execution(executionArn=execution_arn))
            time.sleep(0.02)
        raise AssertionError(f"still running; last calls: {self.calls[-10:]}")

    def sweep(self) -> list[dict[str, Any]]:
        """What the clock does every few minutes, with the clean-ups that it starts, to their end."""
        started = self.call("SweepLedger", {})["started"]
        return [self.wait(execution_arn(name)) for name in started]

    def meta(self, name: str = "restore-1") -> Meta:
        """The ledger's own row of a restore."""
        return self.ledger(name).meta()

    def ledger(self, name: str = "restore-1") -> Ledger:
        """The ledger of a restore."""
        return Ledger(Surroundings().table, names.restore_id(execution_arn(name)))

    def report(self, name: str = "restore-1") -> dict[str, Any]:
        """The report of a restore."""
        key = keys.report_key(names.restore_id(execution_arn(name)))
        body = boto3.client("s3").get_object(Bucket="evidence", Key=key)["Body"].read()
        return dict(json.loads(body))

    def events(self) -> list[dict[str, Any]]:
        """The product's events that reached the bus since the last call."""
        sqs = boto3.client("sqs")
        url = sqs.get_queue_url(QueueName="heard")["QueueUrl"]
        found = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found += [json.loads(message["Body"]) for message in messages]
        return found

    def inventory(self) -> dict[str, Any]:
        """Everything that a restore could leave behind."""
        ec2 = boto3.client("ec2")
        reservations = ec2.describe_instances()["Reservations"]
        instances = [i for r in reservations for i in r["Instances"] if i["State"]["Name"] != "terminated"]
        groups = ec2.describe_security_groups()["SecurityGroups"]
        items = boto3.client("dynamodb").scan(TableName="ledger", ConsistentRead=True)["Items"]
        held = [i for i in items if i["sk"]["S"] == "LOCK" and "restoreId" in i]
        return {
            "instances": sorted(i["InstanceId"] for i in instances),
            "volumes": sorted(v["VolumeId"] for v in ec2.describe_volumes()["Volumes"]),
            "interfaces": sorted(
                i["NetworkInterfaceId"] for i in ec2.describe_network_interfaces()["NetworkInterfaces"]
            ),
            "groups": sorted(g["GroupId"] for g in groups),
            "rules": sorted(json.dumps([g["IpPermissions"], g["IpPermissionsEgress"]], sort_keys=True) for g in groups),
            "group list": sorted(self.groups_of_instance()),
            "databases": sorted(self.worker.databases),
            "roles": sorted(self.worker.roles),
            "open restores": sorted(i["sk"]["S"] for i in items if i["pk"]["S"] == "OPEN"),
            "unclosed": sorted(i["pk"]["S"] for i in items if i["sk"]["S"] == "META" and i["status"]["S"] != "CLOSED"),
            "locks": sorted(i["pk"]["S"] for i in held),
        }

    def groups_of_instance(self) -> list[str]:
        """The instance's list of security groups."""
        instance = boto3.client("rds").describe_db_instances(DBInstanceIdentifier=INSTANCE)["DBInstances"][0]
        return [g["VpcSecurityGroupId"] for g in instance["VpcSecurityGroups"]]

    def change_group_list(self, *groups: str) -> None:
        """Somebody else's ModifyDBInstance."""
        boto3.client("rds").modify_db_instance(DBInstanceIdentifier=INSTANCE, VpcSecurityGroupIds=list(groups))

    def _network(self) -> None:
        ec2 = boto3.client("ec2")
        self.vpc_id = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        self.subnets = sorted(s["SubnetId"] for s in ec2.describe_subnets()["Subnets"])
        standing = self.group("dbrestore-standing", {names.STANDING: "worker"})
        assert standing
        iam = boto3.client("iam")
        iam.create_instance_profile(InstanceProfileName="dbrestore-worker")

    def group(self, name: str, tags: dict[str, str] | None = None) -> str:
        """A security group that isn't ours."""
        labels: Any = [{"Key": key, "Value": value} for key, value in (tags or {"owner": "somebody"}).items()]
        created = boto3.client("ec2").create_security_group(
            GroupName=name, Description=name, VpcId=self.vpc_id,
            TagSpecifications=[{"ResourceType": "security-group", "Tags": labels}],
        )  # fmt: skip
        return str(created["GroupId"])

    def _buckets(self) -> None:
        s3 = boto3.client("s3")
        for bucket in ("repository", "evidence"):
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket="evidence", Key=CA_BUNDLE_KEY, Body=b"-----BEGIN CERTIFICATE-----")
        store_point(INSTANCE, POINT, ["orders", "crm"])

    def _database_instance(self) -> None:
        self.group_list = [self.group("of-the-application")]
        rds = boto3.client("rds")
        rds.create_db_subnet_group(
            DBSubnetGroupName="private", DBSubnetGroupDescription="private", SubnetIds=self.subnets
        )
        create_instance(INSTANCE, self.group_list)
        boto3.client("cloudwatch").put_metric_data(
            Namespace="AWS/RDS",
            MetricData=[
                {
                    "MetricName": "FreeStorageSpace",
                    "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": INSTANCE}],
                    "Value": 10.0 * 1024**3,
                    "Timestamp": datetime.now(UTC) - timedelta(minutes=1),
                    "Unit": "Bytes",
                }
            ],
        )

    def _listen(self) -> None:
        sqs, events = boto3.client("sqs"), boto3.client("events")
        queue = sqs.get_queue_attributes(
            QueueUrl=sqs.create_queue(QueueName="heard")["QueueUrl"], AttributeNames=["QueueArn"]
        )["Attributes"]["QueueArn"]
        events.put_rule(Name="heard", EventPattern=json.dumps({"source": ["dbrestore.restore"]}))
        events.put_targets(Rule="heard", Targets=[{"Id": "queue", "Arn": queue}])


def create_instance(name: str, groups: list[str], **more: Any) -> None:
    """A PostgreSQL instance with a managed secret."""
    settings = {
        "Engine": "postgres", "EngineVersion": "16.4", "DBInstanceClass": "db.m6g.large", "AllocatedStorage": 20,
        "MasterUsername": "postgres", "ManageMasterUserPassword": True, "VpcSecurityGroupIds": groups,
        "DBSubnetGroupName": "private", "AvailabilityZone": f"{REGION}b", "Port": 5432,
    }  # fmt: skip
    boto3.client("rds").create_db_instance(DBInstanceIdentifier=name, **(settings | more))


def store_point(instance: str, point: str, databases: list[str], **backup: Any) -> Manifest:
    """A restore point with one file per database; its contents matter to the worker only."""
    manifest = Manifest(
        point_id=point,
        instance=instance,
        engine=backup.pop("engine", "postgres"),
        engine_version="16.4",
        created_at=datetime(2026, 11, 22, 2, 15, tzinfo=UTC),
        databases=tuple(_backup(instance, point, name, dict(backup)) for name in databases),
    )
    s3 = boto3.client("s3")
    for database in manifest.databases:
        for file in database.files:
            s3.put_object(Bucket="repository", Key=file.key, Body=b"x" * file.length)
    s3.put_object(Bucket="repository", Key=keys.manifest_key(instance, point), Body=manifest.to_json().encode())
    return manifest


def _backup(instance: str, point: str, name: str, changes: dict[str, Any]) -> DatabaseBackup:
    digest = hashlib.sha256(b"x" * 10).hexdigest()
    length = changes.pop("uncompressed_length", 30)
    stored = ByteRange(offset=0, length=10, sha256=digest)
    member = TableMember(dump_id=1, schema_name="public", table="t", stored=stored, uncompressed_length=length, rows=3)
    file = StoredFile(key=keys.database_prefix(instance, point, name) + "dump.pgdump", length=10, sha256=digest)
    return DatabaseBackup(
        **{
            "name": name, "files": (file,), "format": "custom", "compression": "gzip", "archive_version": "1.15",
            "server_version": "16.4", "dump_version": "16.4", "dumped_at": datetime(2026, 11, 22, 2, 15, tzinfo=UTC),
            "encoding": "UTF8", "collate": "C", "ctype": "C", "owner": "app", "owners": ("app",), "extensions": (),
            "object_counts": {"TABLE": 1}, "toc": stored, "tables": (member,), "large_objects": (),
        }
        | changes
    )  # fmt: skip


def start(request: dict[str, Any], name: str) -> str:
    """Start an execution; its ARN."""
    started = boto3.client("stepfunctions").start_execution(
        stateMachineArn=MACHINE_ARN, name=name, input=json.dumps(request)
    )
    return str(started["executionArn"])


def execution_arn(name: str) -> str:
    """The ARN of the execution with this name."""
    return MACHINE_ARN.replace(":stateMachine:", ":execution:") + f":{name}"


def _nothing() -> None:
    pass


def _ledger_table() -> None:
    boto3.client("dynamodb").create_table(
        TableName="ledger",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )


def _offer() -> None:
    offer = {
        "instanceProfileArn": f"arn:aws:iam::{ACCOUNT}:instance-profile/dbrestore-worker",
        "documentName": "dbrestore-run-job",
        "programUri": "s3://evidence/programs/worker.zip",
    }
    boto3.client("ssm").put_parameter(Name=OFFER_PARAMETER, Value=json.dumps(offer), Type="String")


def _machine() -> None:
    prefix = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
    text = re.sub(r"\$\{(\w+)\}", lambda match: prefix + match[1], DEFINITION.read_text())
    # Waits are hundredths of seconds here, so what isn't there after some attempts will never be.
    text = re.sub(r'("MaxAttempts": )(\d+)', lambda match: match[1] + str(min(int(match[2]), MOST_ATTEMPTS)), text)
    boto3.client("stepfunctions").create_state_machine(
        name="dbrestore", definition=text, roleArn=f"arn:aws:iam::{ACCOUNT}:role/machine"
    )
