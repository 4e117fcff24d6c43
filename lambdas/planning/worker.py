"""The plan's part on the worker: what the request and the worker configuration set, checked against AWS, and where such a worker stands.

Invariant: like the engines' parts it raises for nothing that is wrong with the request, the file's values or the target: it adds the
problem and goes on.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbrestore.contract.allowed import engines
from dbrestore.contract.plan import PlannedNetwork, PlannedWorker
from dbrestore.contract.request import WorkerRequest
from dbrestore.contract.request_problems import Problems
from lambdas.configuration import workers as worker_configuration
from lambdas.network import facts as network_facts
from lambdas.network import ways as network_ways
from lambdas.network.ways import Caller
from lambdas.placement import effective_worker, instance_types
from lambdas.placement.effective_worker import EffectiveWorker
from lambdas.placement.instance_types import Work
from lambdas.planning import network as network_plan
from lambdas.planning import worker_checks
from lambdas.planning.network import Stand, Wishes
from lambdas.planning.worker_checks import Checks
from lambdas.runtime.aws import TargetAccount
from lambdas.runtime.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBInstanceTypeDef

# Answered by the instance itself; without them in the list the SSM agent would show the proxy's identity and not its own.
METADATA = ("localhost", "127.0.0.1", "169.254.169.254")


@dataclass(frozen=True)
class Site:
    """Where a worker is wanted: in the target's VPC. `repository_region` is where backups and evidence lie."""

    partition: str
    account: str
    region: str
    repository_region: str

    @property
    def regions(self) -> tuple[str, str]:
        """The target's and the repository's."""
        return self.region, self.repository_region


@dataclass(frozen=True)
class WorkerPart:
    """What the plan says of the worker. `planned` and `network` are None if there is no place for it."""

    effective: EffectiveWorker
    planned: PlannedWorker | None
    network: PlannedNetwork | None


def part(
    target: TargetAccount,
    instance: "DBInstanceTypeDef",
    site: Site,
    size: int,
    request: WorkerRequest,
    settings: Settings,
    problems: Problems,
    read_besides: Collection[str] = (),
) -> WorkerPart:
    """The worker in the instance's VPC for databases of `size` bytes; `read_besides` are buckets of others that it reads. Raises
    WorkerConfigurationInvalid if the deployed file can't be read."""
    vpc_id = instance["DBSubnetGroup"]["VpcId"]
    worker = effective_worker.effective(
        worker_configuration.deployed(settings.worker_configuration),
        account=site.account,
        region=site.region,
        vpc_id=vpc_id,
        request=request,
    )
    streams = instance_types.streams(instance["DBInstanceClass"], request.streams)
    work = Work(engines.of_instance(instance["Engine"]), size, streams)
    buckets = (settings.repository_bucket, settings.evidence_bucket, *sorted(read_besides))
    stand = network_plan.part(target, instance, site.regions, work, _wishes(worker, request), problems, buckets)
    standing = stand.group_ids[0] if stand else None
    root_device = worker_checks.check(Checks(target, site.account, vpc_id, standing, worker, problems))
    if stand is None:
        return WorkerPart(worker, None, None)
    hosts = _direct_hosts(target, vpc_id, site, stand) if worker.proxy else ()
    return WorkerPart(worker, _planned(worker, stand, request, streams, root_device, hosts), stand.network)


def _wishes(worker: EffectiveWorker, request: WorkerRequest) -> Wishes:
    return Wishes(
        subnet_ids=worker.subnet_ids,
        instance_types=worker.instance_types,
        # A list says what may be tried; a single type of a request is a wish, and a restore shouldn't fail for its capacity alone.
        other_types=request.instance_type is not None,
        subnet_place=worker.pointer("subnetIds"),
        type_place=worker.pointer("instanceTypes"),
        group_ids=worker.security_group_ids,
        proxy=worker.proxy,
    )


def _direct_hosts(target: TargetAccount, vpc_id: str, site: Site, stand: Stand) -> tuple[str, ...]:
    """What the worker calls without the proxy: the instance's own addresses, and services that every subnet it may stand in has an
    endpoint for. Endpoints lie in the VPC, where a proxy may not be allowed to go."""
    caller = Caller(*site.regions, stand.group_ids)
    vpc = network_facts.read(target, vpc_id, caller.group_ids)
    subnets = {vpc.subnets[launch.subnet_id] for launch in stand.launches}
    served = frozenset.intersection(*(network_ways.served(vpc, subnet, caller) for subnet in subnets))
    suffix = "amazonaws.com.cn" if site.partition == "aws-cn" else "amazonaws.com"
    return (*METADATA, *sorted(f"{service}.{region}.{suffix}" for service, region in served))


def _planned(
    worker: EffectiveWorker, stand: Stand, request: WorkerRequest, streams: int, root_device: str, no_proxy: tuple[str, ...]
) -> PlannedWorker:
    return PlannedWorker(
        launches=stand.launches,
        security_group_ids=stand.group_ids,
        instance_profile_arn=stand.offer.instance_profile_arn,
        document_name=stand.offer.document_name,
        program_uri=stand.offer.program_uri,
        image_id=worker.image_id,
        root_device=root_device,
        volume_gib=worker.volume_gib,
        kms_key_id=worker.kms_key_id,
        tags=worker.tags,
        proxy=worker.proxy,
        no_proxy=no_proxy,
        streams=streams,
        keep_toast_compression=request.keep_toast_compression,
        max_run_minutes=worker.max_run_hours * 60,
        configured_by=worker.configured_by,
    )
