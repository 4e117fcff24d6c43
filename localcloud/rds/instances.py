"""RDS DB instances as the product meets them: a real PostgreSQL server behind `postgres`, a simulated SQL Server behind `sqlserver-*`.

| moto 5.2.5 | fixed to |
|---|---|
| no engine, `available` at once | a server, `creating` until it accepts connections |
| endpoint `<id>.aaaaaaaaaa...:5432`, or 1433 | `localhost` and the server's port, absent while creating |
| managed secret `admin`/`P@55w0rd!` | the master's name, a random password, rotation that really changes it |
| default version 9.3.3, any accepted | 17.10; those of `localcloud.postgresql.versions`, others: `InvalidParameterCombination` |
| ModifyDBInstance changes the version's text | another one than the server's: `InvalidParameterCombination` |
| default version 11.00.2100.60.v1 of SQL Server | 15.00.4430.1.v1; the simulated server is of the version that was asked for |
| DBName and no LicenseModel of SQL Server | `InvalidParameterValue`; `license-included` |
| no subnet group | `default`, made of the default VPC's subnets |
| the same DbiResourceId everywhere | one per instance |
| any VpcSecurityGroupIds accepted | unknown: `InvalidParameterValue`; more than 5: `InvalidParameterValue` too |
| groups always `active` | `adding` and `removing` for a (scaled) while |
| no FreeStorageSpace in CloudWatch | allocated storage less the real size of the data directory, or the simulated one of the databases |
| a replica has its source's DbiResourceId; one in another Region cannot be deleted | its own; can |

In which states it may be modified: `localcloud.rds.instance_states`. Option groups: `localcloud.rds.option_groups`. Not fixed:
DeleteDBInstance makes the instance vanish at once; snapshots and replicas have no server; parameter groups change nothing.
"""

import json
import secrets
import string
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from moto.cloudwatch.models import MetricDatum
from moto.core.common_models import CloudWatchMetricProvider
from moto.core.utils import utcnow
from moto.ec2.models import ec2_backends
from moto.rds.exceptions import RDSClientError
from moto.rds.models import DBInstance, DBSubnetGroup, MasterUserSecret, RDSBackend, rds_backends

from localcloud.base import clock
from localcloud.base.certificates import Authority
from localcloud.base.corrections import fix
from localcloud.postgresql import versions as postgresql_versions
from localcloud.postgresql.distributions import VersionNotAvailable
from localcloud.rds import database_servers, instance_states, option_groups
from localcloud.sqlserver import instances as sqlserver_instances

# "VPC security groups per DB instance", a quota that AWS does not raise.
GROUPS_PER_INSTANCE = 5
# Seconds on AWS until a changed group list is active (assumed).
GROUP_CHANGE = 30.0


def install(directory: Path, time_scale: float, authority: Authority) -> None:
    """Fix moto's RDS. Servers live under `directory`/rds with certificates of `authority` (its `bundle` is the CA that clients trust)."""
    clock.set_scale(time_scale)
    database_servers.install(directory / "rds", authority)
    sqlserver_instances.install()
    DBInstance.default_engine_versions[database_servers.POSTGRESQL] = postgresql_versions.DEFAULT
    fix(DBInstance, "__init__", _describe_truly)
    fix(DBInstance, "address", _address)
    fix(DBInstance, "endpoint", _endpoint)
    fix(DBInstance, "vpc_security_group_membership_list", _group_memberships)
    fix(MasterUserSecret, "_generate_secret_string", _secret_string)
    fix(MasterUserSecret, "rotate_secret", _rotate_secret)
    fix(RDSBackend, "create_db_instance", _create)
    fix(RDSBackend, "modify_db_instance", _modify)
    instance_states.install()
    fix(RDSBackend, "stop_db_instance", _stop)
    fix(RDSBackend, "start_db_instance", _start)
    fix(RDSBackend, "delete_db_instance", _delete)
    fix(RDSBackend, "create_db_instance_read_replica", _create_replica)
    fix(DBInstance, "remove_replica", _remove_replica)


def shutdown() -> None:
    """End all database servers and delete their data."""
    database_servers.shutdown()


class FreeStorageSpace(CloudWatchMetricProvider):  # type: ignore[misc] # moto is untyped
    """The metric `FreeStorageSpace` of namespace `AWS/RDS`: bytes, one point, a minute old, measured when it is asked for."""

    @staticmethod
    def get_cloudwatch_metrics(account_id: str, region: str) -> list[Any]:
        return [
            MetricDatum(
                "AWS/RDS",
                "FreeStorageSpace",
                server.free_bytes(),
                [{"Name": "DBInstanceIdentifier", "Value": instance.db_instance_identifier}],
                utcnow() - timedelta(minutes=1),
                "Bytes",
            )
            for instance in list(rds_backends[account_id][region].databases.values())
            if (server := database_servers.server_of(instance))
        ]


def _create(original: Callable[..., Any], backend: Any, db_kwargs: Any) -> Any:
    _check_groups(backend, db_kwargs.get("vpc_security_group_ids") or [])
    is_ours = db_kwargs.get("engine") in database_servers.ENGINES
    if is_ours and not (db_kwargs.get("manage_master_user_password") or db_kwargs.get("master_user_password")):
        raise RDSClientError("InvalidParameterValue", "The parameter MasterUserPassword must be provided and must not be blank.")
    if db_kwargs.get("engine") in sqlserver_instances.ENGINES:
        sqlserver_instances.complete(db_kwargs)
    if db_kwargs.get("engine") == database_servers.POSTGRESQL:
        db_kwargs["engine_version"] = _version_to_run(db_kwargs.get("engine_version"))
    instance = original(backend, db_kwargs)
    if is_ours:
        database_servers.create(instance, _password(instance))
    return instance


def _version_to_run(asked: str | None) -> str:
    """RDS takes a major version for its newest minor one. Fetches the programs, so that an answer without an error is kept."""
    try:
        version = postgresql_versions.resolve(asked)
        postgresql_versions.installation(version)
    except VersionNotAvailable as error:
        raise RDSClientError("InvalidParameterCombination", f"Cannot find version {asked} for postgres: {error}") from error
    return version


def _require_same_version(instance: Any, asked: str | None) -> None:
    runs = str(instance.engine_version)
    if instance.engine == database_servers.POSTGRESQL and asked and asked not in (runs, runs.split(".")[0]):
        raise RDSClientError("InvalidParameterCombination", f"Cannot upgrade postgres from {runs} to {asked}")


def _describe_truly(original: Callable[..., Any], instance: Any, *arguments: Any, **keywords: Any) -> None:
    original(instance, *arguments, **keywords)
    instance.dbi_resource_id = _resource_id()
    if "db_subnet_group" not in vars(instance):
        ec2 = ec2_backends[instance.account_id][instance.region]
        instance.db_subnet_group = DBSubnetGroup(instance.backend, "default", "default", list(ec2.get_default_subnets().values()), [])


def _resource_id() -> str:
    return "db-" + "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(26))


def _address(original: Callable[..., Any], instance: Any) -> Any:
    return database_servers.HOST if database_servers.server_of(instance) else original(instance)


def _endpoint(original: Callable[..., Any], instance: Any) -> Any:
    return None if instance.status == "creating" else original(instance)


def _secret_string(_original: Callable[..., Any], secret: Any) -> str:
    return json.dumps({"username": secret.resource.master_username, "password": secrets.token_urlsafe(24)})


def _password(instance: Any) -> str:
    if instance.manage_master_user_password:
        return str(json.loads(instance.master_user_secret.secret.secret_string)["password"])
    return str(instance._master_user_password)


def _rotate_secret(_original: Callable[..., Any], secret: Any) -> None:
    text = secret._generate_secret_string()
    secret.secretsmanager.put_secret_value(secret.secret.arn, text, None, None, ["AWSCURRENT"])
    if server := database_servers.server_of(secret.resource):
        server.set_password(json.loads(text)["password"])


def _modify(original: Callable[..., Any], backend: Any, db_instance_identifier: str, db_kwargs: Any) -> Any:
    instance = backend.describe_db_instances(db_instance_identifier)[0]
    if db_kwargs.get("enable_iam_database_authentication") and not instance.iam_database_authentication_enabled:
        raise RDSClientError("InvalidParameterCombination", "The local cloud enables IAM logins with CreateDBInstance only")
    asked = db_kwargs.get("vpc_security_group_ids")
    _check_groups(backend, asked or [])
    option_groups.require_known(backend, db_kwargs.get("option_group_name"))
    _require_same_version(instance, db_kwargs.get("engine_version"))
    before, options_before = list(instance.vpc_security_group_ids), instance.option_group_name
    original(backend, db_instance_identifier, db_kwargs)
    if asked is not None:
        _note_group_change(instance, before, asked)
    option_groups.note_modification(instance, options_before, immediately=bool(db_kwargs.get("apply_immediately")))
    if server := database_servers.server_of(instance):
        _change_server(server, instance, db_kwargs)
    return instance


def _change_server(server: database_servers.Server, instance: Any, asked: Any) -> None:
    server.change(asked)
    if asked.get("manage_master_user_password") or asked.get("master_user_password"):
        server.set_password(_password(instance))


def _check_groups(backend: Any, group_ids: Iterable[str]) -> None:
    ec2 = ec2_backends[backend.account_id][backend.region_name]
    for group_id in group_ids:
        if ec2.get_security_group_from_id(group_id) is None:
            # The code and the odd wording are AWS's (seen in github.com/aws/aws-cli/issues/574).
            raise RDSClientError("InvalidParameterValue", f"Invalid security group , groupId= {group_id}, groupName=.")
    if len(set(group_ids)) > GROUPS_PER_INSTANCE:
        # The wording is AWS's (seen in github.com/awslabs/kubeflow-manifests/issues/137), the code is assumed.
        raise RDSClientError(
            "InvalidParameterValue",
            "The request violates your limit on number of Ec2 VPC SecurityGroups associated with an instance",
        )


def _note_group_change(instance: Any, before: list[str], after: list[str]) -> None:
    done = time.monotonic() + clock.shortened(GROUP_CHANGE)
    changes = vars(instance).setdefault("dbrestore_group_changes", {})
    changes.update({group_id: ("adding", done) for group_id in after if group_id not in before})
    changes.update({group_id: ("removing", done) for group_id in before if group_id not in after})
    if set(after) - set(before):
        database_servers.open_late(instance)


def _group_memberships(_original: Callable[..., Any], instance: Any) -> list[dict[str, str]]:
    changes = vars(instance).get("dbrestore_group_changes", {})
    under_way = {group_id: status for group_id, (status, done) in list(changes.items()) if time.monotonic() < done}
    listed = {group_id: under_way.get(group_id, "active") for group_id in instance.vpc_security_group_ids}
    leaving = {group_id: status for group_id, status in under_way.items() if status == "removing"}
    return [{"VpcSecurityGroupId": group_id, "Status": status} for group_id, status in {**leaving, **listed}.items()]


def _stop(original: Callable[..., Any], backend: Any, *arguments: Any, **keywords: Any) -> Any:
    instance = original(backend, *arguments, **keywords)
    if server := database_servers.server_of(instance):
        server.stop()
    return instance


def _start(original: Callable[..., Any], backend: Any, *arguments: Any, **keywords: Any) -> Any:
    instance = original(backend, *arguments, **keywords)
    if server := database_servers.server_of(instance):
        server.start()
    return instance


def _delete(original: Callable[..., Any], backend: Any, *arguments: Any, **keywords: Any) -> Any:
    instance = original(backend, *arguments, **keywords)
    database_servers.remove(instance)
    return instance


def _create_replica(original: Callable[..., Any], backend: Any, db_kwargs: Any) -> Any:
    replica = original(backend, db_kwargs)
    # moto copies the source as it is: without an id of its own, deleting the replica would end the source's server.
    replica.dbi_resource_id = _resource_id()
    return replica


def _remove_replica(_original: Callable[..., Any], instance: Any, replica: Any) -> None:
    # One in another Region is listed by its ARN.
    listed = {replica.db_instance_identifier, replica.db_instance_arn}
    instance.replicas = [one for one in instance.replicas if one not in listed]
