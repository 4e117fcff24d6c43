"""The smallest DB instances that show it: PostgreSQL, and SQL Server Express with the option for native backups."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from acceptance import dumps, tags, waiting
from acceptance.account import TriedAccount
from acceptance.diary import Diary
from acceptance.made import roles
from acceptance.made.kinds import Kind, absent
from acceptance.made.network import Network
from dbrestore.contract.names import NATIVE_OPTION, NATIVE_ROLE_SETTING

DB_INSTANCE, SUBNET_GROUP, OPTION_GROUP, SNAPSHOT = "db-instance", "db-subnet-group", "db-option-group", "db-snapshot"
POSTGRESQL_CLASS, SQLSERVER_CLASS = "db.t4g.micro", "db.t3.small"
STORAGE_GIB = 20
MADE_WITHIN = 60.0
ROLE_KNOWN_WITHIN = 5.0


@dataclass(frozen=True)
class Instance:
    """A DB instance of the run. `role`: of SQL Server, the name of the role that its option reads backups with."""

    account: TriedAccount
    name: str
    role: str | None = None

    def described(self) -> dict[str, Any]:
        """As RDS describes it."""
        [found] = self.account.client("rds").describe_db_instances(DBInstanceIdentifier=self.name)["DBInstances"]
        return dict(found)

    @property
    def status(self) -> str:
        """RDS's word for what it does with it."""
        return str(self.described()["DBInstanceStatus"])

    @property
    def arn(self) -> str:
        """Its ARN."""
        return str(self.described()["DBInstanceArn"])

    def groups(self) -> dict[str, str]:
        """Its security groups, and how far RDS is with each."""
        return {one["VpcSecurityGroupId"]: one["Status"] for one in self.described()["VpcSecurityGroups"]}

    def option_groups(self) -> tuple[str, ...]:
        """Those that are in force."""
        found = self.described().get("OptionGroupMemberships", [])
        return tuple(one["OptionGroupName"] for one in found if one["Status"] == "in-sync")

    def is_settled(self) -> bool:
        """Whether RDS changes nothing of it at the moment. Raises RuntimeError if it never will."""
        found = self.described()
        if found["DBInstanceStatus"] in ("failed", "incompatible-parameters", "incompatible-network", "storage-full"):
            raise RuntimeError(f"The instance {self.name} is {found['DBInstanceStatus']}")
        statuses = {one["Status"] for one in found["VpcSecurityGroups"]} | {
            one["Status"] for one in found.get("OptionGroupMemberships", [])
        }
        return found["DBInstanceStatus"] == "available" and statuses <= {"active", "in-sync"}

    def settle(self, minutes: float = MADE_WITHIN) -> None:
        """Wait until it is. Raises waiting.TookTooLong."""
        waiting.until(self.is_settled, minutes, f"{self.name} is available")


def begin_postgresql(account: TriedAccount, diary: Diary, network: Network) -> Instance:
    """Have it made; it takes minutes."""
    wishes = {"Engine": "postgres", "EngineVersion": dumps.MAJOR_VERSION, "DBInstanceClass": POSTGRESQL_CLASS}
    return _begin(account, diary, network, "postgres", **wishes)


def begin_sqlserver(account: TriedAccount, diary: Diary, network: Network) -> Instance:
    """Have it made; it takes up to half an hour. It has no option yet: see `give_option`."""
    return _begin(
        account, diary, network, "sqlserver", Engine="sqlserver-ex", DBInstanceClass=SQLSERVER_CLASS, LicenseModel="license-included"
    )


def create_subnet_group(account: TriedAccount, diary: Diary, network: Network) -> None:
    """In which subnets RDS may put the instances."""
    name = diary.note(SUBNET_GROUP, _name(diary, "subnets"))
    account.client("rds").create_db_subnet_group(
        DBSubnetGroupName=name, DBSubnetGroupDescription="dbrestore acceptance", SubnetIds=list(network.subnets), Tags=tags.upper(diary.run)
    )


def give_option(instance: Instance, diary: Diary) -> Instance:
    """The option for native backups, and for it a role that may do nothing: what is restored only a bucket's policy opens."""
    account, rds = instance.account, instance.account.client("rds")
    role = _name(diary, "backups")
    arn = roles.create(account, diary, role, {"Service": "rds.amazonaws.com"})
    found = instance.described()
    major = ".".join(found["EngineVersion"].split(".")[:2])
    group = diary.note(OPTION_GROUP, _name(diary, "native"))
    rds.create_option_group(
        OptionGroupName=group,
        EngineName=found["Engine"],
        MajorEngineVersion=major,
        OptionGroupDescription="dbrestore acceptance",
        Tags=tags.upper(diary.run),
    )
    option = {"OptionName": NATIVE_OPTION, "OptionSettings": [{"Name": NATIVE_ROLE_SETTING, "Value": arn}]}
    waiting.until(lambda: _has_option(rds, group, option), ROLE_KNOWN_WITHIN, f"RDS knows the role {role}")
    rds.modify_db_instance(DBInstanceIdentifier=instance.name, OptionGroupName=group, ApplyImmediately=True)
    waiting.until(lambda: group in instance.option_groups(), MADE_WITHIN, f"{instance.name} has the option group {group}")
    instance.settle()
    return Instance(account, instance.name, role)


def _has_option(rds: Any, group: str, option: dict[str, Any]) -> bool:
    try:
        rds.modify_option_group(OptionGroupName=group, OptionsToInclude=[option], ApplyImmediately=True)
    except ClientError as error:
        # What RDS says of a role that IAM does not know everywhere yet, as of one that it may never use.
        return not absent(error, "InvalidParameterValue")
    return True


def _begin(account: TriedAccount, diary: Diary, network: Network, name: str, **wishes: Any) -> Instance:
    identifier = diary.note(DB_INSTANCE, _name(diary, name))
    account.client("rds").create_db_instance(
        DBInstanceIdentifier=identifier,
        AllocatedStorage=STORAGE_GIB,
        StorageType="gp3",
        MasterUsername="acceptance",
        ManageMasterUserPassword=True,
        DBSubnetGroupName=_name(diary, "subnets"),
        VpcSecurityGroupIds=[network.group],
        PubliclyAccessible=False,
        BackupRetentionPeriod=0,
        Tags=tags.upper(diary.run),
        **wishes,
    )
    return Instance(account, identifier)


def _name(diary: Diary, of: str) -> str:
    return f"acceptance-{diary.run}-{of}"


def _remove_instance(account: TriedAccount, name: str) -> None:
    try:
        account.client("rds").delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True, DeleteAutomatedBackups=True)
    except ClientError as error:
        # It is being deleted, or something that must end first is at work: the next look asks again.
        absent(error, "DBInstanceNotFound", "DBInstanceNotFoundFault", "InvalidDBInstanceState", "InvalidDBInstanceStateFault")


def _instance_exists(account: TriedAccount, name: str) -> bool:
    try:
        account.client("rds").describe_db_instances(DBInstanceIdentifier=name)
    except ClientError as error:
        return not absent(error, "DBInstanceNotFound", "DBInstanceNotFoundFault")
    return True


def _remove_subnet_group(account: TriedAccount, name: str) -> None:
    try:
        account.client("rds").delete_db_subnet_group(DBSubnetGroupName=name)
    except ClientError as error:
        absent(error, "DBSubnetGroupNotFoundFault", "InvalidDBSubnetGroupStateFault")


def _subnet_group_exists(account: TriedAccount, name: str) -> bool:
    try:
        account.client("rds").describe_db_subnet_groups(DBSubnetGroupName=name)
    except ClientError as error:
        return not absent(error, "DBSubnetGroupNotFoundFault")
    return True


def _remove_option_group(account: TriedAccount, name: str) -> None:
    try:
        account.client("rds").delete_option_group(OptionGroupName=name)
    except ClientError as error:
        absent(error, "OptionGroupNotFoundFault", "InvalidOptionGroupStateFault")


def _option_group_exists(account: TriedAccount, name: str) -> bool:
    try:
        account.client("rds").describe_option_groups(OptionGroupName=name)
    except ClientError as error:
        return not absent(error, "OptionGroupNotFoundFault")
    return True


def _remove_snapshot(account: TriedAccount, name: str) -> None:
    try:
        account.client("rds").delete_db_snapshot(DBSnapshotIdentifier=name)
    except ClientError as error:
        absent(error, "DBSnapshotNotFound", "DBSnapshotNotFoundFault", "InvalidDBSnapshotState")


def _snapshot_exists(account: TriedAccount, name: str) -> bool:
    try:
        account.client("rds").describe_db_snapshots(DBSnapshotIdentifier=name)
    except ClientError as error:
        return not absent(error, "DBSnapshotNotFound", "DBSnapshotNotFoundFault")
    return True


KINDS = {
    DB_INSTANCE: Kind(_remove_instance, _instance_exists, minutes=60.0),
    SUBNET_GROUP: Kind(_remove_subnet_group, _subnet_group_exists),
    OPTION_GROUP: Kind(_remove_option_group, _option_group_exists),
    SNAPSHOT: Kind(_remove_snapshot, _snapshot_exists, minutes=30.0),
}
