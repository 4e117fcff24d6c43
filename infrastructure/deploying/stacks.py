"""Both stacks, by the CDK's own command, which shows what it changes in IAM and asks before it does."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from infrastructure import names
from infrastructure.deploying.place import Place

ROOT = Path(__file__).resolve().parents[2]
CDK = "aws-cdk@2"
QUALIFIER = "@aws-cdk/core:bootstrapQualifier"
DEFAULT_QUALIFIER = "hnb659fds"


class StackNotDeployed(Exception):
    """The message says which of the CDK's commands ended badly. It said why itself."""


def bootstrap(place: Place, qualifier: str) -> None:
    """`cdk bootstrap`, where that was never done; where it was, other applications use it too. Raises StackNotDeployed."""
    if place.parameter(f"/cdk-bootstrap/{qualifier}/version") is None:
        _cdk(place, "bootstrap", f"aws://{place.account}/{place.region}")


def deploy(place: Place, prefix: str, vpc: str, words: Sequence[str]) -> list[str]:
    """The stacks that are not there yet, the ControlStack first; their names. `words`: more for `cdk deploy`. Raises StackNotDeployed."""
    target = names.stack(prefix, "Target")
    rows = (
        ("DbrestoreControl", names.CONTROL_PARAMETER, ()),
        ("DbrestoreTarget", names.TARGET_PARAMETER, ("--parameters", f"{target}:VpcId={vpc}")),
    )
    # What is there may be in use, and another version is rolled out in another order (docs/deploying.md, "Upgrading").
    missing = [(stack, options) for stack, signpost, options in rows if place.parameter(names.of(prefix, signpost)) is None]
    for stack, options in missing:
        _cdk(place, "deploy", stack, *options, *words)
    return [stack for stack, _ in missing]


def _cdk(place: Place, *words: str) -> None:
    # The CDK runs `python3 app.py`: with this Python, that has the packages. Without a Region of its own it would take the profile's.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    command = ("npx", "--yes", CDK, *words)
    try:
        code = subprocess.run(command, cwd=ROOT, env={**os.environ, "PATH": path, "AWS_REGION": place.region}, check=False).returncode
    except FileNotFoundError as error:
        raise StackNotDeployed("There is no npx: install Node 18 or newer, which brings it") from error
    if code:
        raise StackNotDeployed(f"`{' '.join(command)}` ended with code {code}. `make deploy` carries on when that is put right")
