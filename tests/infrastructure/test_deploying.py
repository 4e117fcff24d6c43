"""The page docs/deploying.md is held to what it is about: its settings, parameters, and the calls of AWS's command that it names."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import typer
from botocore import xform_name

from dbrestore.cli.main import app
from infrastructure import settings, target_template

from .conftest import ROOT

PAGE = (ROOT / "docs" / "deploying.md").read_text()
CONTEXT: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text())["context"]
# Of AWS's command itself and not of a service's model: its customisations, and the options of every command.
CUSTOMISED = {
    ("s3", "cp"),
    ("s3", "sync"),
    ("rds", "wait"),
    ("rds", "add-option-to-option-group"),
    ("cloudformation", "deploy"),
    ("sts", "get-caller-identity"),
}
NONE = {"none", "empty", "random, kept in `cdk.context.json`"}


def rows(title: str) -> dict[str, str]:
    """First and second column of the table below this sentence, names without their quotes."""
    table = PAGE.split(title)[1].split("\n\n")[1]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]]
    return {name.strip(): default for names, default, *_ in cells for name in re.sub("[`|]", "", names).split(",")}


def commands(program: str) -> list[list[str]]:
    """The words of every command of the page that begins so: those of its blocks, lines that go on joined, and those in a sentence."""
    blocks = re.sub(r"\\\n\s*", "", PAGE)
    lines = re.findall(rf"^ {{4,}}({program} .*)$", blocks, flags=re.M)
    inline = [" ".join(found.split()) for found in re.findall(rf"`({program}\s[^`]+)`", PAGE)]
    return [shlex.split(line.replace("$(basename build/programs/*.zip)", "x.zip")) for line in lines + inline]


def test_every_setting_that_is_read_is_on_the_page_and_no_other() -> None:
    asked: set[str] = set()

    def context(key: str) -> Any:
        asked.add(key)
        return {"externalId": "dbrestore"}.get(key, CONTEXT.get(key))

    settings.read(context)

    assert set(rows("Context of the ControlStack")) == asked


def test_the_defaults_of_the_settings_are_those_of_the_file() -> None:
    for key, told in rows("Context of the ControlStack").items():
        default = CONTEXT.get(key, "dbrestore" if key == "prefix" else "")
        assert ("" if told in NONE else told.strip("`")) == (str(default).lower() if isinstance(default, bool) else str(default)), key


def test_the_parameters_of_the_target_stack_and_their_defaults_are_on_the_page(tmp_path: Path) -> None:
    template, _ = target_template.export(tmp_path, {**CONTEXT, "externalId": "an-id"})
    parameters = json.loads(template.read_text())["Parameters"]

    told = rows("Parameters of the TargetStack")

    assert set(told) == set(parameters)
    assert {name for name, default in told.items() if default in NONE} >= {name for name in told if name.startswith("VpcId")}
    assert told["IamUser"].strip("`") == parameters["IamUser"]["Default"]


def test_the_size_of_the_plain_template_is_as_told(tmp_path: Path) -> None:
    template, _ = target_template.export(tmp_path, {**CONTEXT, "externalId": "0" * 32})
    (told,) = re.findall(r"\((\d+) KB; CloudFormation takes 51,200 bytes", PAGE)

    assert template.stat().st_size / 1000 == pytest.approx(int(told), abs=1)


@pytest.mark.parametrize("words", commands("aws"), ids=" ".join)
def test_every_call_of_aws_is_one_that_its_service_knows(words: list[str]) -> None:
    _, service, call, *rest = words
    if (service, call) in CUSTOMISED:
        return
    model = botocore.session.get_session().get_service_model(service)
    operation = model.operation_model({xform_name(name, "-"): name for name in model.operation_names}[call])
    known = set(_options(operation.input_shape))

    assert {word for word in rest if word.startswith("--")} <= known


def _options(shape: Any) -> Iterator[str]:
    """As AWS's command spells them: a truth value has a form that denies it, too."""
    for name, member in shape.members.items():
        yield f"--{xform_name(name, '-')}"
        if member.type_name == "boolean":
            yield f"--no-{xform_name(name, '-')}"


@pytest.mark.parametrize("words", commands("dbrestore"), ids=" ".join)
def test_every_command_of_ours_is_one(words: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    rest = [word.strip("<>") for word in words[1:]]
    while rest and rest[0] in getattr(command, "commands", {}):
        command = command.commands[rest.pop(0)]

    # Parsed, not run: a wrong option or a missing argument raises. A group would take any word.
    assert not getattr(command, "commands", {})
    assert command.make_context("dbrestore", rest).params


def test_no_parameter_is_given_to_a_stack_that_has_none() -> None:
    """The CDK's command hands a parameter to every stack that it deploys, and CloudFormation refuses those that a template lacks."""
    deploying = [words for words in commands("npx") if words[2] == "deploy" and "--parameters" in words]

    assert deploying
    assert [words for words in deploying if "DbrestoreControl" in words] == []
