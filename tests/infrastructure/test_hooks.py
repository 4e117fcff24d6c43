"""What hooks need of AWS: one open method, and the right to read exactly their secrets."""

import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from infrastructure import hooks
from infrastructure.bundles import function_code
from tests.infrastructure.conftest import Template, synthesise, template_of

# One process synthesises each template once.
pytestmark = pytest.mark.xdist_group("templates")

ARNS = [f"arn:aws:secretsmanager:eu-central-1:123456789012:secret:{name}" for name in ("jira-Ab12Cd", "jira-2-Ef34Gh")]
HOOK = {
    "name": "jira",
    "scheme": "jira",
    "secrets": ARNS,
    "when": "webhookEvent == 'jira:issue_updated'",
    "request": {"target": {"dbInstance": "orders-test"}, "databases": "{% databases %}"},
}


@pytest.fixture(scope="module")
def hooked(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """An installation with a hook, and without a caller of another kind."""
    folder = tmp_path_factory.mktemp("hooked")
    access = folder / "access.json"
    access.write_text(json.dumps({"hooks": [HOOK]}))
    return template_of(synthesise(folder / "out", accessConfiguration=str(access)), "DbrestoreControl")


def reading(template: Template) -> list[dict[str, Any]]:
    """Statements that let a function read a secret."""
    roles = template.of_type("AWS::IAM::Role").values()
    statements = [one for role in roles for policy in role.get("Policies", ()) for one in policy["PolicyDocument"]["Statement"]]
    return [one for one in statements if "secretsmanager:GetSecretValue" in json.dumps(one)]


def test_a_hook_is_one_open_method_and_there_is_no_other(hooked: Template) -> None:
    (method,) = hooked.of_type("AWS::ApiGateway::Method").values()
    paths = [resource["PathPart"] for resource in hooked.of_type("AWS::ApiGateway::Resource").values()]

    assert (method["HttpMethod"], method["AuthorizationType"], method.get("ApiKeyRequired", False)) == ("POST", "NONE", False)
    assert sorted(paths) == ["hooks", "{name}"]


def test_a_flood_of_hooks_leaves_the_other_routes_their_calls(hooked: Template) -> None:
    settings = {one["ResourcePath"]: one for one in hooked.only("AWS::ApiGateway::Stage")["MethodSettings"]}

    assert settings["/~1hooks~1{name}"]["ThrottlingRateLimit"] == hooks.RATE < settings["/*"]["ThrottlingRateLimit"]


def test_one_function_may_read_exactly_the_secrets_of_hooks(hooked: Template) -> None:
    (statement,) = reading(hooked)

    assert (statement["Action"], sorted(statement["Resource"])) == ("secretsmanager:GetSecretValue", sorted(ARNS))
    assert "Condition" not in statement


def test_without_a_hook_nobody_reads_a_secret_and_nothing_is_open(control: Template) -> None:
    assert reading(control) == []
    assert control.of_type("AWS::ApiGateway::RestApi") == {}


def test_the_functions_know_the_hooks_that_were_deployed(tmp_path: Path) -> None:
    access = tmp_path / "access.json"
    access.write_text(json.dumps({"hooks": [HOOK]}))
    with ZipFile(function_code(access=access)) as archive:
        assert json.loads(archive.read("configuration/access.json"))["hooks"] == [HOOK]
