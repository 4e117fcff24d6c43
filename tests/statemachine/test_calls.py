"""What the functions really call, in which account, against what the table of functions grants them."""

import base64
import json
import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote_to_bytes

import boto3
import pytest
from moto.core.botocore_stubber import BotocoreStubber
from moto.sts.models import sts_backends

from dbrestore.contract import limits
from dbrestore.contract.job import JobKind
from dbrestore.contract.names import restore_id
from infrastructure.functions import FUNCTIONS, Function
from infrastructure.statements import Statement
from lambdas.runtime.open_restores import request_cancel
from lambdas.runtime.state import Surroundings
from localcloud.s3 import glacier_objects
from tests.statemachine.api_calls import ACCESS, configure, event
from tests.statemachine.arrivals import DUMPS, NATIVE, Arrivals
from tests.statemachine.conftest import installed
from tests.statemachine.copied_dumps import LARGE, ordered_of
from tests.statemachine.engines import AURORA, INSTANCE, MULTI_AZ, POSTGRES, SQLSERVER, Engine
from tests.statemachine.fake_worker import end_without_result, leave_unfinished, lose_worker
from tests.statemachine.test_added_points import CUSTOM, order, prepared, really_read
from tests.statemachine.test_archive import archive, files
from tests.statemachine.world import ACCOUNT, REGION, REQUEST, World, execution_arn
from tests.unit.points.sqlserver.backups import Written, backup

# One process records for all of these tests.
pytestmark = pytest.mark.xdist_group("recorded-calls")
# IAM's names where they differ from the API's; a transaction needs the permissions of its parts.
ACTIONS = {
    "dynamodb:TransactWriteItems": ("PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem"),
    "s3:HeadObject": ("GetObject",),
    "s3:HeadBucket": ("ListBucket",),
    "s3:ListObjectsV2": ("ListBucket",),
    "s3:ListObjectVersions": ("ListBucketVersions",),
    "s3:ListParts": ("ListMultipartUploadParts",),
    "s3:ListMultipartUploads": ("ListBucketMultipartUploads",),
    "s3:CreateMultipartUpload": ("PutObject",),
    "s3:CompleteMultipartUpload": ("PutObject",),
    "s3:CopyObject": ("GetObject", "PutObject"),
    "s3:UploadPartCopy": ("GetObject", "PutObject"),
    "s3:DeleteObjects": ("DeleteObject",),
    "s3:PutBucketEncryption": ("PutEncryptionConfiguration",),
    "s3:PutBucketLifecycleConfiguration": ("PutLifecycleConfiguration",),
    "s3:PutPublicAccessBlock": ("PutBucketPublicAccessBlock",),
}
# Seconds, for a role that assumes a role (IAM User Guide, "Role chaining").
LONGEST_CHAINED_SESSION = 3600
PREFIXES = {"eventbridge": "events", "secrets-manager": "secretsmanager", "sfn": "states"}
Calls = dict[tuple[str, str], set[str]]


class Recorder:
    """Every request of a function: its state, the account it went to, the actions it needs."""

    def __init__(self, world: World) -> None:
        self.calls: Calls = defaultdict(set)
        self.roles: list[dict[str, str]] = []
        self.modifications: list[dict[str, Any]] = []
        self.said: list[tuple[str, bytes]] = []
        self.secrets: list[bytes] = []
        self._world = world
        self._is_on = False
        through = BotocoreStubber.__call__

        def listen(stub: Any, event_name: str, request: Any, **more: Any) -> Any:
            # The flow itself invokes functions, while one that an API calls may be at work.
            if self._is_on and not event_name.endswith(".lambda.Invoke"):
                self._note(event_name, request)
            return through(stub, event_name, request, **more)

        world.patch.setattr(BotocoreStubber, "__call__", listen)
        world.around = self
        receive = world.worker.receive
        world.patch.setattr(world.worker, "receive", lambda command: self._aside(receive, command))

    def __call__(self) -> "Recorder":
        return self

    def __enter__(self) -> None:
        self._is_on = True

    def __exit__(self, *_: object) -> None:
        self._is_on = False

    def _aside(self, work: Any, command: Any) -> None:
        self._is_on = False
        work(command)
        self._is_on = True

    def _note(self, event_name: str, request: Any) -> None:
        _, service, operation = event_name.split(".")
        # Keys of an assumed role begin with ASIA.
        account = "target" if b"Credential=ASIA" in _bytes(request.headers["Authorization"]) else "control"
        actions = ACTIONS.get(f"{service}:{operation}", (operation,))
        prefix = PREFIXES.get(service, service)
        self.said.append((f"{prefix}:{operation}", _readable(request)))
        self.calls[self._world.asked_by(), account] |= {f"{prefix}:{action}" for action in actions}
        if operation in ("AssumeRole", "ModifyDBInstance", "ModifyDBCluster"):
            asked = {key: values[0] for key, values in parse_qs(_bytes(request.body).decode()).items()}
            (self.roles if operation == "AssumeRole" else self.modifications).append(asked)


def _bytes(value: Any) -> bytes:
    if hasattr(value, "read"):
        content = value.read()
        value.seek(0)
        return _bytes(content)
    return value if isinstance(value, bytes) else str(value).encode()


def _readable(request: Any) -> bytes:
    """Address and body, as they are and without their encodings: percent signs, and base64 of a boot script."""
    text = request.url.encode() + b"\n" + _bytes(request.body)
    scripts = [base64.b64decode(value) for value in parse_qs(text.partition(b"\n")[2]).get(b"UserData", [])]
    return b"\n".join([text, unquote_to_bytes(text), *scripts])


def secrets_of_sessions() -> list[bytes]:
    """What would let somebody else continue a session that a function opened."""
    sessions = sts_backends[ACCOUNT]["aws"].assumed_roles
    return [text.encode() for one in sessions for text in (one.access_key_id, one.secret_access_key, one.session_token)]


def granted(statements: tuple[Statement, ...]) -> set[str]:
    return {action for statement in statements for action in statement.actions}


@pytest.fixture(scope="module")
def recorded() -> Recorder:
    """What all that a restore or a restore point goes through called, written down once for all tests here."""
    with pytest.MonkeyPatch.context() as patch, installed(patch) as world:
        return _record(world)


def _record(world: World) -> Recorder:
    """A good restore, one whose worker dies, one that is stopped while its job runs and cleaned up by the sweeper; two of SQL Server, a
    good one and one whose worker dies while RDS restores; one out of the archive; two into clusters; and three whose job ends without a
    result."""
    recorder = Recorder(world)
    world.run()
    _replace(world)
    world.worker.behaviour["verify"] = lose_worker
    world.run({**REQUEST, "databases": ["crm"]}, name="restore-2")
    world.worker.behaviour = {"replay": leave_unfinished}
    world.before["ReplayDumps"] = lambda: _cancel_after_some_polls(world)
    world.run({**REQUEST, "databases": [{"name": "orders", "as": "again"}]}, name="restore-3")
    world.sweep()
    world.worker.behaviour = {}
    good = world.use(SQLSERVER).run({**SQLSERVER.request(), "databases": [{"name": "orders", "as": "native"}]}, name="restore-4")
    assert good["status"] == "SUCCEEDED", good
    world.worker.behaviour = {"restore": lose_worker}
    world.run(SQLSERVER.request("crm"), name="restore-5")
    _end_without_result(world, SQLSERVER, "restore", "restore-9")
    world.worker.behaviour = {}
    _ask_over_http(world.use(POSTGRES))
    archive("GLACIER", *files(INSTANCE))
    world.after["RetrieveArchive"] = lambda: _tell_of_arrivals(world)
    world.use(POSTGRES).run({**REQUEST, "databases": [{"name": "crm", "as": "archived"}]}, name="restore-6")
    _end_without_result(world, POSTGRES, "replay", "restore-10")
    _end_without_result(world, POSTGRES, "verify", "restore-11")
    world.worker.behaviour = {}
    _ask_for_a_worker(world)
    for number, engine in enumerate((AURORA, MULTI_AZ), 7):
        world.use(engine).run(name=f"restore-{number}")
    _make_points(world.use(POSTGRES))
    _adopt(world)
    recorder.secrets = secrets_of_sessions()
    return recorder


def _ask_over_http(world: World) -> None:
    """A plan, and a restore that a second person approves; what the callers see of both, to the report."""
    with tempfile.TemporaryDirectory() as folder:
        rules = [{**rule, "approval": "second-person"} if "restore" in rule["may"] else rule for rule in ACCESS["rules"]]
        configure(world, Path(folder), {**ACCESS, "rules": rules})
        body = {"target": REQUEST["target"], "databases": [{"name": "orders", "as": "orders_asked"}]}
        _answered(world, "POST", "/v1/plans", body, key="plan")
        _answered(world, "GET", f"/v1/points?dbInstance={REQUEST['target']['dbInstance']}", caller="reader")
        path = _answered(world, "POST", "/v1/restores", body, key="restore")["links"]["self"]
        while _answered(world, "GET", path)["status"] != "WAITING_FOR_APPROVAL":
            time.sleep(0.05)
        decision = {"decision": "approve"}
        _answered(world, "POST", f"/iam{path}/approval", decision, caller="arn:aws:sts::123456789012:assumed-role/dba/jane")
        while _answered(world, "GET", path)["status"] == "RUNNING":
            time.sleep(0.05)
        assert _answered(world, "GET", "/v1/restores")["restores"]
        world.call("AnswerApi", event("GET", f"{path}/report"))


def _replace(world: World) -> None:
    """A restore that takes the name of a database, which then has it again, and once more not."""
    assert world.run({**REQUEST, "onConflict": "replace"}, name="restore-12")["status"] == "SUCCEEDED"
    of = restore_id(execution_arn("restore-12"))
    for action in ("undo", "swap"):
        ended = world.run({"swap": {"action": action, "restoreId": of}}, name=f"{action}-1")
        assert ended["status"] == "SUCCEEDED", ended


def _make_points(world: World) -> None:
    """One that is finished, and one that isn't and goes."""
    world.worker.behaviour = {"read": really_read}
    assert world.run(order(prepared(CUSTOM)), name="restore-13")["status"] == "SUCCEEDED"
    prepared(CUSTOM)
    world.clock.let_pass(seconds=timedelta(hours=49).total_seconds())
    assert world.call("RemoveAbandonedPoints", {})["objects"] == 1
    _copy(world)


def _copy(world: World) -> None:
    """Dumps that the execution copies: one in parts, and one that turns out to be damaged, beside an upload that nobody ended."""
    world.bounds = replace(world.bounds, staging_part_bytes=5 << 20)
    assert world.run(order(ordered_of(LARGE)), name="restore-14")["status"] == "SUCCEEDED"
    cut = ordered_of(CUSTOM[:-60])
    boto3.client("s3").create_multipart_upload(Bucket="repository", Key=f"{cut.prefixes[0]}db0/dump.pgdump")
    assert world.run(order(cut), name="restore-15")["error"] == "BackupDamaged"


def _adopt(world: World) -> None:
    """A dump, and a native backup, of which an event tells."""
    with tempfile.TemporaryDirectory() as folder:
        (path := Path(folder) / "adoption.json").write_text(json.dumps({"rules": [DUMPS, NATIVE]}))
        world.patch.setenv("ADOPTION_CONFIGURATION", str(path))
        arrivals = Arrivals(world, boto3.client("s3"))
        # One after the other: what a function calls in threads of its own is taken for that of the state that was called last.
        arrivals.put("pg/monday/orders.dump", CUSTOM)
        arrivals.settle()
        arrivals.settle()
        arrivals.put("native/orders.bak", backup(Written()))
        arrivals.settle()
        assert [one.state for rule in ("dumps", "native") for one in arrivals.state(rule).adopted] == ["MADE", "MADE"]


def _answered(world: World, method: str, path: str, body: Any = None, **options: Any) -> Any:
    answer = world.call("AnswerApi", event(method, path, body, **options))
    assert answer["statusCode"] < 300, answer
    return json.loads(answer["body"])


def _end_without_result(world: World, engine: Engine, job: JobKind, name: str) -> None:
    """Whoever reports that asks for more than who reports anything else."""
    world.worker.behaviour = {job: end_without_result}
    ended = world.run(engine.request("crm"), name=name)
    assert ended["error"] == "WorkerFailed", ended


def _tell_of_arrivals(world: World) -> None:
    for key in glacier_objects.finish("repository"):
        world.call("HearRetrieval", {"detail": {"object": {"key": key}}})


def _ask_for_a_worker(world: World) -> None:
    """With an image and a proxy, so that everything is looked at."""
    asked = {"imageId": "ami-0123456789abcdef0", "proxy": "https://proxy.example.com"}
    world.call("CheckWorkerConfiguration", {"dbInstance": REQUEST["target"]["dbInstance"], "worker": asked})


def _cancel_after_some_polls(world: World) -> None:
    if world.calls.count("ReplayDumps") == 5:
        request_cancel(Surroundings().table, world.ledger("restore-3").restore_id)


def test_a_function_calls_only_what_its_row_grants(recorded: Recorder) -> None:
    rows: dict[str, Function] = {row.state: row for row in FUNCTIONS}

    of_the_flow = {row.state for row in FUNCTIONS if not row.answers_commands}
    assert {state for state, _ in recorded.calls} == of_the_flow | {"CheckWorkerConfiguration", "ListAdoptions"}
    for (state, account), actions in recorded.calls.items():
        row = rows[state]
        allowed = granted(row.own_statements if account == "control" else row.target)
        assert actions <= allowed, (state, account, actions - allowed)


def test_the_target_is_reached_through_its_role_alone(recorded: Recorder) -> None:
    assert {role["RoleArn"] for role in recorded.roles} == {f"arn:aws:iam::{ACCOUNT}:role/dbrestore-target-{REGION}"}
    assert {role["ExternalId"] for role in recorded.roles} == {"0123456789abcdef"}
    assert all(role["RoleSessionName"].startswith("r-") for role in recorded.roles)
    in_control = {action.split(":")[0] for (_, account), actions in recorded.calls.items() if account == "control" for action in actions}
    assert in_control <= {"dynamodb", "s3", "sts", "events", "states"}


def test_no_session_outlives_its_hour(recorded: Recorder) -> None:
    assert {int(role["DurationSeconds"]) for role in recorded.roles} == {limits.SESSION_SECONDS}
    assert limits.SESSION_SECONDS <= LONGEST_CHAINED_SESSION


def test_no_function_hands_its_credentials_on(recorded: Recorder) -> None:
    """Neither to a worker (boot script, command, job) nor to anybody else: they are in no address and in no body of a request."""
    told = {operation for operation, _ in recorded.said}

    handed_on = {operation for operation, text in recorded.said for secret in recorded.secrets if secret in text}

    assert told >= {
        "ec2:RunInstances",
        "ssm:SendCommand",
        "s3:PutObject",
        "dynamodb:TransactWriteItems",
        "s3:CopyObject",
    }
    assert len(recorded.secrets) >= 3 * len(recorded.roles)
    assert any(b"#!/bin/bash" in text for operation, text in recorded.said if operation == "ec2:RunInstances")
    assert handed_on == set()


def test_the_group_list_is_all_that_is_ever_changed_of_an_instance_or_a_cluster(recorded: Recorder) -> None:
    assert {asked["Action"] for asked in recorded.modifications} == {"ModifyDBInstance", "ModifyDBCluster"}
    for asked in recorded.modifications:
        changed = {key.split(".")[0] for key in asked} - {"Action", "Version", "DBInstanceIdentifier", "DBClusterIdentifier"}
        assert changed == {"VpcSecurityGroupIds"}


def test_a_session_is_narrowed_by_the_functions_policy(world: World) -> None:
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    world.patch.setenv("TARGET_POLICY", policy)
    recorder = Recorder(world)

    world.run()

    assert {role["Policy"] for role in recorder.roles} == {policy}
