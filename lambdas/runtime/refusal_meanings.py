"""What is behind a refusal of AWS, by its code and words, and whom to ask.

Codes: "Error codes for the Amazon EC2 API" and the quotas' own pages. Words: IAM User Guide, "Troubleshoot access denied error messages".
"""

import re
from typing import Final

# Where the words name the kind of policy that denies, or that doesn't allow.
_POLICIES: Final = (
    (
        re.compile("service control polic"),
        "a service control policy of the organization forbids it: ask whoever administers the organization (AWS Organizations) to allow it "
        "for this role",
    ),
    (
        re.compile("resource control polic"),
        "a resource control policy of the organization forbids it: ask whoever administers the organization (AWS Organizations) to allow "
        "it for this role",
    ),
    (
        re.compile("permissions boundary"),
        "the role's permissions boundary forbids it: ask whoever keeps the boundary to allow it, or deploy with another one "
        "(PermissionsBoundary)",
    ),
    (
        re.compile("VPC endpoint polic"),
        "the policy of a VPC endpoint forbids it: ask whoever keeps the endpoint to allow it",
    ),
)
_QUOTAS: Final = {
    "VcpuLimitExceeded": "Running On-Demand instances, in vCPUs (Amazon EC2)",
    "InstanceLimitExceeded": "Running On-Demand instances (Amazon EC2)",
    "VolumeLimitExceeded": "Storage for gp3 volumes (Amazon EBS)",
    "NetworkInterfaceLimitExceeded": "Network interfaces per Region (Amazon VPC)",
    "PrivateIpAddressLimitExceeded": "Network interfaces per Region (Amazon VPC)",
    "SecurityGroupLimitExceeded": "VPC security groups per Region (Amazon VPC)",
    "ResourceLimitExceeded": "VPC security groups per Region (Amazon VPC)",
    "RulesPerSecurityGroupLimitExceeded": "Inbound or outbound rules per security group (Amazon VPC)",
    "SecurityGroupsPerInterfaceLimitExceeded": "Security groups per network interface (Amazon VPC)",
    "SecurityGroupsPerInstanceLimitExceeded": "Security groups per network interface (Amazon VPC)",
    "TooManyBuckets": "General purpose buckets (Amazon S3)",
}
_ENCODED: Final = re.compile(r"(Encoded authorization failure message: )(\S{24})\S+")


def shortened(message: str) -> str:
    """Without most of what EC2 encodes, which only `aws sts decode-authorization-message` can read and would fill the screen."""
    return _ENCODED.sub(
        r"\1\2... (the whole is in the function's log, and in CloudTrail; aws sts decode-authorization-message reads it)", message
    )


def is_encoded(message: str) -> bool:
    """Whether it holds what EC2 encodes."""
    return _ENCODED.search(message) is not None


def meaning(code: str, message: str) -> str | None:
    """What is behind it and what to do, or None if the words say all that is known."""
    if quota := _QUOTAS.get(code):
        return f"a quota is used up: free some, or ask for more in Service Quotas: {quota}"
    return next((told for words, told in _POLICIES if words.search(message)), None)
