"""The account and Region that commands talk to are those of the AWS CLI and of the CDK, which deployed what they look for."""

from pathlib import Path

import pytest

from acceptance.account import TriedAccount
from dbrestore.cli.control import Account

PROFILES = "[default]\nregion = eu-west-3\n\n[profile control]\nregion = eu-south-1\n"


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A person's computer: profiles with Regions, nothing in the environment."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "config").write_text(PROFILES)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    return monkeypatch


@pytest.mark.parametrize("kind", [Account, TriedAccount])
@pytest.mark.parametrize(
    ("environment", "options", "region"),
    [
        ({}, {}, "eu-west-3"),
        ({}, {"profile": "control"}, "eu-south-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, {"profile": "control"}, "eu-west-1"),
        ({"AWS_REGION": "eu-central-1"}, {}, "eu-central-1"),
        ({"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-west-1"}, {"profile": "control"}, "eu-central-1"),
        ({"AWS_REGION": "eu-central-1"}, {"region": "eu-north-1"}, "eu-north-1"),
        ({"AWS_REGION": ""}, {}, "eu-west-3"),
    ],
)
def test_the_region_is_the_one_that_the_aws_cli_would_use(
    configured: pytest.MonkeyPatch, environment: dict[str, str], options: dict[str, str], region: str, kind: type[Account]
) -> None:
    for name, value in environment.items():
        configured.setenv(name, value)

    assert kind(**options).session.region_name == region
