"""One moto server on localhost per module, fixed by `localcloud`, reached the way a user reaches it: by AWS_ENDPOINT_URL."""

import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from localcloud.base import clock
from localcloud.cloud import Cloud
from localcloud.cloud import start as start_cloud
from localcloud.ec2 import instances, security_groups
from tests.statemachine.plain_moto import know_images

TIME_SCALE = 100.0
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "not-a-secret",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_REGION": "eu-central-1",
}


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """The folder of this module's cloud, passable for the unprivileged user that runs PostgreSQL. No tmp_path: every new pytest
    closes the folder above all of them to others, in the middle of our run."""
    with tempfile.TemporaryDirectory(prefix="cloud-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.fixture(scope="module")
def endpoint(home: Path) -> Iterator[str]:
    """The URL of the running server; its modules are installed by the test modules that need more than EC2."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in KEYS.items():
            environment.setenv(name, value)
        server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        instances.install(TIME_SCALE)
        security_groups.install()
        know_images()
        yield f"http://{host}:{port}"
        clock.forget()
        urllib.request.urlopen(urllib.request.Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()
        server.stop()


@pytest.fixture(scope="module")
def ec2(endpoint: str) -> Any:
    return boto3.client("ec2")


@pytest.fixture(scope="module")
def image(endpoint: str) -> str:
    """The id of the Amazon Linux image that AWS's public parameter names."""
    name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
    return str(boto3.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The whole local cloud, empty, with nothing that fires by itself."""
    running = start_cloud(tmp_path_factory.mktemp("whole"), time_scale=TIME_SCALE, schedules=False)
    know_images()
    yield running
    running.stop()
