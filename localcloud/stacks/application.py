"""The application inside the local cloud: its own templates, and the one file that an operator puts there by hand."""

import json
import os
from pathlib import Path

from localcloud.base.clients import HOME, Place
from localcloud.cloud import Cloud
from localcloud.ec2 import network
from localcloud.stacks import assets

# The account that the control stack lets in beside its own. Always, so that one synthesis serves every rehearsal and every test.
MEMBER = "222222222222"
CONTROL_STACK, TARGET_STACK = "DbrestoreControl", "DbrestoreTarget"
CONTROL_PARAMETER = "/dbrestore/control"
# The path of a file that is deployed in the place of configuration/drills.json.
DRILLS = "LOCALCLOUD_DRILLS"
# The path of a file that is deployed in the place of access.json beside this module, which lets its one key do everything.
ACCESS = "LOCALCLOUD_ACCESS"
API_URL = "ApiUrl"
# In the cloud's directory: {url, keys}, the keys by the callers' names.
API_FILE = "api.json"
# Where the worker reads the CA bundle of the databases (docs/operations.md says how it gets there on AWS).
CERTIFICATE_BUNDLE = "certificates/rds-ca.pem"


def deploy(cloud: Cloud, target: Place = HOME) -> None:
    """Synthesise the application if it has changed, deploy it, its target's half into the default VPC of that place (the first account's or
    `MEMBER`'s), and upload the local cloud's CA bundle."""
    cloud.deploy(assembly(), only=[CONTROL_STACK])
    deploy_target(cloud, target)
    names = json.loads(cloud.client("ssm").get_parameter(Name=CONTROL_PARAMETER)["Parameter"]["Value"])
    cloud.client("s3").put_object(Bucket=names["evidenceBucket"], Key=CERTIFICATE_BUNDLE, Body=cloud.authority.bundle.read_bytes())
    _note_api(cloud)


def _note_api(cloud: Cloud) -> None:
    """Where the API is served, and the first caller's key, for whoever starts this cloud."""
    outputs = cloud.client("cloudformation").describe_stacks(StackName=CONTROL_STACK)["Stacks"][0].get("Outputs", [])
    url = next((one["OutputValue"] for one in outputs if one["OutputKey"] == API_URL), None)
    keys = cloud.client("apigateway").get_api_keys(includeValues=True)["items"]
    if url and keys:
        known = {"url": cloud.local_url(url), "keys": {key["name"].partition("-")[2]: key["value"] for key in keys}}
        (cloud.directory / API_FILE).write_text(json.dumps(known))


def assembly() -> Path:
    """The folder of the application's assembly as it is deployed here."""
    return assets.synthesised({"targetAccounts": MEMBER, "accessConfiguration": str(_access()), **_drills()})


def _access() -> Path:
    return Path(os.environ.get(ACCESS) or Path(__file__).with_name("access.json")).absolute()


def _drills() -> dict[str, str]:
    """Other drills than those of the checkout, for a rehearsal."""
    path = os.environ.get(DRILLS)
    return {"drillConfiguration": str(Path(path).absolute())} if path else {}


def deploy_target(cloud: Cloud, target: Place) -> None:
    """The target's half alone, in the default VPC, for a control stack that is in the first account and Region."""
    vpc = network.prepare(cloud, target)
    cloud.deploy(
        assembly(),
        only=[TARGET_STACK],
        place=target,
        VpcId=vpc,
        ControlAccount=HOME.account,
        ControlRegion=HOME.region,
    )
