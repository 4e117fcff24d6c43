import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from moto import mock_aws

from localcloud.base import clock, consistency
from tests.statemachine import plain_moto
from tests.statemachine.world import ENVIRONMENT, World

IN_PROCESS = {
    "core": {"reset_boto3_session": False},
    "stepfunctions": {"execute_state_machine": True},
    "lambda": {"use_docker": False},
}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The product, installed in an account of moto's."""
    with installed(monkeypatch) as world:
        yield world


@contextmanager
def installed(patch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world for as long as the context lasts; `patch` is undone by its owner. LOCALCLOUD_INCONSISTENT: a seed with which AWS is slow and
    inconsistent from the beginning."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        patch.delenv(name, raising=False)
    for name, value in ENVIRONMENT.items():
        patch.setenv(name, value)
    # moto logs a traceback for every modelled failure of an execution.
    logging.getLogger("moto").setLevel(logging.CRITICAL)
    before = plain_moto.executions()
    with mock_aws(config=IN_PROCESS):
        try:
            world = World(patch).build()
            if seed := os.environ.get(consistency.SEED):
                world.be_inconsistent(int(seed))
            yield world
        finally:
            # The next world has restores of the same ids: what still runs here must not clear them up.
            plain_moto.wait_for_executions(before)
            # Before moto's next reset, which takes the attributes away that an interface's late release looks at.
            clock.forget()
