"""Everything that a restore could leave behind, as AWS and the database server themselves list it: nothing here reads our own records."""

from dataclasses import dataclass, fields, replace
from typing import Protocol

from dbrestore.cli.control import Account


class Server(Protocol):
    """A DB instance that is restored into."""

    @property
    def account(self) -> Account:
        """Whose it is."""

    def groups(self) -> frozenset[str]:
        """The instance's security groups."""

    def databases(self) -> frozenset[str]:
        """Their names."""

    def roles(self) -> frozenset[str]:
        """Names of roles or logins."""

    def tasks(self) -> frozenset[str]:
        """What RDS has not finished inside the server."""


@dataclass(frozen=True)
class Inventory:
    """What exists at one moment; two of them can be compared."""

    instances: frozenset[str]
    volumes: frozenset[str]
    interfaces: frozenset[str]
    security_groups: frozenset[str]
    rules: frozenset[str]
    groups_of_the_database: frozenset[str]
    buckets: frozenset[str]
    databases: frozenset[str]
    roles: frozenset[str]
    unfinished_tasks: frozenset[str]

    def with_restored(self, databases: set[str], holders: set[str]) -> "Inventory":
        """The same with what a restore is to leave: databases, and the roles without rights that own what is in them."""
        return replace(self, databases=self.databases | databases, roles=self.roles | holders)

    def difference(self, before: "Inventory") -> list[str]:
        """`new databases: x` or `missing rules: y`, per kind that is not as it was before."""
        found = []
        for name in (field.name for field in fields(self)):
            now, then = getattr(self, name), getattr(before, name)
            words = name.replace("_", " ")
            found += [f"new {words}: {', '.join(sorted(now - then))}"] if now - then else []
            found += [f"missing {words}: {', '.join(sorted(then - now))}"] if then - now else []
        return found


def take(server: Server) -> Inventory:
    """Ask EC2, RDS, S3 and the database server. Terminated instances don't count: AWS shows them for an hour."""
    ec2 = server.account.client("ec2")
    alive = [
        instance["InstanceId"]
        for page in ec2.get_paginator("describe_instances").paginate()
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]
        if instance["State"]["Name"] != "terminated"
    ]
    return Inventory(
        instances=frozenset(alive),
        volumes=frozenset(volume["VolumeId"] for volume in ec2.describe_volumes()["Volumes"]),
        interfaces=frozenset(one["NetworkInterfaceId"] for one in ec2.describe_network_interfaces()["NetworkInterfaces"]),
        security_groups=frozenset(group["GroupId"] for group in ec2.describe_security_groups()["SecurityGroups"]),
        rules=frozenset(rule["SecurityGroupRuleId"] for rule in ec2.describe_security_group_rules()["SecurityGroupRules"]),
        groups_of_the_database=server.groups(),
        buckets=frozenset(bucket["Name"] for bucket in server.account.client("s3").list_buckets()["Buckets"]),
        databases=server.databases(),
        roles=server.roles(),
        unfinished_tasks=server.tasks(),
    )
