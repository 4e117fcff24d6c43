"""The target's half as StackSets would roll it out: the plain template, deployed there with nothing but CloudFormation, and the worker's
program in the control account's evidence bucket."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from dbrestore.contract.names import CA_BUNDLE_KEY
from localcloud.base.clients import HOME, Place
from localcloud.cloud import Cloud
from localcloud.ec2 import network
from localcloud.stacks import application

ROOT = Path(__file__).parents[2]


def deploy(cloud: Cloud, target: Place) -> None:
    """The control stack in the first account, the target's half in `target`, as docs/deploying.md says it for StackSets."""
    cloud.deploy(application.assembly(), only=[application.CONTROL_STACK])
    names = json.loads(cloud.client("ssm").get_parameter(Name=application.CONTROL_PARAMETER)["Parameter"]["Value"])
    s3, evidence = cloud.client("s3"), names["evidenceBucket"]
    s3.put_object(Bucket=evidence, Key=CA_BUNDLE_KEY, Body=cloud.authority.bundle.read_bytes())
    with tempfile.TemporaryDirectory() as folder:
        template, program = _exported(Path(folder))
        s3.put_object(Bucket=evidence, Key=f"programs/{program.name}", Body=program.read_bytes())
        parameters = {
            "VpcId": network.prepare(cloud, target),
            "ControlAccount": HOME.account,
            "ControlRegion": HOME.region,
        }
        cloud.client("cloudformation", place=target).create_stack(
            StackName="StackSet-dbrestore-target",
            TemplateBody=template.read_text(),
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        )


def _exported(folder: Path) -> tuple[Path, Path]:
    """What `make target-template` writes: the template and the program."""
    environment = {"PATH": os.defpath, "HOME": str(Path("~").expanduser()), "DBRESTORE_BUILD": str(folder), "LANG": "C.UTF-8"}
    # The tests of the template have the CDK validate it.
    environment["CDK_VALIDATION"] = "false"
    command = [sys.executable, str(ROOT / "app.py"), "target-template"]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    template, program = (Path(line) for line in told.splitlines())
    return template, program
