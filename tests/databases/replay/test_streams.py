"""How many connections a restore takes: as planned, but never the last that others could use."""

from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest

from dbrestore.worker.base import limits
from dbrestore.worker.postgresql import streams
from tests.databases.restore_case import Cloud


@pytest.fixture
def master(cloud: Cloud) -> Iterator[psycopg.Connection]:
    """A session of the master user."""
    with psycopg.connect(cloud.dsn(), autocommit=True) as connection:
        yield connection


def free(cloud: Cloud) -> int:
    """Connections that the server would still take of ordinary users, from its own settings."""
    [(most,)] = cloud.execute("SHOW max_connections")
    [(reserved,)] = cloud.execute("SHOW superuser_reserved_connections")
    [(used,)] = cloud.execute("SELECT count(*) - 1 FROM pg_stat_activity WHERE backend_type = 'client backend'")
    return int(most) - int(reserved) - used


def test_what_was_planned_is_used_where_there_is_room(cloud: Cloud, master: psycopg.Connection) -> None:
    assert streams.usable(master, 4) == 4


def test_half_of_what_is_free_is_left_to_others(cloud: Cloud, master: psycopg.Connection) -> None:
    with ExitStack() as taken:
        for _ in range(free(cloud) - limits.OTHER_SESSIONS - 6):
            taken.enter_context(psycopg.connect(cloud.dsn(), autocommit=True))

        assert streams.usable(master, 16) == 3
        taken.enter_context(psycopg.connect(cloud.dsn(), autocommit=True))
        assert streams.usable(master, 16) == 2


def test_one_is_always_tried(cloud: Cloud, master: psycopg.Connection) -> None:
    with ExitStack() as taken:
        for _ in range(free(cloud) - 1):
            taken.enter_context(psycopg.connect(cloud.dsn(), autocommit=True))

        assert streams.usable(master, 16) == 1
