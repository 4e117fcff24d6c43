"""Where an examination stands: the control account, the target's account and Region as its role, the instance with what it belongs to.

Each side knows the one before it. Clients that no other part of the control plane has are made here, with less patience: an examination is
looked at by somebody who waits.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from dbrestore.contract import limits
from dbrestore.contract.allowed import engines
from dbrestore.contract.manifest import Engine
from dbrestore.contract.questions.examination import ExaminationQuestion
from lambdas.lookup import target as target_lookup
from lambdas.planning import credentials as credential_plan
from lambdas.planning.credentials import Credentials
from lambdas.planning.findings import Place
from lambdas.planning.target_account import assume
from lambdas.runtime.aws import TargetAccount
from lambdas.runtime.state import Surroundings

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBInstanceTypeDef

BRISK = Config(
    connect_timeout=limits.CONNECT_TIMEOUT,
    read_timeout=limits.EXAMINATION_READ_TIMEOUT,
    retries={"mode": "standard", "total_max_attempts": 2},
)


@dataclass(frozen=True)
class ControlSide:
    """The control account. `own_function` is the name of the function that examines."""

    question: ExaminationQuestion
    surroundings: Surroundings
    own_function: str

    @cached_property
    def lambdas(self) -> Any:
        return client("lambda")

    @cached_property
    def iam(self) -> Any:
        return client("iam")

    @property
    def machine_arn(self) -> str:
        return self.surroundings.settings.state_machine_arn

    @property
    def place(self) -> Place:
        """Where the target lies; by default where the state machine runs."""
        _, partition, _, region, account, *_ = self.machine_arn.split(":")
        return Place(partition, self.question.region or region, self.question.account or account)

    @property
    def account(self) -> str:
        return self.machine_arn.split(":")[4]

    @property
    def target_role_arn(self) -> str:
        place = self.place
        name = self.surroundings.settings.target_role_name.replace("{region}", place.region)
        return f"arn:{place.partition}:iam::{place.account}:role/{name}"

    @cached_property
    def target(self) -> TargetAccount:
        """The target's account as its role. Raises TargetNotUsable."""
        return assume(self.surroundings, self.place, self.execution_arn())

    def execution_arn(self) -> str:
        """An execution that never runs: what CloudTrail shows of an examination carries its restore's id."""
        return self.machine_arn.replace(":stateMachine:", ":execution:", 1) + ":doctor"

    def function_arn(self, state: str) -> str:
        """The function behind a state: all functions of an installation are called alike."""
        _, partition, _, region, account, *_ = self.machine_arn.split(":")
        prefix = self.own_function.removesuffix(STATE)
        return f"arn:{partition}:lambda:{region}:{account}:function:{prefix}{state}"


@dataclass(frozen=True)
class TargetSide:
    """The target's account and Region, with the credentials of its role."""

    control: ControlSide
    account: TargetAccount

    @cached_property
    def iam(self) -> Any:
        return self.client("iam")

    @cached_property
    def worker_roles(self) -> list[str]:
        """ARNs of the roles in the workers' instance profile: one, or none if somebody took it out."""
        arn = target_lookup.offer(self.account).instance_profile_arn
        found = self.iam.get_instance_profile(InstanceProfileName=arn.rsplit("/", 1)[-1])["InstanceProfile"]
        return [role["Arn"] for role in found["Roles"]]

    @cached_property
    def instance(self) -> "DBInstanceTypeDef":
        """The instance that the question names. Raises TargetNotFound."""
        return target_lookup.find_instance(self.account, self.control.question.db_instance or "")

    def client(self, service: str) -> Any:
        """A client of a service that no restore calls from the control plane."""
        return client(service, **self.account.access)


@dataclass(frozen=True)
class InstanceSide:
    """The instance, as RDS describes it."""

    target: TargetSide
    instance: "DBInstanceTypeDef"

    @property
    def name(self) -> str:
        return self.instance["DBInstanceIdentifier"]

    def now(self) -> datetime:
        """The moment now, in UTC."""
        return self.target.control.surroundings.clock()

    @cached_property
    def credentials(self) -> Credentials:
        """What a restore that asks for nothing else logs in with, looked at. Raises CredentialsNotUsable."""
        control = self.target.control
        configuration = control.surroundings.settings.credential_configuration
        chosen = credential_plan.without_request(configuration, control.place, self.instance)
        return credential_plan.checked(self.target.account, self.instance, control.place, self.engine, chosen)

    @property
    def engine(self) -> Engine | None:
        """None of an instance that restores don't know."""
        return engines.of_instance(self.instance["Engine"])


STATE = "ExamineInstallation"


def client(service: str, **access: Any) -> Any:
    """A client with little patience."""
    return boto3.client(service, config=BRISK, **access)  # type: ignore[call-overload]
