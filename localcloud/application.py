"""The application inside the local cloud: its own templates, and the one file that an operator puts there by hand."""

import json

from localcloud import assets
from localcloud.cloud import Cloud

CONTROL_PARAMETER = "/dbrestore/control"
# Where the worker reads the CA bundle of the databases (docs/operations.md says how it gets there on AWS).
CERTIFICATE_BUNDLE = "certificates/rds-ca.pem"


def deploy(cloud: Cloud) -> None:
    """Synthesise the application if it has changed, deploy it into the default VPC, and upload the local cloud's CA bundle."""
    vpc = cloud.client("ec2").describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    cloud.deploy(assets.synthesised(), VpcId=vpc)
    names = json.loads(cloud.client("ssm").get_parameter(Name=CONTROL_PARAMETER)["Parameter"]["Value"])
    cloud.client("s3").put_object(
        Bucket=names["evidenceBucket"], Key=CERTIFICATE_BUNDLE, Body=cloud.authority.bundle.read_bytes()
    )
