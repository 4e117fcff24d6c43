"""The application inside the local cloud: its own templates, and the one file that an operator puts there by hand."""

import json
from pathlib import Path

from localcloud import assets
from localcloud.clients import HOME, Place
from localcloud.cloud import Cloud

CONTROL_STACK, TARGET_STACK = "DbrestoreControl", "DbrestoreTarget"
CONTROL_PARAMETER = "/dbrestore/control"
# Where the worker reads the CA bundle of the databases (docs/operations.md says how it gets there on AWS).
CERTIFICATE_BUNDLE = "certificates/rds-ca.pem"


def deploy(cloud: Cloud, target: Place = HOME) -> None:
    """Synthesise the application if it has changed, deploy it, its target's half into the default VPC of that place, and upload the local
    cloud's CA bundle."""
    accounts = {} if target.account == HOME.account else {"targetAccounts": target.account}
    assembly = assets.synthesised(accounts)
    cloud.deploy(assembly, only=[CONTROL_STACK])
    deploy_target(cloud, target, assembly)
    names = json.loads(cloud.client("ssm").get_parameter(Name=CONTROL_PARAMETER)["Parameter"]["Value"])
    cloud.client("s3").put_object(
        Bucket=names["evidenceBucket"], Key=CERTIFICATE_BUNDLE, Body=cloud.authority.bundle.read_bytes()
    )


def deploy_target(cloud: Cloud, target: Place, assembly: Path) -> None:
    """The target's half alone, for a control stack that is in the first account and Region."""
    ec2 = cloud.client("ec2", place=target)
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    cloud.deploy(
        assembly, only=[TARGET_STACK], place=target,
        VpcId=vpc, ControlAccount=HOME.account, ControlRegion=HOME.region,
    )  # fmt: skip
