"""The local cloud as one thing: what it takes from the environment, and what it leaves behind."""

import os
import socket
from pathlib import Path

import boto3
import pytest

from localcloud import cloud as local
from localcloud.cloud import Cloud
from localcloud.server import LocalCloudError
from tests.unit.localcloud import lambda_functions


@pytest.fixture
def hostile_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_REGION": "eu-north-1",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("hostile_environment")
def test_nothing_of_the_persons_own_configuration_is_used(tmp_path: Path) -> None:
    running = local.start(tmp_path, schedules=False)
    try:
        answer, error = lambda_functions.invoke(running, lambda_functions.create(running))
    finally:
        running.stop()

    assert error is None
    assert answer["endpoint"] == running.endpoint


def test_stop_ends_every_child_and_forgets_everything(tmp_path: Path) -> None:
    first = local.start(tmp_path / "first", schedules=False)
    answer, _ = lambda_functions.invoke(first, lambda_functions.create(first))
    first.stop()

    second = local.start(tmp_path / "second", schedules=False)
    left = second.client("lambda").list_functions()["Functions"]
    second.stop()

    assert not Path(f"/proc/{answer['process']}").exists()
    assert left == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(first.endpoint.rsplit(":", 1)[1]))) != 0


def test_a_busy_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(LocalCloudError, match=f"Port {port} .* in use"):
            local.start(tmp_path, port)

    after = local.start(tmp_path, schedules=False)
    after.stop()


def test_a_second_cloud_in_one_process_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    with pytest.raises(LocalCloudError, match="already"):
        local.start(tmp_path)


def test_the_environment_of_a_cloud_is_all_that_a_client_needs(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)

    identity = boto3.session.Session().client("sts").get_caller_identity()

    assert identity["Account"] == "123456789012"
