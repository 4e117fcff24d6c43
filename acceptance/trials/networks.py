"""Trials 3, 8 and 9: what an account's network and keys are like, seen by the worker that was launched there."""

from acceptance.trials.trial import Finding, NotTried, Scene, Trial, require
from dbrestore.contract.record import Report

# How the targets of routes begin that lead out of a VPC.
WAYS_OUT = ("igw-", "nat-", "eigw-", "tgw-", "vgw-")


def _endpoints_only(scene: Scene) -> Finding:
    ec2, report = scene.account.client("ec2"), _launched(scene)
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [scene.network.vpc]}])["RouteTables"]
    targets = [str(value) for table in tables for route in table["Routes"] for key, value in route.items() if key.endswith("Id")]
    out = sorted({target for target in targets if target.startswith(WAYS_OUT)})
    if out:
        raise NotTried(f"the VPC of these subnets has another way to AWS: {', '.join(out)}")
    seconds = _seconds(report)
    return Finding(f"the worker of {report.restore_id} registered with SSM {seconds:.0f} s after the launch began")


def _own_key(scene: Scene) -> Finding:
    ec2 = scene.account.client("ec2")
    key = ec2.get_ebs_default_kms_key_id()["KmsKeyId"]
    is_always = ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"]
    if not is_always or _is_amazons(scene, key):
        raise NotTried(
            "the account's volumes are not encrypted by default with a key of its own: aws ec2 modify-ebs-default-kms-key-id and "
            "enable-ebs-encryption-by-default change that for all of the Region, then start again"
        )
    return Finding(f"the worker of {_launched(scene).restore_id} runs on a volume that the account's own key encrypts")


def _is_amazons(scene: Scene, key: str) -> bool:
    if "alias/aws/" in key:
        return True
    return bool(scene.account.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyManager"] == "AWS")


def _shared_vpc(scene: Scene) -> Finding:
    if scene.network.owner == scene.account.number:
        raise NotTried("the VPC is the account's own: share subnets with it (AWS RAM) and name them with --subnet")
    return Finding(f"{_launched(scene).restore_id} ran in subnets of another account's VPC")


def _launched(scene: Scene) -> Report:
    """The report of a restore whose worker came up."""
    found = [report for report in scene.reports if _is_done(report, "DeployWorker")]
    require(bool(found), "no restore of this run had a worker that came up")
    return found[0]


def _is_done(report: Report, state: str) -> bool:
    return any(phase.state == state and phase.status == "SUCCEEDED" for phase in report.phases)


def _seconds(report: Report) -> float:
    [phase] = [phase for phase in report.phases if phase.state == "DeployWorker"]
    return ((phase.ended_at or phase.started_at) - phase.started_at).total_seconds()


ENDPOINTS_ONLY = Trial("endpoints-only", "A worker starts in a subnet that has endpoints and no other way to AWS.", _endpoints_only)
OWN_KEY = Trial("ebs-default-key", "A worker starts in an account whose default key for volumes is its own.", _own_key)
SHARED_VPC = Trial("shared-vpc", "A worker starts in a VPC that another account shares.", _shared_vpc)
