"""The world of the state machine's tests, and for modules that go through the whole: the application on a local cloud of their own."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from dbrestore.cli import control
from dbrestore.cli.control import Account, ControlPlane
from demo import shop as demo_shop
from demo.shop import Shop
from localcloud import cloud as local
from localcloud.cloud import Cloud
from localcloud.postgresql import sample
from localcloud.stacks import application
from tests.server_folder import server_folder
from tests.statemachine.conftest import world

__all__ = ["world"]

ROWS = 20_000


@pytest.fixture(scope="module")
def schedules() -> bool:
    """Whether rules fire by themselves: a module that wants that has its own fixture of this name."""
    return False


@pytest.fixture(scope="module")
def cloud(schedules: bool) -> Iterator[Cloud]:
    """A local cloud in this process, whose variables are this process's."""
    with server_folder("whole-") as folder, pytest.MonkeyPatch.context() as patch:
        running = local.start(folder / "cloud", time_scale=20.0, schedules=schedules)
        try:
            for name, value in running.environment().items():
                patch.setenv(name, value)
            yield running
        finally:
            running.stop()


@pytest.fixture(scope="module")
def declared() -> dict[str, Any]:
    """Documents that are deployed in the place of the checkout's, by the variable that names their file: a module's own fixture."""
    return {}


@pytest.fixture(scope="module")
def running(cloud: Cloud, declared: dict[str, Any]) -> Iterator[Cloud]:
    """The application, deployed there."""
    with pytest.MonkeyPatch.context() as patch:
        for variable, document in declared.items():
            (path := cloud.directory / f"{variable}.json").write_text(json.dumps(document))
            patch.setenv(variable, str(path))
        application.deploy(cloud)
        yield cloud


@pytest.fixture(scope="module")
def plane(running: Cloud) -> ControlPlane:
    """The control plane as a person's commands find it."""
    return control.find(Account())


@pytest.fixture(scope="module")
def shop(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """An instance of PostgreSQL with the sample database `shop`."""
    made = demo_shop.create(plane.account, plane, tmp_path_factory.mktemp("shop"))
    sample.create(made.dsn("shop"), ROWS)
    return made
