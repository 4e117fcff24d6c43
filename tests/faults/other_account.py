"""Another account, whose bucket lets some roles of ours read it and whose KMS key lets some decrypt, both by name.

A policy that names our account's root lets in whatever our account lets (IAM User Guide, "AWS account principals"). So that alone would
say nothing of a role: a condition names those who are meant.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from localcloud.base.clients import ACCOUNT, REGION, Place
from localcloud.cloud import Cloud

BUCKET: Final = "their-backups"
_PLACE: Final = Place("222222222222", REGION)
_READING: Final = ["s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket"]
_OURS: Final = f"arn:aws:iam::{ACCOUNT}:root"


@dataclass
class OtherAccount:
    """Its clients, and its key's ARN."""

    s3: Any
    kms: Any
    key: str

    def let(self, *readers: str, decrypt: tuple[str, ...]) -> None:
        """These roles read the bucket, those use the key; both does whoever adds points."""
        resources = [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]
        self.s3.put_bucket_policy(Bucket=BUCKET, Policy=_policy(readers, Action=_READING, Resource=resources))
        self.kms.put_key_policy(KeyId=self.key, PolicyName="default", Policy=_policy(decrypt, Action="kms:Decrypt", Resource="*"))

    def put(self, path: Path, key: str) -> None:
        """Encrypted under their key."""
        self.s3.upload_file(str(path), BUCKET, key, ExtraArgs={"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.key})


def create(cloud: Cloud, *, versioned: bool) -> OtherAccount:
    """With a bucket, which keeps versions or none."""
    s3, kms = cloud.client("s3", place=_PLACE), cloud.client("kms", place=_PLACE)
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": cloud.region})
    if versioned:
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return OtherAccount(s3, kms, str(kms.create_key()["KeyMetadata"]["Arn"]))


def _policy(roles: tuple[str, ...], **about: Any) -> str:
    meant = [_OURS, *(f"arn:aws:iam::{ACCOUNT}:role/{role}" for role in roles)]
    condition = {"ArnEquals": {"aws:PrincipalArn": meant}}
    allowed = {"Effect": "Allow", "Principal": {"AWS": _OURS}, "Condition": condition, **about}
    return json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
