"""The key of a worker's volume: EC2 uses it only when the instance starts, so what is wrong with it shows as a worker that ends at once."""

from collections.abc import Iterator

from dbrestore.contract.request import WorkerRequest
from lambdas.configuration import workers as worker_configuration
from lambdas.doctor import permissions
from lambdas.doctor.findings import Check, Outcome, fine, unseen, wrong
from lambdas.doctor.sides import InstanceSide, TargetSide
from lambdas.placement import effective_worker

# Amazon's own key for EBS, which every principal of the account may use through EC2.
AMAZONS = "alias/aws/ebs"
DESCRIBED, GRANTED = ("kms:Decrypt", "kms:GenerateDataKeyWithoutPlaintext"), ("kms:CreateGrant",)


def volume_key(patient: InstanceSide) -> Iterator[Outcome]:
    """The key with which a worker's volume is encrypted is enabled, and the target's role may use it through EC2."""
    target, ec2 = patient.target, patient.target.account.ec2
    always = ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"]
    default = ec2.get_ebs_default_kms_key_id()["KmsKeyId"]
    configured = _configured(patient)
    if not configured and default.endswith(AMAZONS):
        yield fine(f"Amazon's own key; EBS encrypts {'every volume' if always else 'what asks for it'}, as workers do", default)
        return
    yield from _judged(target, configured or default)


def _configured(patient: InstanceSide) -> str | None:
    control, place = patient.target.control, patient.target.control.place
    configurations = worker_configuration.deployed(control.surroundings.settings.worker_configuration)
    found = effective_worker.effective(
        configurations,
        account=place.account,
        region=place.region,
        vpc_id=patient.instance["DBSubnetGroup"]["VpcId"],
        request=WorkerRequest(),
    )
    return found.kms_key_id


def _judged(target: TargetSide, key_id: str) -> Iterator[Outcome]:
    client = target.client("kms")
    try:
        key = client.describe_key(KeyId=key_id)["KeyMetadata"]
    except client.exceptions.NotFoundException:
        yield wrong("does not exist: a worker would be terminated while it starts", key_id)
        return
    if key["KeyState"] != "Enabled":
        yield wrong(f"is {key['KeyState']}: a worker would be terminated while it starts", key_id)
        return
    if AMAZONS in key_id or key.get("KeyManager") == "AWS":
        yield fine("is Amazon's own key", key_id)
        return
    role, through = target.control.target_role_arn, {"kms:ViaService": f"ec2.{target.control.place.region}.amazonaws.com"}
    yield from permissions.simulated(target, role, key["Arn"], DESCRIBED, through)
    yield from permissions.simulated(target, role, key["Arn"], GRANTED, through, {"kms:GrantIsForAWSResource": "true"})
    yield unseen(
        "whether the key's own policy lets the role use it can't be simulated", key_id, "see that it allows the account or the role"
    )


CHECK: Check[InstanceSide] = Check(
    "worker-volume-key",
    "the key of the worker's volume",
    "enable the key, or name another as kmsKeyId in the worker configuration",
    volume_key,
)
