"""Command documents of SSM: a document and its parameters become a script.

Understood: schema 2.2 with one step `aws:runShellScript`; parameter types String, StringList, Integer and Boolean with `default`,
`allowedPattern`, `allowedValues` and `interpolationType: ENV_VAR`. Everything else is refused rather than guessed.
"""

import re
from dataclasses import dataclass
from typing import Any

from moto.ssm.exceptions import SSMException

# AWS's own document, as far as it matters on Linux. 3600 s and the range are AWS's.
RUN_SHELL_SCRIPT: dict[str, Any] = {
    "schemaVersion": "2.2",
    "parameters": {
        "commands": {"type": "StringList"},
        "workingDirectory": {"type": "String", "default": ""},
        "executionTimeout": {"type": "String", "default": "3600", "allowedPattern": r"[1-9][0-9]{0,5}"},
    },
    "mainSteps": [
        {
            "action": "aws:runShellScript",
            "name": "runShellScript",
            "inputs": {
                "runCommand": "{{ commands }}",
                "workingDirectory": "{{ workingDirectory }}",
                "timeoutSeconds": "{{ executionTimeout }}",
            },
        }
    ],
}
DEFAULT_TIMEOUT = "3600"
# The first agent that knows interpolationType ENV_VAR; an older one puts the parameter into the text, whatever the document says.
KNOWS_VARIABLES = "3.3.2746.0"


@dataclass(frozen=True)
class Script:
    """What the agent runs: `text` under bash, with `environment` added, for at most `seconds`; `step` is the plugin's name."""

    step: str
    text: str
    environment: dict[str, str]
    working_directory: str
    seconds: float


def render(document: dict[str, Any], given: dict[str, list[str]], agent: str = KNOWS_VARIABLES) -> Script:
    """The script that an agent of this version makes of a document and the parameters of SendCommand. Raises SSM's InvalidParameters and
    InvalidDocument."""
    steps = document.get("mainSteps", [])
    if [step.get("action") for step in steps] != ["aws:runShellScript"]:
        raise SSMException("InvalidDocument", "The local cloud runs documents with exactly one step aws:runShellScript.")
    declared = document.get("parameters", {})
    values = _values(declared, given)
    variables = {name for name in declared if declared[name].get("interpolationType") == "ENV_VAR" and _is_new(agent)}
    inputs = steps[0]["inputs"]
    return Script(
        step=steps[0]["name"],
        text="\n".join(_lines(inputs["runCommand"], {name: values[name] for name in values.keys() - variables})) + "\n",
        environment={f"SSM_{name}": values[name][0] for name in variables},
        working_directory=_text(str(inputs.get("workingDirectory", "")), values),
        seconds=float(_text(str(inputs.get("timeoutSeconds", DEFAULT_TIMEOUT)), values)),
    )


def _is_new(agent: str) -> bool:
    return [int(part) for part in agent.split(".")] >= [int(part) for part in KNOWS_VARIABLES.split(".")]


def _values(declared: dict[str, Any], given: dict[str, list[str]]) -> dict[str, list[str]]:
    for name in given:
        if name not in declared:
            raise _invalid(f"the document has no parameter {name}")
    values = {}
    for name, declaration in declared.items():
        if name not in given and "default" not in declaration:
            raise _invalid(f"the parameter {name} is missing")
        default = declaration.get("default", "")
        values[name] = given.get(name) or (default if isinstance(default, list) else [str(default)])
        if name in given:
            _check(name, declaration, values[name])
    return values


def _check(name: str, declaration: dict[str, Any], values: list[str]) -> None:
    if declaration["type"] != "StringList" and len(values) != 1:
        raise _invalid(f"the parameter {name} takes one value")
    pattern, allowed = declaration.get("allowedPattern"), declaration.get("allowedValues")
    for value in values:
        # The whole value: a pattern's `$` alone would let a trailing line break through.
        if pattern and not re.fullmatch(pattern, value):
            raise _invalid(f"the parameter {name} does not match {pattern}")
        if allowed and value not in map(str, allowed):
            raise _invalid(f"the parameter {name} is none of {allowed}")


def _invalid(reason: str) -> SSMException:
    return SSMException("InvalidParameters", f"Invalid parameters: {reason}.")


def _lines(run_command: str | list[str], values: dict[str, list[str]]) -> list[str]:
    """`{{ Name }}` alone stands for all values of a list, within a line for its text."""
    lines = [run_command] if isinstance(run_command, str) else run_command
    rendered = []
    for line in lines:
        alone = re.fullmatch(r"\{\{\s*(\w+)\s*\}\}", line.strip())
        rendered += values[alone[1]] if alone and alone[1] in values else [_text(line, values)]
    return rendered


def _text(line: str, values: dict[str, list[str]]) -> str:
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: "\n".join(values.get(found[1], [found[0]])), line)
