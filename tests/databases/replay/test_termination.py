"""Sessions of the target are ended, and gone when that returns; PostgreSQL 13 can't wait by itself."""

import time

import psycopg
import pytest

from dbrestore.worker.postgresql import termination
from tests.databases.clouds import Clouds


@pytest.mark.parametrize("version", ["13", "17"])
def test_sessions_are_gone_when_they_are_ended(clouds: Clouds, version: str) -> None:
    cloud = clouds.of(version)
    with psycopg.connect(cloud.dsn(), autocommit=True) as master:
        sessions = [psycopg.connect(cloud.dsn("template1")) for _ in range(3)]
        began = time.monotonic()

        termination.end_sessions_in(master, "template1")

        left = master.execute("SELECT FROM pg_stat_activity WHERE datname = 'template1' AND usename = 'master'")
        assert left.fetchall() == []
        assert time.monotonic() - began < 10
    for session in sessions:
        with pytest.raises(psycopg.errors.AdminShutdown):
            session.execute("SELECT 1")
        session.close()
