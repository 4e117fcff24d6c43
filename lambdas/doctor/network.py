"""Where a worker for this instance would stand: the standing group and its way out, the subnets."""

from collections.abc import Iterator, Mapping
from typing import Any

from dbrestore.contract.plan import PlannedNetwork
from dbrestore.contract.request import WorkerRequest
from dbrestore.contract.request_problems import Problems
from lambdas.doctor.findings import Check, Outcome, doubtful, fine, wrong
from lambdas.doctor.sides import InstanceSide
from lambdas.lookup import target as target_lookup
from lambdas.planning import worker as worker_plan
from lambdas.planning.worker import Site

HTTPS = 443
DEPLOY = "deploy the TargetStack with the instance's VPC"
MEND = "fix one of the subnets, or name another in the worker configuration or in the request's worker.subnetId"
ENDPOINTS = "add interface endpoints of ssm, ssmmessages, ec2messages, secretsmanager and a gateway endpoint of s3, or a NAT gateway"


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


def worker_place(patient: InstanceSide) -> Iterator[Outcome]:
    """The worker that a plan would choose: subnet, way to AWS (endpoints, NAT, proxy), network ACLs, free addresses, what is configured."""
    control, place = patient.target.control, patient.target.control.place
    problems = Problems()
    site = Site(place.partition, place.account, place.region, repository_region=control.machine_arn.split(":")[3])
    settings = control.surroundings.settings
    account, instance = patient.target.account, patient.instance
    chosen = worker_plan.part(account, instance, site, 0, WorkerRequest(), settings, problems)
    yield from (wrong(problem.sentence, patient.name) for problem in problems.found)
    if chosen.network and chosen.planned:
        best = chosen.network.subnets[0]
        usable = sum(subnet.rank is not None for subnet in chosen.network.subnets)
        told = f"{best.subnet_id}, first of {usable} usable: {'; '.join(best.reasons)}"
        yield fine(f"{told}; set by {chosen.planned.configured_by}", chosen.network.vpc_id)
        yield from _second_best(chosen.network)


def _second_best(network: PlannedNetwork) -> Iterator[Outcome]:
    if network.subnets[0].way == "elsewhere":
        sentence = "no subnet has a way to AWS that can be seen from here (endpoints, NAT): a worker may not reach SSM"
        yield doubtful(sentence, network.vpc_id, ENDPOINTS)


CHECKS: tuple[Check[InstanceSide], ...] = (
    Check("standing-group", "the workers' standing group", DEPLOY, standing_group, is_vital=True),
    Check("worker-place", "where a worker would run", MEND, worker_place, is_vital=True),
)
