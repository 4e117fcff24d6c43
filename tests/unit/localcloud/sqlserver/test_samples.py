"""Real backups, where they are at hand, through the simulated server: each ends as its header says."""

from datetime import datetime

import pytest

from tests.unit.localcloud.sqlserver.objects import SAMPLES, Server

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no sample backups here")

# objects under the prefix, lifecycle, words in the log
SINGLE = [
    ("full-2008r2.bak", "SUCCESS", ""),
    ("full-2019.bak", "SUCCESS", ""),
    ("compressed-2016.bak", "SUCCESS", ""),
    ("stripe-1-of-2.bak stripe-2-of-2.bak", "SUCCESS", "multi-file task with 2 file(s)"),
    ("stripe-1-of-2.bak", "ERROR", "has 2 media families but only 1 are provided"),
    ("stripe-1-of-2.bak stripe-2-of-another-set.bak", "ERROR", "is not part of the media set"),
    ("git-lfs-pointer.bak", "ERROR", "is incorrectly formed"),
    ("media-password.bak", "ERROR", "password failure"),
    ("differential-2008r2.bak", "ERROR", "RESTORE can only create a database"),
    ("log-2008r2.trn", "ERROR", "RESTORE can only create a database"),
]


def server_with(names: str) -> Server:
    return Server({f"set/{name}": (SAMPLES / name).read_bytes() for name in names.split()})


@pytest.mark.parametrize(("names", "lifecycle", "words"), SINGLE)
def test_a_sample_given_as_a_full_backup_ends_as_its_header_says(names: str, lifecycle: str, words: str) -> None:
    server = server_with(names)

    row = server.polled(server.restore("x", "set/*"))

    assert row["lifecycle"] == lifecycle
    assert words in str(row["task_info"])


def test_the_sizes_and_the_level_of_a_sample_are_those_of_its_header() -> None:
    server = server_with("full-2019.bak")
    server.polled(server.restore("Northwind", "set/full-2019.bak"))

    [sizes] = server.rows("SELECT SUM(size) AS pages FROM Northwind.sys.database_files")
    [level] = server.rows("SELECT compatibility_level FROM sys.databases WHERE name = 'northwind'")

    assert sizes == {"pages": 8_716_288 // 8192}
    assert level == {"compatibility_level": 100}


def test_a_newer_sample_is_refused_by_an_older_server() -> None:
    server = Server({"a": (SAMPLES / "full-2019.bak").read_bytes()}, version="13.00.6455.2")

    assert "running version 15.0.2080" in str(server.polled(server.restore("x", "a"))["task_info"])


@pytest.mark.parametrize(
    ("full", "differential", "lifecycle"),
    [
        ("chain-a-full.bak", "chain-a-differential.bak", "SUCCESS"),
        ("full-2008r2.bak", "differential-2008r2.bak", "ERROR"),
    ],
)
def test_a_differential_sample_needs_its_own_base(full: str, differential: str, lifecycle: str) -> None:
    server = server_with(f"{full} {differential}")
    server.polled(server.restore("x", f"set/{full}", with_norecovery=1))

    row = server.polled(server.restore("x", f"set/{differential}", with_norecovery=1, type="DIFFERENTIAL"))

    assert row["lifecycle"] == lifecycle
    assert ("correct earlier state" in str(row["task_info"])) is (lifecycle == "ERROR")


@pytest.mark.parametrize(
    ("stop_at", "state"),
    [
        (None, "ONLINE"),
        (datetime(2020, 5, 12, 13, 30, 0), "ONLINE"),
        (datetime(2020, 5, 12, 13, 40, 0), "RESTORING"),
    ],
)
def test_a_chain_of_samples_reaches_a_point_in_time_that_its_logs_hold(stop_at: datetime | None, state: str) -> None:
    names = ("chain-b-full.bak", "chain-b-log-1.trn", "chain-b-log-2.trn")
    server = server_with(" ".join(names))
    server.polled(server.restore("x", f"set/{names[0]}", with_norecovery=1))

    rows = [
        server.polled(server.restore_log("x", f"set/{name}", with_norecovery=flag, stopat=stop_at))
        for name, flag in ((names[1], 1), (names[2], 0))
    ]

    assert [row["lifecycle"] for row in rows] == ["SUCCESS", "SUCCESS"]
    database = server.engine.database("x")
    assert database is not None
    assert database.state == state
    assert database.recovered_to == (stop_at if state == "ONLINE" else None)


def test_a_gap_between_the_logs_of_a_sample_is_seen() -> None:
    server = server_with("chain-b-full.bak chain-b-log-2.trn")
    server.polled(server.restore("x", "set/chain-b-full.bak", with_norecovery=1))

    row = server.polled(server.restore_log("x", "set/chain-b-log-2.trn"))

    assert "begins at LSN 19:183:1, which is too recent" in str(row["task_info"])
