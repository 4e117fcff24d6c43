"""The way into the target's account, with what is wrong there in words."""

from botocore.exceptions import ClientError

from dbrestore.contract import names
from dbrestore.contract.errors import TargetNotUsable
from dbrestore.contract.refusals import error_code
from lambdas.planning.findings import Place
from lambdas.runtime.aws import TargetAccount
from lambdas.runtime.state import Surroundings


def assume(surroundings: Surroundings, place: Place, execution_arn: str) -> TargetAccount:
    """The target's account as its role. Raises TargetNotUsable with the fix if the role can't be assumed or its workers would not be let
    in."""
    _require_let_in(surroundings, place.account, execution_arn)
    role = surroundings.settings.target_role_name.replace("{region}", place.region)
    try:
        return surroundings.target(
            partition=place.partition,
            account=place.account,
            region=place.region,
            restore_id=names.restore_id(execution_arn),
        )
    except ClientError as error:
        if error_code(error) != "AccessDenied":
            raise
        raise TargetNotUsable(
            f"the role {role} of account {place.account} can't be assumed: deploy the TargetStack there, with this control account "
            "and its external id"
        ) from error


def _require_let_in(surroundings: Surroundings, account: str, execution_arn: str) -> None:
    """A worker that may not read its job can't say so either: it would be seen only when it has died."""
    known = surroundings.settings.target_accounts
    if known is not None and account not in (execution_arn.split(":")[4], *known):
        raise TargetNotUsable(
            f"account {account} is not among the ControlStack's targetAccounts, so a worker there couldn't read any backup: deploy the "
            f"ControlStack with -c targetAccounts={','.join((*known, account))}"
        )
