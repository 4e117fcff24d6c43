"""The whole cloud with one SQL Server instance in another account and Region, for tests of commands that ask about it."""

from collections.abc import Iterator
from contextlib import contextmanager

from localcloud import cloud as local
from localcloud.base.clients import Place
from tests.native.chains import FULL
from tests.native.granted_calls import not_granted
from tests.native.whole_cloud import WholeCloud
from tests.server_folder import server_folder
from tests.statemachine.plain_moto import know_images

ELSEWHERE = Place("222222222222", "eu-west-1")
WHERE = ["--account", ELSEWHERE.account, "--to-region", ELSEWHERE.region]


@contextmanager
def cloud_elsewhere() -> Iterator[WholeCloud]:
    """Ends with a check that every call was granted by the deployed policies."""
    with server_folder("elsewhere-") as folder:
        running = local.start(folder / "cloud", time_scale=100.0, schedules=False)
        try:
            know_images()
            made = WholeCloud(running, folder, ELSEWHERE, ["crm"]).build()
            made.point("crm", [FULL])
            yield made
            assert not_granted(running.calls) == set()
        finally:
            running.stop()
