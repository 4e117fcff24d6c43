"""Both templates, synthesised once per test process by `python app.py` itself, and the values of CloudFormation's functions in them.
Those of other contexts come from one process that is kept (`kept_synthesis`)."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.infrastructure.kept_synthesis import ENVIRONMENT, ROOT, kept

ACCOUNT, REGION = "123456789012", "eu-central-1"
PSEUDO_PARAMETERS = {"AWS::AccountId": ACCOUNT, "AWS::Region": REGION, "AWS::Partition": "aws", "AWS::NoValue": "AWS::NoValue"}


@dataclass(frozen=True)
class Template:
    """A template, deployed in `ACCOUNT` and `REGION` with `parameters` over its own defaults."""

    content: dict[str, Any]
    parameters: Mapping[str, str]

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Logical id -> properties with everything resolved, of what these parameters make."""
        found = {
            id_: resource
            for id_, resource in self.content["Resources"].items()
            if resource["Type"] == kind and ("Condition" not in resource or self._holds(resource["Condition"]))
        }
        return {id_: self.resolve(resource.get("Properties", {})) for id_, resource in found.items()}

    def only(self, kind: str, **properties: str) -> dict[str, Any]:
        """The properties of the one resource of that kind that has these properties."""
        (match,) = [r for r in self.of_type(kind).values() if properties.items() <= r.items()]
        return match

    def resolve(self, value: Any) -> Any:
        """What CloudFormation would make of it. A resource is its name where it has one, else its logical id."""
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((function, argument),) = value.items()
            if function == "Ref" or function.startswith("Fn::"):
                return self._call(function, argument)
        return {key: self.resolve(item) for key, item in value.items()}

    def _call(self, function: str, argument: Any) -> Any:
        if function == "Ref":
            return self._reference(argument)
        if function == "Fn::GetAtt":
            return f"{argument[0]}.{argument[1]}"
        if function == "Fn::Join":
            return argument[0].join(self.resolve(argument[1]))
        if function == "Fn::If":
            return self.resolve(argument[1] if self._holds(argument[0]) else argument[2])
        assert function == "Fn::Sub", function
        for name, text in PSEUDO_PARAMETERS.items():
            argument = argument.replace("${" + name + "}", text)
        return argument

    def _reference(self, name: str) -> str:
        if name in PSEUDO_PARAMETERS:
            return PSEUDO_PARAMETERS[name]
        if name in self.content.get("Parameters", {}):
            return str(self.parameters.get(name, self.content["Parameters"][name].get("Default")))
        properties = self.content["Resources"][name].get("Properties", {})
        named = {key: self.resolve(properties[key]) for key in ("BucketName", "TableName", "Name", "RoleName") if key in properties}
        return next(iter(named.values()), name)

    def refusals(self) -> list[str]:
        """What CloudFormation would say before it makes anything."""
        asserted = [one for rule in self.content.get("Rules", {}).values() for one in rule["Assertions"]]
        return [str(one["AssertDescription"]) for one in asserted if not self._is_true(one["Assert"])]

    def _holds(self, condition: str) -> bool:
        return self._is_true(self.content["Conditions"][condition])

    def _is_true(self, expression: dict[str, Any]) -> bool:
        if "Fn::Not" in expression:
            return not self._is_true(expression["Fn::Not"][0])
        left, right = expression["Fn::Equals"]
        return bool(self.resolve(left) == self.resolve(right))


def synthesise(folder: Path, **context: str) -> Path:
    """The folder with the assembly of cdk.json's context with these values in it."""
    kept().synthesise(folder, context)
    return folder


@pytest.fixture(scope="session")
def cdk_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `python app.py` writes where there is no Node, no Docker and no AWS account."""
    folder = tmp_path_factory.mktemp("cdk") / "out"
    environment = {**ENVIRONMENT, "CDK_OUTDIR": str(folder)}
    done = subprocess.run([sys.executable, ROOT / "app.py"], env=environment, cwd="/", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def template_of(cdk_out: Path, stack: str, **parameters: str) -> Template:
    return Template(json.loads((cdk_out / f"{stack}.template.json").read_text()), parameters)


@pytest.fixture(scope="session")
def control(cdk_out: Path) -> Template:
    return template_of(cdk_out, "DbrestoreControl")


@pytest.fixture(scope="session")
def target(cdk_out: Path) -> Template:
    return template_of(cdk_out, "DbrestoreTarget", VpcId="vpc-1")


@pytest.fixture(scope="session")
def target_elsewhere(cdk_out: Path) -> Template:
    """The same template in another account than the control account."""
    return template_of(cdk_out, "DbrestoreTarget", VpcId="vpc-1", ControlAccount="999999999999", ControlRegion="eu-west-1")


@pytest.fixture(scope="session")
def shared_control(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A control account that other accounts restore from, with a key of its own."""
    context = {"targetAccounts": "111111111111, 222222222222", "externalId": "our-secret", "encryptionKey": "own"}
    return template_of(synthesise(tmp_path_factory.mktemp("shared") / "out", **context), "DbrestoreControl")
