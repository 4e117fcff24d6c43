"""What an RDS for SQL Server instance must be to restore native backups, all of it told by RDS's API alone.

The rules are RDS's: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/SQLServer.Procedural.Importing.html. The option works without a
restart, but a default option group holds none, so people have to attach one of their own.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from dbrestore.contract import limits
from dbrestore.contract.allowed import versions
from dbrestore.contract.errors import NotReady
from dbrestore.contract.manifest import NativeBackupSet
from dbrestore.contract.names import NATIVE_OPTION as OPTION
from dbrestore.contract.names import NATIVE_ROLE_SETTING as ROLE
from dbrestore.contract.sqlserver_errors import NativeBackupOptionMissing
from lambdas.runtime.aws import TargetAccount

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBInstanceTypeDef, OptionGroupMembershipTypeDef, OptionTypeDef

IN_EFFECT = "in-sync"
TAKING_EFFECT = ("pending-apply", "applying")
LEAVING = ("pending-removal", "pending-maintenance-removal", "removing")
WITH_ROLE = f"the option {OPTION} and its setting {ROLE}"
NO_RESTART = "(it takes effect without a restart)"

# `mssqlsystemresource` is the resource database; rdsadmin is RDS's own.
SYSTEM_DATABASES = ("master", "model", "msdb", "tempdb", "rdsadmin", "resource", "mssqlsystemresource")
# SQL Server 2008 R2 was the last to restore backups of SQL Server 2000; RDS begins later.
OLDEST_RESTORED = (9, 0)

EXPRESS = "sqlserver-ex"
DATA_FILES = (".mdf", ".ndf")
LOG_FILES = ".ldf"
PAGE = 8192


def option_role(target: TargetAccount, instance: "DBInstanceTypeDef", waited: timedelta) -> str:
    """The role with which RDS reads backups. Raises NativeBackupOptionMissing with the fix, NotReady while the option is being applied."""
    name = instance["DBInstanceIdentifier"]
    membership = _membership(instance)
    group = membership.get("OptionGroupName", "")
    if not group or group.startswith("default:"):
        told = f"{name} has the default option group {group}".rstrip()
        raise NativeBackupOptionMissing(
            f"{told}, which can't be changed: create an option group with {WITH_ROLE} and attach it to the instance {NO_RESTART}"
        )
    option = _option(target, group)
    if option is None:
        raise NativeBackupOptionMissing(f"the option group {group} of {name} lacks an option: add {WITH_ROLE} {NO_RESTART}")
    role = next((s.get("Value") for s in option.get("OptionSettings", []) if s.get("Name") == ROLE), None)
    if not role:
        raise NativeBackupOptionMissing(
            f"the option {OPTION} in {group} of {name} has no role: set its {ROLE} to a role that RDS may assume {NO_RESTART}"
        )
    _require_in_effect(name, group, membership.get("Status", ""), waited)
    return role


def _membership(instance: "DBInstanceTypeDef") -> "OptionGroupMembershipTypeDef":
    """While one group takes the other's place, both are listed: the one that stays."""
    listed = instance.get("OptionGroupMemberships", [])
    staying = [one for one in listed if one.get("Status") not in LEAVING]
    return (staying or listed or [{}])[0]


def _option(target: TargetAccount, group: str) -> "OptionTypeDef | None":
    [found] = target.rds.describe_option_groups(OptionGroupName=group)["OptionGroupsList"]
    return next((option for option in found.get("Options", []) if option.get("OptionName") == OPTION), None)


def _require_in_effect(name: str, group: str, status: str, waited: timedelta) -> None:
    if status == IN_EFFECT:
        return
    told = f"the option group {group} of {name} is {status or 'of unknown status'}"
    if status in TAKING_EFFECT and waited.total_seconds() <= limits.TARGET_AVAILABLE_WITHIN:
        raise NotReady(f"waiting until the option {OPTION} is in effect: {told}")
    if status in TAKING_EFFECT:
        minutes = limits.TARGET_AVAILABLE_WITHIN // 60
        raise NativeBackupOptionMissing(f"{told} and still not in effect after {minutes} minutes: start again when it is {IN_EFFECT}")
    raise NativeBackupOptionMissing(
        f"{told}: apply it to the instance at once (modify-db-instance --option-group-name {group} --apply-immediately) and start "
        f"again when it is {IN_EFFECT}"
    )


def foreign_replicas(instance: "DBInstanceTypeDef") -> list[str]:
    """The ARNs of read replicas in other Regions; those of the same Region are listed by their names."""
    region = instance["DBInstanceArn"].split(":")[3]
    listed = instance.get("ReadReplicaDBInstanceIdentifiers", [])
    return [replica for replica in listed if replica.startswith("arn:") and replica.split(":")[3] != region]


def is_newer(backup_set: NativeBackupSet, instance: "DBInstanceTypeDef") -> bool:
    """Whether the backup's server is a newer version than the instance: SQL Server restores upwards only. Builds don't count."""
    return _version(backup_set.version) > _version(instance["EngineVersion"])


def is_too_old(backup_set: NativeBackupSet) -> bool:
    """Whether no SQL Server of RDS restores backups of this version any more."""
    return _version(backup_set.version) < OLDEST_RESTORED


def refused_model(sets: tuple[NativeBackupSet, ...]) -> str | None:
    """The recovery model of a set that RDS takes not on a Multi-AZ instance, because its mirror or availability group needs FULL; None if
    all are FULL, or the point doesn't know it."""
    return next((one.recovery_model for one in sets if one.recovery_model not in ("FULL", None)), None)


def product(version: str) -> str:
    """`SQL Server 2019 (15.00.4430.1.v1)`."""
    year = versions.SQL_SERVER.get(_version(version))
    return f"SQL Server {year} ({version})" if year else f"SQL Server {version}"


def _version(text: str) -> tuple[int, int]:
    """Major and minor of RDS's `15.00.4430.1.v1` and of a header's `15.0.2080`."""
    numbers: list[Any] = text.split(".")
    return int(numbers[0]), int(numbers[1])


def log_size(sets: Sequence[NativeBackupSet]) -> int:
    """Bytes of the log files in the largest state on the way, by their usual extension."""
    return max(sum(f.size for f in one.database_files if f.physical_path.lower().endswith(LOG_FILES)) for one in sets)


def page_size(sets: Sequence[NativeBackupSet]) -> int | None:
    """Bytes of the pages that the database uses, as the full backup holds them; None if the point doesn't know. What later backups add is
    in none of their numbers: a differential counts the changed pages alone."""
    checks = next((one.checks for one in sets if one.kind == "FULL"), None)
    return checks.allocated_pages * PAGE if checks and checks.allocated_pages is not None else None


def too_large_for_express(sets: tuple[NativeBackupSet, ...], instance: "DBInstanceTypeDef") -> tuple[int, int] | None:
    """Bytes of the data files and the GiB that a database of this Express edition may hold, if that is less; None for other editions. Only
    what bears the usual extension of a data file counts: the log doesn't, and RDS refuses the rest by itself."""
    if instance["Engine"] != EXPRESS:
        return None
    major, _ = _version(instance["EngineVersion"])
    limit = next(gib for since, gib in limits.EXPRESS_DATABASE_GIB.items() if major >= since)
    size = max(sum(f.size for f in one.database_files if f.physical_path.lower().endswith(DATA_FILES)) for one in sets)
    return (size, limit) if size > limit * 1024**3 else None


def unrenamable(instance: "DBInstanceTypeDef") -> Iterator[str]:
    """Why `rdsadmin.dbo.rds_modify_db_name` would refuse to work there (RDS User Guide, "Renaming a database in a Multi-AZ deployment")."""
    if instance.get("MultiAZ"):
        yield "is Multi-AZ, and RDS can't rename a database there"
    if instance.get("ReadReplicaDBInstanceIdentifiers"):
        yield "has read replicas, and RDS renames no database on their source"
