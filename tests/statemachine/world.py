"""An account that the product is installed in, on moto in this process: target, repository, ledger, and the inventory of everything."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.ec2.models import ec2_backends
from moto.rds.models import rds_backends
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from dbrestore.contract import keys, names
from dbrestore.contract.errors import NotReady
from dbrestore.contract.names import CA_BUNDLE_KEY
from dbrestore.ledger.stored_rows import Meta
from infrastructure.functions import FUNCTIONS
from infrastructure.statements import policy, session_policy
from lambdas.runtime.bounds import Bounds
from lambdas.runtime.ledger import Ledger
from lambdas.runtime.settings import Settings
from lambdas.runtime.state import Surroundings
from localcloud.base import consistency
from localcloud.base.consistency import Inconsistency
from localcloud.iam import judgement
from tests.moving_clock import MovingClock
from tests.statemachine import plain_moto
from tests.statemachine.engines import INSTANCE, POSTGRES, SQL_SERVER, SQLSERVER, Engine
from tests.statemachine.fake_worker import FakeWorker
from tests.statemachine.sources import POINT, store_native_point, store_point

REGION = "eu-central-1"
ACCOUNT = "123456789012"
DEFINITION = Path(__file__).parents[2] / "statemachine" / "restore_databases.asl.json"
MACHINE_ARN = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:dbrestore"
MOST_ATTEMPTS = 12
TARGET_ROLE = f"dbrestore-target-{REGION}"
REQUEST = POSTGRES.request()
# Of the world's clock, per call of a function where things show late.
SECONDS_BETWEEN_LOOKS = 30
MOST_ATTEMPTS_WHERE_LATE = 60
AS_OFTEN_AS_IT_SAYS = 10**9
OPTION_ROLE = f"arn:aws:iam::{ACCOUNT}:role/rds-reads-backups"
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

Handler = Callable[..., dict[str, Any]]


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
    state, `repeats` says how often each function is called in the place of once, `around` wraps all of them, `change` makes
    another input of a function's."""

    patch: pytest.MonkeyPatch
    worker: FakeWorker = field(default_factory=FakeWorker)
    calls: list[str] = field(default_factory=list)
    before: dict[str, Callable[[], None]] = field(default_factory=dict)
    after: dict[str, Callable[[], None]] = field(default_factory=dict)
    repeats: int = 1
    change: Callable[[str, dict[str, Any]], dict[str, Any]] = lambda _state, event: event
    around: Callable[[], AbstractContextManager[Any]] = nullcontext
    group_list: list[str] = field(default_factory=list)
    subnets: list[str] = field(default_factory=list)
    vpc_id: str = ""
    judged: bool = False
    engine: Engine = POSTGRES
    clock: MovingClock = field(default_factory=MovingClock)
    seconds_between_calls: float = 0
    bounds: Bounds = plain_moto.SHOWN_AT_ONCE
    stopwatch: Callable[[], float] = time.monotonic
    _handlers: dict[str, Handler] = field(default_factory=handlers)
    _inside: threading.local = field(default_factory=threading.local)

    def build(self) -> "World":
        """Everything that stands before a restore begins."""
        plain_moto.install(self.patch)
        plain_moto.serve(self.patch, self.call)
        self.worker.install(self.patch)
        self._network()
        self._buckets()
        self._database_instance()
        _ledger_table()
        _offer()
        _machine()
        self._listen()
        self.calls.clear()
        return self

    def use(self, engine: Engine) -> "World":
        """Restore from and into an instance of this engine, or a cluster."""
        self.engine = engine
        if engine is SQLSERVER:
            self._sql_server_instance()
            store_native_point(SQL_SERVER, ["orders", "crm"])
        if engine.cluster:
            create_cluster(engine, self.group_list)
            store_point(engine.instance, POINT, ["orders", "crm"])
        return self

    def call(self, state: str, event: dict[str, Any]) -> dict[str, Any]:
        """One invocation, as the state machine makes it."""
        assert len(json.dumps(event)) < 256 * 1024, f"{state} gets more than a state may carry"
        self.calls.append(state)
        self.clock.let_pass(seconds=self.seconds_between_calls)
        self.before.get(state, _nothing)()
        self._inside.state = state
        with self.around(), self.inside():
            for _ in range(self.repeats):
                result = self._handlers[state](self.change(state, event), None, self.surroundings(state))
        self.after.get(state, _nothing)()
        return result

    def surroundings(self, state: str = "") -> Surroundings:
        """What a function stands in, with the world's own time, and the session policy of its own state if there are roles."""
        settings = Settings.from_environment()
        if self.judged:
            narrowed = {function.state: session_policy(function.target) for function in FUNCTIONS}
            settings = replace(settings, target_policy=narrowed.get(state))
        return Surroundings(settings=settings, clock=self.clock, stopwatch=self.stopwatch, bounds=self.bounds)

    def try_as_often_as_the_definition_says(self) -> None:
        """For waits that take no time, however many looks they are."""
        _machine(AS_OFTEN_AS_IT_SAYS)

    def asked_by(self) -> str:
        """The state whose function is at work in this thread, or in a thread of its own the one that was called last."""
        return str(getattr(self._inside, "state", None) or self.calls[-1])

    def invoke(self, handler: Handler, event: dict[str, Any]) -> dict[str, Any]:
        """One invocation of a function by itself."""
        self.clock.let_pass(seconds=self.seconds_between_calls)
        return handler(event, None, self.surroundings())

    def until_done(self, handler: Handler, event: dict[str, Any]) -> dict[str, Any]:
        """Call like the state's Retry does."""
        for _ in range(200):
            with suppress(NotReady):
                return dict(self.invoke(handler, event))
        raise AssertionError("never ready")

    def judge(self) -> None:
        """From here on functions may do in the target's account what the TargetStack's role and their own session policy let them."""
        role = json.dumps(policy([statement for function in FUNCTIONS for statement in function.target], self._places()))
        iam = boto3.client("iam")
        iam.create_role(RoleName=TARGET_ROLE, AssumeRolePolicyDocument=role)
        iam.put_role_policy(RoleName=TARGET_ROLE, PolicyName="target", PolicyDocument=role)
        profile = f"dbrestore-worker-{REGION}"
        iam.create_instance_profile(InstanceProfileName=profile)
        _offer(profile)
        self.patch.setattr(judgement, "_is_judging", True)
        self.judged = True

    def _places(self) -> dict[str, str | tuple[str, ...]]:
        nothing_in_place: dict[str, tuple[str, ...]] = dict.fromkeys(("in_place_bucket", "in_place_files", "in_place_key"), ())
        buckets = {name: f"arn:aws:s3:::{name}" for name in ("repository", "evidence", "program")}
        control = {"control": ACCOUNT, "control_region": REGION, "prefix": "dbrestore"}
        control |= {"repository_keys": f"arn:aws:kms:*:{ACCOUNT}:key/*", "volume_keys": f"arn:aws:kms:{REGION}:*:key/*"}
        return {"partition": "aws", "region": REGION, "account": ACCOUNT, "vpc": self.vpc_id, **control, **buckets, **nothing_in_place}

    def be_inconsistent(self, seed: int) -> Inconsistency:
        """From here on functions meet AWS as it is in the first minutes of a thing's life, and time passes between their calls."""
        late = Inconsistency(seed, now=lambda: self.clock().timestamp(), applies=lambda: getattr(self._inside, "function", False))
        self.patch.setattr(consistency, "_current", late)
        self.seconds_between_calls = SECONDS_BETWEEN_LOOKS
        usual = Bounds()
        self.bounds = replace(
            self.bounds, visible_after=usual.visible_after, shown_within=usual.shown_within, looks_apart=usual.looks_apart
        )
        _machine(MOST_ATTEMPTS_WHERE_LATE)
        receive = self.worker.receive

        def outside(command: object) -> None:
            with self.inside(function=False):
                receive(command)

        self.patch.setattr(self.worker, "receive", outside)
        return late

    @contextmanager
    def inside(self, *, function: bool = True) -> Iterator[None]:
        """What happens in here is a function's doing, or, within one, somebody else's."""
        before = getattr(self._inside, "function", False)
        self._inside.function = function
        try:
            yield
        finally:
            self._inside.function = before

    def run(self, request: dict[str, Any] | None = None, name: str = "restore-1") -> dict[str, Any]:
        """One execution from its start to its end: DescribeExecution's answer."""
        arn = start(request or self.engine.request(), name)
        return self.wait(arn)

    def wait(self, execution_arn: str, seconds: float = 240.0) -> dict[str, Any]:
        """The execution when it is over."""
        # moto's own object: polling through boto3, or looking it up each time, would take more time than the execution.
        execution = stepfunctions_parser_backends[ACCOUNT][REGION].describe_execution(execution_arn)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if execution.exec_status != "RUNNING":
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
        return self.surroundings().ledger(names.restore_id(execution_arn(name)))

    def report(self, name: str = "restore-1") -> dict[str, Any]:
        """The report of a restore."""
        key = keys.report_key(names.restore_id(execution_arn(name)))
        body = boto3.client("s3").get_object(Bucket="evidence", Key=key)["Body"].read()
        return dict(json.loads(body))

    def events(self) -> list[dict[str, Any]]:
        """The ends that the product told the bus of since the last call."""
        return [event for event in self.heard() if event["detail"]["status"] != "RUNNING"]

    def heard(self) -> list[dict[str, Any]]:
        """All of the product's events that reached the bus since the last call."""
        sqs = boto3.client("sqs")
        url = sqs.get_queue_url(QueueName="heard")["QueueUrl"]
        found = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found += [json.loads(message["Body"]) for message in messages]
        return found

    def inventory(self, *, target_is_gone: bool = False) -> dict[str, Any]:
        """Everything that a restore could leave behind; what is gone has no list of groups."""
        ec2 = boto3.client("ec2")
        reservations = ec2.describe_instances()["Reservations"]
        instances = [i for r in reservations for i in r["Instances"] if i["State"]["Name"] != "terminated"]
        groups = ec2.describe_security_groups()["SecurityGroups"]
        items = boto3.client("dynamodb").scan(TableName="ledger", ConsistentRead=True)["Items"]
        held = [i for i in items if i["sk"]["S"] == "LOCK" and "restoreId" in i]
        return {
            "instances": sorted(i["InstanceId"] for i in instances),
            "volumes": sorted(v["VolumeId"] for v in ec2.describe_volumes()["Volumes"]),
            "interfaces": sorted(i["NetworkInterfaceId"] for i in ec2.describe_network_interfaces()["NetworkInterfaces"]),
            "groups": sorted(g["GroupId"] for g in groups),
            "rules": sorted(json.dumps([g["IpPermissions"], g["IpPermissionsEgress"]], sort_keys=True) for g in groups),
            **({} if target_is_gone else {"group list": sorted(self.groups_of_instance())}),
            "databases": sorted(self.worker.databases),
            "roles": sorted(self.worker.roles),
            "native tasks": sorted(self.worker.native.tasks),
            "buckets": sorted(b["Name"] for b in boto3.client("s3").list_buckets()["Buckets"]),
            "staged": staged(),
            "open restores": sorted(i["sk"]["S"] for i in items if i["pk"]["S"] == "OPEN"),
            "unclosed": sorted(i["pk"]["S"] for i in items if i["sk"]["S"] == "META" and i["status"]["S"] != "CLOSED"),
            "locks": sorted(i["pk"]["S"] for i in held),
        }

    def groups_of_instance(self) -> list[str]:
        """The target's list of security groups."""
        rds, name = boto3.client("rds"), self.engine.instance
        told: Any = (
            rds.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0]
            if self.engine.cluster
            else rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
        )
        return [g["VpcSecurityGroupId"] for g in told["VpcSecurityGroups"] if g["Status"] != "removing"]

    def change_group_list(self, *groups: str) -> None:
        """Somebody else's ModifyDBInstance or ModifyDBCluster."""
        rds, name = boto3.client("rds"), self.engine.instance
        if self.engine.cluster:
            rds.modify_db_cluster(DBClusterIdentifier=name, VpcSecurityGroupIds=list(groups))
        else:
            rds.modify_db_instance(DBInstanceIdentifier=name, VpcSecurityGroupIds=list(groups))

    def _network(self) -> None:
        ec2 = boto3.client("ec2")
        self.vpc_id = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        self.subnets = sorted(s["SubnetId"] for s in ec2.describe_subnets()["Subnets"])
        standing = self.group("dbrestore-standing", {names.STANDING: "worker"})
        _endpoints(self.vpc_id, self.subnets, standing)
        iam = boto3.client("iam")
        iam.create_instance_profile(InstanceProfileName="dbrestore-worker")

    def group(self, name: str, tags: dict[str, str] | None = None) -> str:
        """A security group that isn't ours."""
        labels: Any = [{"Key": key, "Value": value} for key, value in (tags or {"owner": "somebody"}).items()]
        created = boto3.client("ec2").create_security_group(
            GroupName=name,
            Description=name,
            VpcId=self.vpc_id,
            TagSpecifications=[{"ResourceType": "security-group", "Tags": labels}],
        )
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
        rds.create_db_subnet_group(DBSubnetGroupName="private", DBSubnetGroupDescription="private", SubnetIds=self.subnets)
        create_instance(INSTANCE, self.group_list)

    def _sql_server_instance(self) -> None:
        rds = boto3.client("rds")
        rds.create_option_group(
            OptionGroupName="native",
            EngineName="sqlserver-se",
            MajorEngineVersion="15.00",
            OptionGroupDescription="native",
        )
        option: Any = {
            "OptionName": "SQLSERVER_BACKUP_RESTORE",
            "OptionSettings": [{"Name": "IAM_ROLE_ARN", "Value": OPTION_ROLE}],
        }
        rds.modify_option_group(OptionGroupName="native", OptionsToInclude=[option], ApplyImmediately=True)
        create_instance(
            SQL_SERVER,
            self.group_list,
            Engine="sqlserver-se",
            EngineVersion="15.00.4430.1.v1",
            Port=1433,
            LicenseModel="license-included",
            MasterUsername="admin",
            OptionGroupName="native",
        )

    def _listen(self) -> None:
        sqs, events = boto3.client("sqs"), boto3.client("events")
        queue = sqs.get_queue_attributes(QueueUrl=sqs.create_queue(QueueName="heard")["QueueUrl"], AttributeNames=["QueueArn"])[
            "Attributes"
        ]["QueueArn"]
        events.put_rule(Name="heard", EventPattern=json.dumps({"source": ["dbrestore.restore"]}))
        events.put_targets(Rule="heard", Targets=[{"Id": "queue", "Arn": queue}])


def _endpoints(vpc_id: str, subnets: list[str], group: str) -> None:
    """A way to AWS for every subnet. Straight into moto: five calls less for each of some thousand tests."""
    ec2 = ec2_backends[ACCOUNT][REGION]
    ec2.authorize_security_group_ingress(group, "tcp", 443, 443, [], source_groups=[{"GroupId": group}])
    (main,) = ec2.describe_route_tables(filters={"vpc-id": [vpc_id]})
    ec2.create_vpc_endpoint(vpc_id, f"com.amazonaws.{REGION}.s3", "Gateway", None, [main.id])
    for service in ("ssm", "ssmmessages", "ec2messages", "secretsmanager"):
        ec2.create_vpc_endpoint(
            vpc_id,
            f"com.amazonaws.{REGION}.{service}",
            "Interface",
            None,
            [],
            subnet_ids=subnets,
            security_group_ids=[group],
            private_dns_enabled=True,
        )


def create_instance(name: str, groups: list[str], **more: Any) -> None:
    """An instance with a managed secret and 10 GiB of free storage, of PostgreSQL unless told otherwise."""
    settings = {
        "Engine": "postgres",
        "EngineVersion": "16.4",
        "DBInstanceClass": "db.m6g.large",
        "AllocatedStorage": 20,
        "MasterUsername": "postgres",
        "ManageMasterUserPassword": True,
        "VpcSecurityGroupIds": groups,
        "DBSubnetGroupName": "private",
        "AvailabilityZone": f"{REGION}b",
        "Port": 5432,
    }
    boto3.client("rds").create_db_instance(DBInstanceIdentifier=name, **(settings | more))
    # moto gives all instances the same.
    rds_backends[ACCOUNT][REGION].databases[name].dbi_resource_id = f"db-{name.upper()}"
    _free_storage(name)


def create_cluster(engine: Engine, groups: list[str], **more: Any) -> None:
    """A cluster with a managed secret: Aurora's with a writer and a reader, or a Multi-AZ DB cluster with 10 GiB of free storage."""
    rds, settings = boto3.client("rds"), dict(engine.cluster)
    of_both: dict[str, Any] = {
        "EngineVersion": "16.4",
        "MasterUsername": "postgres",
        "ManageMasterUserPassword": True,
        "VpcSecurityGroupIds": groups,
        "DBSubnetGroupName": "private",
    }
    rds.create_db_cluster(DBClusterIdentifier=engine.instance, **(of_both | settings | more))
    if "DBClusterInstanceClass" in settings:
        _free_storage(f"{engine.instance}-instance-1")
        return
    for number, zone in enumerate("ab", 1):
        rds.create_db_instance(
            DBInstanceIdentifier=f"{engine.instance}-{number}",
            DBClusterIdentifier=engine.instance,
            Engine=settings["Engine"],
            DBInstanceClass="db.r6g.large",
            AvailabilityZone=f"{REGION}{zone}",
        )


def _free_storage(name: str) -> None:
    free: Any = {
        "MetricName": "FreeStorageSpace",
        "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": name}],
        "Value": 10.0 * 1024**3,
        "Timestamp": datetime.now(UTC) - timedelta(minutes=1),
        "Unit": "Bytes",
    }
    boto3.client("cloudwatch").put_metric_data(Namespace="AWS/RDS", MetricData=[free])


def staged() -> list[str]:
    """What lies in temporary buckets, uploads that were not finished included."""
    s3, found = boto3.client("s3"), []
    for name in (b["Name"] for b in s3.list_buckets()["Buckets"]):
        if name not in ("repository", "evidence"):
            found += [f"{name}/{item['Key']}" for item in s3.list_objects_v2(Bucket=name).get("Contents", [])]
            found += [f"{name}/{item['Key']}" for item in s3.list_multipart_uploads(Bucket=name).get("Uploads", [])]
    return sorted(found)


def start(request: dict[str, Any], name: str) -> str:
    """Start an execution; its ARN."""
    started = boto3.client("stepfunctions").start_execution(stateMachineArn=MACHINE_ARN, name=name, input=json.dumps(request))
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


def _offer(profile: str = "dbrestore-worker") -> None:
    offer = {
        "instanceProfileArn": f"arn:aws:iam::{ACCOUNT}:instance-profile/{profile}",
        "documentName": "dbrestore-run-job",
        "programUri": "s3://evidence/programs/worker.zip",
    }
    boto3.client("ssm").put_parameter(Name="/dbrestore/target", Value=json.dumps(offer), Type="String", Overwrite=True)


def _machine(most_attempts: int = MOST_ATTEMPTS) -> None:
    prefix = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
    text = re.sub(r"\$\{(\w+)\}", lambda match: prefix + match[1], DEFINITION.read_text())
    # Waits are hundredths of seconds here, so what isn't there after some attempts will never be.
    text = re.sub(r'("MaxAttempts": )(\d+)', lambda match: match[1] + str(min(int(match[2]), most_attempts)), text)
    machines: Any = boto3.client("stepfunctions")
    if machines.list_state_machines()["stateMachines"]:
        machines.update_state_machine(stateMachineArn=MACHINE_ARN, definition=text)
    else:
        machines.create_state_machine(name="dbrestore", definition=text, roleArn=f"arn:aws:iam::{ACCOUNT}:role/machine")
