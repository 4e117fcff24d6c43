"""What goes wrong, as somebody or something outside does it: each takes the installation, most before the restore begins.

A harm to what is staged is done between StageNativeBackups and RestoreNativeBackups. `fixed` harms are undone by `Installation.fix`.
"""

import json
import socket
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import boto3
from moto.rds.models import DBInstance
from moto.s3.exceptions import S3ClientError
from moto.s3.models import S3Backend, s3_backends

from dbrestore.contract import keys
from dbrestore.contract import limits as lambda_limits
from dbrestore.contract.manifest import Manifest, NativeBackupSet
from dbrestore.contract.names import CA_BUNDLE_KEY
from dbrestore.points import stored_points
from localcloud.backups.files import Written, backup
from localcloud.base import certificates
from localcloud.sqlserver.switches import Failure, Intruder
from localcloud.sqlserver.texts import text
from localcloud.tds import engine as tds_engine
from tests.native.chains import CHAIN, FULL, another
from tests.native.installation import DATABASE, Installation, option_role
from tests.statemachine.engines import SQL_SERVER
from tests.statemachine.world import ACCOUNT
from tests.unit.lambdas.planning.test_plan_restore import free_storage

Harm = Callable[[Installation], None]
GIB = 1 << 30
FOREIGN_REPLICA = f"arn:aws:rds:eu-west-1:{ACCOUNT}:db:far"


# The instance


def change_options(*options: dict[str, Any]) -> Harm:
    """The instance's option group has these options and no other."""

    def harm(native: Installation) -> None:
        rds = boto3.client("rds")
        rds.modify_option_group(OptionGroupName="native", OptionsToRemove=["SQLSERVER_BACKUP_RESTORE"], ApplyImmediately=True)
        if options:
            rds.modify_option_group(OptionGroupName="native", OptionsToInclude=list(options), ApplyImmediately=True)

    return harm


def belongs_to(group: str, status: str) -> Harm:
    """RDS says that the instance has this option group; what would be waited for has been waited for."""

    def harm(native: Installation) -> None:
        said = [{"OptionGroupName": group, "Status": status}]
        native.world.patch.setattr(DBInstance, "option_group_memberships", property(lambda _instance: said))
        native.world.clock.let_pass(seconds=lambda_limits.TARGET_AVAILABLE_WITHIN + 1)

    return harm


def option_goes_away(native: Installation) -> None:
    """After the plan was made."""
    native.engine.instance.backup_restore_option = "applying"


def delete_role(_native: Installation) -> None:
    """The option names a role that is not there any more."""
    boto3.client("iam").delete_role(RoleName=option_role().name)


def distrust_rds(_native: Installation) -> None:
    """The role lets somebody else assume it."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
    boto3.client("iam").update_assume_role_policy(RoleName=option_role().name, PolicyDocument=json.dumps(trust))


def deny_bucket(_native: Installation) -> None:
    """As a permissions boundary or a service control policy would."""
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}]}
    boto3.client("iam").put_role_policy(RoleName=option_role().name, PolicyName="deny", PolicyDocument=json.dumps(policy))


def switch(**values: Any) -> Harm:
    """Switches of the simulated SQL Server."""

    def harm(native: Installation) -> None:
        for name, value in values.items():
            assert hasattr(native.switches, name)
            setattr(native.switches, name, value)

    return harm


def setting(**values: Any) -> Harm:
    """Settings of the simulated SQL Server that RDS's API doesn't tell of."""

    def harm(native: Installation) -> None:
        for name, value in values.items():
            assert hasattr(native.engine.instance, name)
            setattr(native.engine.instance, name, value)

    return harm


def misaligned(native: Installation) -> None:
    """The master user lost its rights, until somebody sets its password anew."""
    native.switches.master_is_misaligned = True
    native.fixes.append(lambda: setattr(native.switches, "master_is_misaligned", False))


def stale_secret(native: Installation) -> None:
    """The secret has another password than the server."""
    right = native.engine.instance.master.password
    native.engine.set_master_password("another password")
    native.fixes.append(lambda: native.engine.set_master_password(right))


def secret_says(text: str) -> Harm:
    """Somebody wrote something else into the secret."""

    def harm(native: Installation) -> None:
        secret = native.instance.master_user_secret.secret
        boto3.client("secretsmanager").put_secret_value(SecretId=secret.arn, SecretString=text)

    return harm


def secret_goes(native: Installation) -> None:
    """The plan has seen the secret; when the worker reads it, it is to be deleted."""
    arn = native.instance.master_user_secret.secret.arn
    native.world.after["PlanRestore"] = lambda: boto3.client("secretsmanager").delete_secret(SecretId=arn, RecoveryWindowInDays=7)


def far_replica(native: Installation) -> None:
    """A read replica in another Region."""
    listed = property(lambda _instance: [FOREIGN_REPLICA])
    native.world.patch.setattr(DBInstance, "read_replica_db_instance_identifiers", listed)


def simple_recovery_to_multi_az(native: Installation) -> None:
    """Only RDS sees the recovery model of a backup."""
    native.engine.instance.multi_az = True
    native.switches.source_recovery_model = "SIMPLE"


def fails_over(native: Installation) -> None:
    """Multi-AZ fails over while RDS restores."""
    native.switches.percent_per_poll = 10
    native.switches.fail_over_at_poll = 5


# The source


def points_says(change: Callable[[NativeBackupSet], dict[str, Any]]) -> Harm:
    """The restore point was made by other means: its manifest says something else about the full backup."""

    def harm(native: Installation) -> None:
        s3 = boto3.client("s3")
        manifest = stored_points.load(s3, "repository", SQL_SERVER)
        [database] = manifest.native_databases
        full = database.backup_sets[0]
        sets = (full.model_copy(update=change(full)), *database.backup_sets[1:])
        _write(manifest.model_copy(update={"native_databases": (database.model_copy(update={"backup_sets": sets}),)}))

    return harm


def _write(manifest: Manifest) -> None:
    key = keys.manifest_key(manifest.instance, manifest.point_id)
    boto3.client("s3").put_object(Bucket="repository", Key=key, Body=manifest.to_json().encode())


def larger_than_5_tb(full: NativeBackupSet) -> dict[str, Any]:
    return {"files": (full.files[0].model_copy(update={"length": (5 << 40) + 1}),)}


def eleven_files(full: NativeBackupSet) -> dict[str, Any]:
    s3, first = boto3.client("s3"), full.files[0]
    files = [first.model_copy(update={"key": f"{first.key.removesuffix('.bak')}-{n}.bak"}) for n in range(11)]
    for file in files:
        s3.copy_object(Bucket="repository", Key=file.key, CopySource={"Bucket": "repository", "Key": first.key})
    return {"files": tuple(files)}


def other_checksums(full: NativeBackupSet) -> dict[str, Any]:
    return {"files": tuple(file.model_copy(update={"sha256": "0" * 64, "crc32": "AAAAAA=="}) for file in full.files)}


def data_files_of_12_gib(full: NativeBackupSet) -> dict[str, Any]:
    return {"database_files": (full.database_files[0].model_copy(update={"size": 12 * GIB}),)}


def of_a_log(_full: NativeBackupSet) -> dict[str, Any]:
    return {"kind": "LOG"}


def of_2022(_full: NativeBackupSet) -> dict[str, Any]:
    return {"version": "16.0.4003"}


def after_planning(harm: Harm) -> Harm:
    """Between PlanRestore and the copying."""
    return lambda native: native.world.after.update(PlanRestore=partial(harm, native))


def replace_in_repository(_native: Installation) -> None:
    """Somebody writes another file over the backup."""
    for key, content in _repository_files():
        boto3.client("s3").put_object(Bucket="repository", Key=key, Body=content + bytes(512))


def _repository_files() -> list[tuple[str, bytes]]:
    s3 = boto3.client("s3")
    listed = s3.list_objects_v2(Bucket="repository", Prefix=f"{SQL_SERVER}/")["Contents"]
    found = [item["Key"] for item in listed if item["Key"].endswith(".bak")]
    return [(key, s3.get_object(Bucket="repository", Key=key)["Body"].read()) for key in found]


# The target


def small_volume(native: Installation) -> None:
    """RDS's metric says that next to nothing is free."""
    free_storage(SQL_SERVER, 1.0)


def express(native: Installation) -> None:
    """The target is an Express edition, the database has 12 GiB of data."""
    native.instance.engine = "sqlserver-ex"
    free_storage(SQL_SERVER, 100.0 * GIB)
    points_says(data_files_of_12_gib)(native)


def express_as_rds_sees_it(native: Installation) -> None:
    """RDS meets more data than Express may hold."""
    native.engine.instance.edition = "ex"
    native.engine.instance.free_storage = 100 * GIB
    replace_staged(backup(Written(files=(("shop", "D:\\shop.mdf", 12 * GIB),))))(native)


def taken(name: str) -> Harm:
    """Somebody has a database of this name."""

    def harm(native: Installation) -> None:
        native.engine.create_database(name)

    return harm


def intruder(before: Any) -> Harm:
    """Somebody makes a database of the name at the last moment."""

    def harm(native: Installation) -> None:
        native.switches.intruders.append(Intruder("Shop", before))
        native.strangers.add("Shop")

    return harm


def asks_for(name: str) -> Harm:
    """The restore is asked for under this name."""
    return lambda native: native.request.update(databases=[{"name": DATABASE, "as": name}])


def left_restoring(native: Installation) -> None:
    """The restored database is RESTORING when it is to be verified."""

    def harm() -> None:
        found = native.engine.database(DATABASE)
        assert found
        found.state = "RESTORING"

    native.world.after["RestoreNativeBackups"] = harm


def log_fails_half_way(native: Installation) -> None:
    """The full backup of a chain is restored, the log after it fails when its task has begun."""
    native.point(*CHAIN)
    native.world.before["RestoreNativeBackups"] = lambda: native.fail_task(
        2, Failure(text("transfer-aborted").line(file="s-01.bak"), leaves_database=True)
    )


# What is staged


def staged(change: Callable[[Any, str, str], object]) -> Harm:
    """Do something with (an S3 client, the temporary bucket, the one key in it) before RDS reads it."""

    def harm(native: Installation) -> None:
        def do() -> None:
            s3 = boto3.client("s3")
            [bucket] = [b["Name"] for b in s3.list_buckets()["Buckets"] if b["Name"] not in ("repository", "evidence")]
            key = s3.list_objects_v2(Bucket=bucket)["Contents"][-1]["Key"]
            change(s3, bucket, key)

        native.world.after["StageNativeBackups"] = do

    return harm


def replace_staged(content: bytes) -> Harm:
    """Another object in the place of the staged one."""
    return staged(lambda s3, bucket, key: s3.put_object(Bucket=bucket, Key=key, Body=content))


def _delete_bucket(s3: Any, bucket: str, key: str) -> None:
    s3.delete_object(Bucket=bucket, Key=key)
    s3.delete_bucket(Bucket=bucket)


def _move_bucket(_s3: Any, bucket: str, _key: str) -> None:
    s3_backends[ACCOUNT]["aws"].buckets[bucket].region_name = "eu-west-1"


def _add_stripes(s3: Any, bucket: str, key: str) -> None:
    for number in range(3, 12):
        s3.put_object(Bucket=bucket, Key=f"{key.removesuffix('02.bak')}{number:02}.bak", Body=b"?")


take_policy_away = staged(lambda s3, bucket, _key: s3.delete_bucket_policy(Bucket=bucket))
delete_object = staged(lambda s3, bucket, key: s3.delete_object(Bucket=bucket, Key=key))
delete_bucket = staged(_delete_bucket)
move_bucket = staged(_move_bucket)
cut_short = replace_staged(backup(FULL)[:-1024])


def of_two_stripes(harm: Harm) -> Harm:
    """The same to the second of two stripes."""

    def striped(native: Installation) -> None:
        native.point(another(FULL, stripe=1, stripes=2, keeps_ids=True), another(FULL, stripe=2, stripes=2, keeps_ids=True))
        harm(native)

    return striped


strangers_stripe = of_two_stripes(replace_staged(backup(another(FULL, stripe=2, stripes=2))))
same_stripe_twice = of_two_stripes(replace_staged(backup(another(FULL, stripe=1, stripes=2, keeps_ids=True))))
too_many_objects = of_two_stripes(staged(_add_stripes))


def other_base(native: Installation) -> None:
    """The staged differential is based on another full backup than the staged one."""
    native.point(FULL, CHAIN[1])
    replace_staged(backup(another(CHAIN[1], base=(20, 1, 1))))(native)


def endpoint_refuses(native: Installation) -> None:
    """S3 refuses to copy between Regions, as it does through a VPC endpoint."""

    def refused(*_: Any, **__: Any) -> None:
        raise S3ClientError("AccessDenied", "VPC endpoints do not support cross-region requests")

    native.world.patch.setattr(S3Backend, "copy_object", refused)


# RDS's tasks


def ends_with(key: str, **values: object) -> Harm:
    """The task ends in ERROR with a text of the simulated server's table."""
    return lambda native: native.switches.fail_next(key, **values)


def ends_saying(words: str) -> Harm:
    """The task ends in ERROR with words that are not in the table."""
    return lambda native: native.switches.failures.append(Failure(words))


def slots_stay_taken(native: Installation) -> None:
    """Two tasks of others that run longer than is waited for."""
    native.bounds = replace(native.bounds, native_slot_wait_seconds=3600)
    native.engine.take_slots(2)


def stuck(native: Installation) -> None:
    """RDS takes the task and doesn't begin it."""
    native.switches.stuck_in_created = True


def cancelled_by_another(native: Installation) -> None:
    """While it runs."""
    native.switches.percent_per_poll = 10
    native.switches.cancel_at_poll = 6


def in_a_transaction(native: Installation) -> None:
    """The submission arrives inside a transaction, which the driver has begun."""

    def begin(session: tds_engine.Session, words: str) -> None:
        session.in_transaction = "rds_restore_database" in words

    def end(session: tds_engine.Session, _: str) -> None:
        session.in_transaction = False

    native.switches.before_batch.append(begin)
    native.switches.after_batch.append(end)


# The network


def bundle_of(make: Callable[[Installation], bytes]) -> Harm:
    """Another CA bundle lies where the worker reads it."""

    def harm(native: Installation) -> None:
        put = partial(boto3.client("s3").put_object, Bucket="evidence", Key=CA_BUNDLE_KEY)
        put(Body=make(native))
        native.fixes.append(lambda: put(Body=native.authority.bundle.read_bytes()))

    return harm


def of_another_authority(native: Installation) -> bytes:
    return certificates.create(native.folder / "another").bundle.read_bytes()


def other_host(native: Installation) -> None:
    """The server's certificate is for another host's name."""
    native.certify_for("elsewhere.example")
    native.fixes.append(lambda: native.certify_for("localhost"))


def closed_port(native: Installation) -> None:
    """Nothing answers on the instance's port, until the instance runs again."""
    native.server.stop()
    native.fixes.append(native.server.start)


def silent_port(native: Installation) -> None:
    """Connections are accepted and nobody answers, as behind a broken proxy."""
    native.bounds = replace(native.bounds, connect_timeout_seconds=0.2)
    native.server.stop()
    silent = socket.create_server(("127.0.0.1", native.server.port))

    def answer_again() -> None:
        silent.close()
        native.server.start()

    native.fixes.append(answer_again)
