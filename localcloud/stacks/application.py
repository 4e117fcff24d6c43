"""The application inside the local cloud: its own templates, and the one file that an operator puts there by hand."""

import json
import os
from pathlib import Path

from dbrestore.contract.names import CA_BUNDLE_KEY
from localcloud.base.clients import HOME, Place
from localcloud.cloud import Cloud
from localcloud.ec2 import network
from localcloud.stacks import assets

# The account that the control stack lets in beside its own. Always, so that one synthesis serves every rehearsal and every test.
MEMBER = "222222222222"
CONTROL_STACK, TARGET_STACK = "DbrestoreControl", "DbrestoreTarget"
CONTROL_PARAMETER = "/dbrestore/control"
# The prefix of an installation that names none.
PRODUCT = "dbrestore"
# The path of a file that is deployed in the place of configuration/drills.json.
DRILLS = "LOCALCLOUD_DRILLS"
# The path of a file that is deployed in the place of access.json beside this module, which lets its one key do everything.
ACCESS = "LOCALCLOUD_ACCESS"
# The path of a file that is deployed in the place of configuration/answers.json; the secrets that it names must be there.
ANSWERS = "LOCALCLOUD_ANSWERS"
# The path of a file that is deployed in the place of configuration/adoption.json.
ADOPTION = "LOCALCLOUD_ADOPTION"
# The path of a file that is deployed in the place of configuration/in_place.json.
IN_PLACE = "LOCALCLOUD_IN_PLACE"
# In the cloud's directory: {url, keys}, the keys by the callers' names.
API_FILE = "api.json"


def deploy(cloud: Cloud, target: Place = HOME, prefix: str = PRODUCT) -> None:
    """Synthesise the application if it has changed, deploy it, its target's half into the default VPC of that place (the first account's or
    `MEMBER`'s), and upload the local cloud's CA bundle. `prefix`: the installation's, another for each that stands beside another."""
    cloud.deploy(assembly(prefix), only=[CONTROL_STACK.replace(PRODUCT.capitalize(), prefix.capitalize())])
    deploy_target(cloud, target, prefix)
    parts = control(cloud, prefix)
    cloud.client("s3").put_object(Bucket=parts["evidenceBucket"], Key=CA_BUNDLE_KEY, Body=cloud.authority.bundle.read_bytes())
    if url := parts.get("apiUrl"):
        _note_api(cloud, url, prefix)


def _note_api(cloud: Cloud, url: str, prefix: str) -> None:
    """Where the installation's API is served, and its callers' keys, for whoever starts this cloud."""
    named = [(key["name"].partition("-"), key["value"]) for key in cloud.client("apigateway").get_api_keys(includeValues=True)["items"]]
    keys = {name: value for (owner, _, name), value in named if owner == prefix}
    (cloud.directory / API_FILE).write_text(json.dumps({"url": cloud.local_url(url), "keys": keys}))


def control(cloud: Cloud, prefix: str = PRODUCT) -> dict[str, str]:
    """What the deployed control plane's parts are called."""
    parameter = cloud.client("ssm").get_parameter(Name=CONTROL_PARAMETER.replace(PRODUCT, prefix))["Parameter"]
    return dict(json.loads(parameter["Value"]))


def assembly(prefix: str = PRODUCT) -> Path:
    """The folder of the application's assembly as it is deployed here."""
    return assets.synthesised({"prefix": prefix, "targetAccounts": MEMBER, "accessConfiguration": str(_access()), **_declared()})


def _access() -> Path:
    return Path(os.environ.get(ACCESS) or Path(__file__).with_name("access.json")).absolute()


def _declared() -> dict[str, str]:
    """Other drills, answers, rules of adoption and places to read from than those of the checkout, for a rehearsal."""
    variables = {
        "drillConfiguration": DRILLS,
        "answerConfiguration": ANSWERS,
        "adoptionConfiguration": ADOPTION,
        "inPlaceConfiguration": IN_PLACE,
    }
    paths = {key: os.environ.get(variable) for key, variable in variables.items()}
    return {key: str(Path(path).absolute()) for key, path in paths.items() if path}


def deploy_target(cloud: Cloud, target: Place, prefix: str = PRODUCT) -> None:
    """The target's half alone, in the default VPC, for a control stack that is in the first account and Region."""
    vpc = network.prepare(cloud, target)
    cloud.deploy(
        assembly(prefix),
        only=[TARGET_STACK.replace(PRODUCT.capitalize(), prefix.capitalize())],
        place=target,
        VpcId=vpc,
        ControlAccount=HOME.account,
        ControlRegion=HOME.region,
    )
