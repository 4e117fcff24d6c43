"""The demonstration's customer database: an RDS for SQL Server instance, simulated, and the option with which RDS reads backups."""

import json
from pathlib import Path
from typing import Any

import pytds

from dbrestore.cli.control import Account, ControlPlane
from dbrestore.contract.names import NATIVE_OPTION as OPTION
from dbrestore.contract.names import NATIVE_ROLE_SETTING as ROLE
from dbrestore.worker.sqlserver import tds_tls
from demo import instances as demo_instances
from demo.instances import Instance

INSTANCE = "crm"
# Its option group is the default one.
BARE_INSTANCE = "crm-test"
ENGINE, MAJOR_VERSION = "sqlserver-se", "15.00"
GROUP, BACKUP_ROLE = "native-backups", "rds-native-backups"

tds_tls.install()


class Crm(Instance):
    """The running instance."""

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """The rows of one query by a connection of its own, over TLS that is verified, host name included."""
        with (
            pytds.connect(
                self.host,
                port=self.port,
                user=self.user,
                password=self.password,
                cafile=str(self.ca_bundle),
                validate_host=True,
                as_dict=True,
                autocommit=True,
            ) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
            return list(cursor.fetchall())

    def version(self) -> str:
        """As the server says."""
        return str(self.rows("SELECT SERVERPROPERTY('ProductVersion') AS version")[0]["version"])

    def state_of(self, database: str) -> str:
        """As the server says: ONLINE, RESTORING, or nothing."""
        states = {row["name"]: row["state_desc"] for row in self.rows("SELECT name, state_desc FROM sys.databases")}
        return str(states.get(database, "not there"))

    def restores_of(self, database: str) -> list[dict[str, Any]]:
        """RDS's tasks of a database, oldest first."""
        tasks = self.rows("exec msdb.dbo.rds_task_status")
        return sorted((row for row in tasks if row["database_name"] == database), key=lambda row: int(row["task_id"]))

    def databases(self) -> frozenset[str]:
        """All of them, the server's own too."""
        return frozenset(row["name"] for row in self.rows("SELECT name FROM sys.databases"))

    def roles(self) -> frozenset[str]:
        """The server's logins."""
        return frozenset(row["name"] for row in self.rows("SELECT name FROM sys.server_principals"))

    def tasks(self) -> frozenset[str]:
        """Those of RDS that could still do something."""
        tasks = self.rows("exec msdb.dbo.rds_task_status")
        return frozenset(str(row["task_id"]) for row in tasks if row["lifecycle"] not in ("SUCCESS", "ERROR", "CANCELLED"))


def create_option_group(account: Account) -> str:
    """The option and the role that it names, which RDS may assume and which may do nothing by itself. Returns the group's name."""
    trust = {"Effect": "Allow", "Principal": {"Service": "rds.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = account.client("iam").create_role(
        RoleName=BACKUP_ROLE, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]
    rds = account.client("rds")
    rds.create_option_group(
        OptionGroupName=GROUP, EngineName=ENGINE, MajorEngineVersion=MAJOR_VERSION, OptionGroupDescription="native restore"
    )
    option = {"OptionName": OPTION, "OptionSettings": [{"Name": ROLE, "Value": role["Arn"]}]}
    rds.modify_option_group(OptionGroupName=GROUP, OptionsToInclude=[option], ApplyImmediately=True)
    return GROUP


def create(account: Account, plane: ControlPlane, directory: Path, name: str, option_group: str | None = None) -> Crm:
    """The instance, without databases."""
    group = {"OptionGroupName": option_group} if option_group else {}
    return demo_instances.create(Crm, account, plane, directory, name, Engine=ENGINE, DBInstanceClass="db.m6i.large", **group)
