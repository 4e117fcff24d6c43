"""Trial 4: security groups are paired and unpaired as a restore does it, many times, by the sessions that a restore has."""

import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from acceptance import tags, waiting
from acceptance.made import target_role
from acceptance.sheet import Measurement
from acceptance.trials.trial import Finding, Scene, Trial, require
from dbrestore.contract.names import INSTALLATION, MANAGED
from dbrestore.contract.refusals import error_code
from lambdas.runtime.aws import UNSETTLED

PORT = 5432
SETTLED_WITHIN = 15.0


@dataclass
class _Pairing:
    """The sessions' clients, and `answers`: how often AWS said that it doesn't know or doesn't do something yet."""

    scene: Scene
    ec2: Any
    rds: Any
    answers: Counter[str] = field(default_factory=Counter)

    def once(self, number: int) -> float:
        """Seconds from the write of the group list until RDS says that it is in force."""
        before = sorted(self.scene.postgresql.groups())
        database, worker = (self._group(f"acceptance-{self.scene.diary.run}-{number}-{of}") for of in ("database", "worker"))
        self._later(self.ec2.authorize_security_group_ingress, GroupId=database, IpPermissions=[_rule(worker)])
        self._later(self.ec2.authorize_security_group_egress, GroupId=worker, IpPermissions=[_rule(database)])
        seconds = self._list([*before, database])
        self._list(before)
        self._later(self.ec2.revoke_security_group_ingress, GroupId=database, IpPermissions=[_rule(worker)])
        self._later(self.ec2.revoke_security_group_egress, GroupId=worker, IpPermissions=[_rule(database)])
        for group in (database, worker):
            self._later(self.ec2.delete_security_group, GroupId=group)
        return seconds

    def _group(self, name: str) -> str:
        ours = [{"Key": MANAGED, "Value": "true"}, {"Key": INSTALLATION, "Value": self.scene.account.owner}]
        tagged = [{"ResourceType": "security-group", "Tags": [*tags.upper(self.scene.diary.run, name), *ours]}]
        made = self.ec2.create_security_group(
            GroupName=name, Description="dbrestore acceptance", VpcId=self.scene.network.vpc, TagSpecifications=tagged
        )
        return str(made["GroupId"])

    def _list(self, groups: list[str]) -> float:
        instance = self.scene.postgresql
        self._later(self.rds.modify_db_instance, DBInstanceIdentifier=instance.name, VpcSecurityGroupIds=groups)
        began = time.monotonic()
        in_force = dict.fromkeys(groups, "active")
        waiting.until(lambda: instance.groups() == in_force, SETTLED_WITHIN, f"the groups of {instance.name} are {', '.join(groups)}")
        return time.monotonic() - began

    def _later(self, call: Callable[..., Any], **asked: Any) -> None:
        """Call until AWS knows everything that the call is about, as the product does."""

        def look() -> bool:
            try:
                call(**asked)
            except ClientError as error:
                # A group that is still on the list, or on an interface, can't be deleted yet.
                if error_code(error) not in UNSETTLED | {"DependencyViolation", "InvalidParameterValue"}:
                    raise
                self.answers[error_code(error)] += 1
                return False
            return True

        waiting.until(look, SETTLED_WITHIN, "AWS knows the group")


def _many(scene: Scene) -> Finding:
    before, took, answers = sorted(scene.postgresql.groups()), list[float](), Counter[str]()
    for number in range(scene.wishes.scale.pairings):
        # A session of a session lives for an hour: one for each pairing.
        session = scene.session("PairSecurityGroups", "UnpairSecurityGroups")
        pairing = _Pairing(scene, target_role.client(session, "ec2"), target_role.client(session, "rds"), answers)
        took.append(pairing.once(number))
    after = sorted(scene.postgresql.groups())
    require(after == before, f"the instance's groups are {after}, not {before}")
    ours = [*tags.filters(scene.diary.run), {"Name": "tag-key", "Values": [MANAGED]}]
    left = scene.account.client("ec2").describe_security_groups(Filters=ours)["SecurityGroups"]
    require(not left, f"left: {', '.join(one['GroupId'] for one in left)}")
    said = ", ".join(f"{code} {count} times" for code, count in sorted(answers.items())) or "nothing"
    seconds = (("median", statistics.median(took)), ("longest", max(took)))
    return Finding(
        f"{len(took)} pairs made and removed; {said} was waited for",
        tuple(Measurement(what=f"{what} until the group list is in force", value=round(value, 1), unit="s") for what, value in seconds),
    )


def _rule(peer: str) -> dict[str, Any]:
    return {"IpProtocol": "tcp", "FromPort": PORT, "ToPort": PORT, "UserIdGroupPairs": [{"GroupId": peer}]}


PAIRING = Trial("pairing", "Security groups are paired and unpaired any number of times, and nothing of them is left.", _many)
