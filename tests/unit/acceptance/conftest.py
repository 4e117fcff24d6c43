"""moto alone, where no cloud has to run."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

from acceptance.account import TriedAccount
from tests.statemachine.plain_moto import know_images


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[TriedAccount]:
    """An empty account of moto's, as AWS's own endpoint."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nobody")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    # Whatever another test of this process did without Amazon's images.
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "true")
    with mock_aws():
        know_images()
        yield TriedAccount(region="eu-central-1", installation="trial")
