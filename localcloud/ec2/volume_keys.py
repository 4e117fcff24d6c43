"""A worker's volume is encrypted when it starts, and not before: what is wrong with its key ends an instance that was launched.

| moto 5.2.5 | fixed to |
|---|---|
| a launch succeeds whatever the key of its volume | `pending`, then `terminated` with a StateReason |
| no GetEbsDefaultKmsKeyId | the key that ModifyEbsDefaultKmsKeyId set, or Amazon's own |

The key is the volume's own, or the account's default for EBS if that is a customer's. The caller needs the permissions below, through EC2
(Amazon EBS User Guide, "Requirements for Amazon EBS encryption"). The texts are EC2's (Amazon EC2 User Guide, "Troubleshoot Amazon EC2
instance launch issues"). Key policies are not judged.
"""

from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models.instances import StateReason
from moto.ec2.responses import EC2Response
from moto.ec2.responses.instances import InstanceResponse
from moto.kms.models import kms_backends

from localcloud.base.corrections import add, fix
from localcloud.iam import judgement

NEEDED = ("CreateGrant", "Decrypt", "DescribeKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo")
AMAZONS = "alias/aws/ebs"


def install() -> None:
    """Fix moto's RunInstances."""
    fix(InstanceResponse, "run_instances", _run_instances)
    add(EC2Response, "get_ebs_default_kms_key_id", _default)


def _default(response: Any) -> ActionResult:
    arn = f"arn:aws:kms:{response.region}:{response.current_account}:{AMAZONS}"
    return ActionResult({"KmsKeyId": response.ec2_backend.default_kms_key_id or arn})


def _run_instances(original: Callable[..., Any], response: Any) -> Any:
    result = original(response)
    if reason := _refusal(response):
        code, words = reason
        # A repeated token finds the same instance.
        for instance in (one for one in result.result.instances if one._state.final != "terminated"):
            instance.terminate()
            instance._state.fail()
            instance.state_reason = StateReason(f"{code}: {words}", code)
    return result


def _refusal(response: Any) -> tuple[str, str] | None:
    """Code and words of what EC2 will say."""
    key = _key(response)
    if key is None:
        return None
    if key.key_state != "Enabled":
        return "Client.InvalidKMSKey.InvalidState", "The KMS key provided is in an incorrect state"
    context = {
        "kms:ViaService": f"ec2.{response.region}.amazonaws.com",
        "kms:GrantIsForAWSResource": "true",
        "aws:RequestedRegion": response.region,
    }
    if all(judgement.allowed(response.get_access_key(), f"kms:{action}", key.arn, context) for action in NEEDED):
        return None
    return "Client.InternalError", "Client error on launch"


def _key(response: Any) -> Any:
    """moto's key, if the volume gets a customer's own."""
    disks = [mapping.get("Ebs", {}) for mapping in response._get_param("BlockDeviceMappings", [])]
    asked = next((disk["KmsKeyId"] for disk in disks if disk.get("KmsKeyId")), None) or response.ec2_backend.default_kms_key_id
    if not asked or asked.endswith(AMAZONS):
        return None
    key = kms_backends[response.current_account][response.region].describe_key(asked)
    return None if AMAZONS in key.aliases else key
