"""RDS for SQL Server: the option with which it restores native backups, and the role that it reads them with."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from dbrestore.contract.errors import NotReady
from dbrestore.contract.sqlserver_errors import NativeBackupOptionMissing
from lambdas.doctor.findings import Check, Outcome, fine, unseen, wrong
from lambdas.doctor.sides import InstanceSide
from lambdas.planning.sqlserver import target as rds_target

RDS = "rds.amazonaws.com"


def option(patient: InstanceSide) -> Iterator[Outcome]:
    """The option is there, in effect, and names a role."""
    if patient.engine != "sqlserver":
        return
    role = rds_target.option_role(patient.target.account, patient.instance, timedelta())
    yield fine(f"is in effect with {role}", patient.name)


def role(patient: InstanceSide) -> Iterator[Outcome]:
    """The option's role exists and trusts RDS. What it may read is granted by the temporary bucket."""
    if patient.engine != "sqlserver":
        return
    try:
        arn = rds_target.option_role(patient.target.account, patient.instance, timedelta())
    except (NativeBackupOptionMissing, NotReady):
        yield unseen("the option names none that is in effect, as reported above")
        return
    client = patient.target.iam
    try:
        found = client.get_role(RoleName=arn.rsplit("/", 1)[-1])["Role"]
    except client.exceptions.NoSuchEntityException:
        yield wrong("does not exist: RDS couldn't read any backup", arn)
        return
    if _trusts_rds(found["AssumeRolePolicyDocument"]):
        yield fine(f"exists and trusts {RDS}", arn)
    else:
        yield wrong(f"does not trust {RDS}: RDS couldn't read any backup", arn)


def _trusts_rds(trust: dict[str, Any]) -> bool:
    listed = trust.get("Statement", [])
    for statement in listed if isinstance(listed, list) else [listed]:
        principal = statement.get("Principal", {})
        services = principal.get("Service", []) if isinstance(principal, dict) else []
        if statement.get("Effect") == "Allow" and RDS in ([services] if isinstance(services, str) else services):
            return True
    return False


CHECKS: tuple[Check[InstanceSide], ...] = (
    Check(
        "native-option",
        "the option SQLSERVER_BACKUP_RESTORE",
        "add the option with a role to the instance's option group; it takes effect without a restart",
        option,
        is_vital=True,
    ),
    Check(
        "native-role",
        "the option's role",
        "aws iam create-role with a trust in rds.amazonaws.com, and name it in the option's IAM_ROLE_ARN",
        role,
    ),
)
