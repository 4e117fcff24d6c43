"""Where a worker for this instance would stand: the standing group and its way out, the subnets."""

from collections.abc import Iterator, Mapping
from typing import Any

from lambdas import network_plan, target_lookup
from lambdas.contract import PlannedNetwork
from lambdas.doctor_findings import Check, Outcome, doubtful, fine, wrong
from lambdas.doctor_sides import InstanceSide
from lambdas.instance_types import Work
from lambdas.network_plan import Wishes
from lambdas.request import WorkerRequest
from lambdas.request_problems import Problems

HTTPS = 443
DEPLOY = "deploy the TargetStack with the instance's VPC"
ENDPOINTS = "add interface endpoints of ssm, ssmmessages, ec2messages, secretsmanager and a gateway endpoint of s3, or a NAT gateway"
STREAMS = WorkerRequest().streams


def standing_group(patient: InstanceSide) -> Iterator[Outcome]:
    """The group that every worker has lets it out to AWS's endpoints."""
    account, vpc_id = patient.target.account, patient.instance["DBSubnetGroup"]["VpcId"]
    group_id = target_lookup.standing_group(account, vpc_id)
    [group] = account.ec2.describe_security_groups(GroupIds=[group_id])["SecurityGroups"]
    if any(_lets_out(rule) for rule in group["IpPermissionsEgress"]):
        yield fine(f"lets workers of {vpc_id} out to port {HTTPS}", group_id)
    else:
        yield wrong(f"lets nothing out to port {HTTPS}: a worker reaches neither SSM nor S3", group_id)


def _lets_out(rule: Mapping[str, Any]) -> bool:
    reaches = rule["IpProtocol"] == "-1" or (
        rule["IpProtocol"] in ("tcp", "6") and rule.get("FromPort", 0) <= HTTPS <= rule.get("ToPort", 65535)
    )
    return reaches and any(rule.get(kind) for kind in ("IpRanges", "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs"))


def subnets(patient: InstanceSide) -> Iterator[Outcome]:
    """The choice that a plan would make: subnets, ways to AWS (endpoints, NAT), network ACLs, free addresses, launches."""
    place, control = patient.target.control.place, patient.target.control
    problems = Problems()
    work = Work("sqlserver" if patient.is_sql_server else "postgres", 0, STREAMS)
    regions = (place.region, control.machine_arn.split(":")[3])
    stand = network_plan.part(patient.target.account, patient.instance, regions, work, Wishes(), problems)
    yield from (wrong(problem.sentence, patient.name) for problem in problems.found)
    if stand:
        best = stand.network.subnets[0]
        usable = sum(subnet.rank is not None for subnet in stand.network.subnets)
        yield fine(f"{best.subnet_id} of {usable} usable: {'; '.join(best.reasons)}", stand.network.vpc_id)
        yield from _second_best(stand.network)


def _second_best(network: PlannedNetwork) -> Iterator[Outcome]:
    if network.subnets[0].way == "elsewhere":
        sentence = "no subnet has a way to AWS that can be seen from here (endpoints, NAT): a worker may not reach SSM"
        yield doubtful(sentence, network.vpc_id, ENDPOINTS)


CHECKS: tuple[Check[InstanceSide], ...] = (
    Check("standing-group", "the workers' standing group", DEPLOY, standing_group, is_vital=True),
    Check(
        "subnets",
        "the worker's subnet",
        "mend one of the subnets, or name another in the request's worker.subnetId",
        subnets,
        is_vital=True,
    ),
)
