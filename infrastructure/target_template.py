"""The TargetStack as one plain CloudFormation template, for StackSets and for accounts without the CDK's bootstrap stack.

No assets, no transforms, no nested stacks, no rule that asks for a bootstrap version. The worker's program lies in the control account's
evidence bucket under its own digest, so a template and the program that it names always belong together.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_cdk import App, BootstraplessSynthesizer

from infrastructure import names
from infrastructure.bundles import worker_program
from infrastructure.target_stack import TargetStack

TEMPLATE = "dbrestore-target.template.json"
STACK = "DbrestoreTarget"


def export(folder: Path, context: Mapping[str, Any]) -> tuple[Path, Path]:
    """Write the template and `programs/<digest>.zip` into `folder`; the paths of both. No other program is left there."""
    program = worker_program()
    key = f"{names.PROGRAMS}{hashlib.sha256(program.read_bytes()).hexdigest()}.zip"
    shutil.rmtree(folder / names.PROGRAMS, ignore_errors=True)
    (folder / key).parent.mkdir(parents=True)
    shutil.copyfile(program, folder / key)
    (folder / TEMPLATE).write_text(_text(_template(key, context)))
    return folder / TEMPLATE, folder / key


def _template(key: str, context: Mapping[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        app = App(outdir=scratch, context=dict(context), analytics_reporting=False)
        TargetStack(app, STACK, program_key=key, synthesizer=BootstraplessSynthesizer())
        app.synth()
        template: dict[str, Any] = json.loads((Path(scratch) / f"{STACK}.template.json").read_text())
        return template


def _text(template: dict[str, Any]) -> str:
    """JSON with a line for each parameter, resource and output: to be read and compared, and yet within the limit."""
    sections = []
    for name, section in template.items():
        entries = section.items() if isinstance(section, dict) else ()
        lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in entries)
        sections.append(f" {json.dumps(name)}: " + (f"{{\n{lines}\n }}" if lines else json.dumps(section)))
    return "{\n" + ",\n".join(sections) + "\n}\n"
