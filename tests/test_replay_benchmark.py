"""The replay's benchmark says what was measured: intervals by the binomial, ratios of pairs."""

import threading
from http.client import HTTPConnection
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from benchmarks import distant_s3, replay, resume
from benchmarks.replay import Comparison, Pairs, Run, Spent
from benchmarks.resume import Carried


@pytest.mark.parametrize(("count", "low", "high"), [(5, 1, 5), (8, 2, 7), (10, 2, 9), (20, 6, 15)])
def test_the_interval_of_a_median_covers_nine_in_ten(count: int, low: int, high: int) -> None:
    # Of 8 coins 2 x (1 + 8) / 256 = 7 % show at most one head or one tail, and 29 % at most two: the 2nd and the 7th.
    assert replay.interval([float(n) for n in range(count, 0, -1)]) == (low, high)


def test_a_row_tells_ratios_of_pairs_and_not_of_sums() -> None:
    ours = [Run(seconds, Spent(seconds + 1.0, 1.0, 1.0), 0.1, 64 << 20) for seconds in (1.0, 10.0, 1.0)]
    theirs = [Run(seconds, Spent(seconds + 1.0, 2.0, 0.2), 0.3) for seconds in (3.0, 20.0, 3.0)]
    comparison = Comparison("small", 100, "small tables", replay.by_hand, 1.5)

    row = replay.table({comparison: Pairs(ours, theirs)})[-1]

    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:3] == ["**3.00x** (2.00 - 3.00)", "**2.00x** (1.91 - 2.00)"]
    assert cells[4:] == ["2.0, 4.0", "0.50", "1.0", "64", "0.1 - 0.3"]


def test_what_carrying_on_costs_is_told_as_a_share_of_each_undisturbed_run() -> None:
    measured = [Carried(10.0, 5.5, 4.0), Carried(20.0, 10.0, 12.0), Carried(10.0, 5.0, 7.0)]

    row = resume.table({"mixed": measured})[-1]

    assert [cell.strip() for cell in row.strip("|").split("|")] == ["mixed", "10.0", "5.5", "7.0", "**0.60** (0.40 - 0.70)", "0.6"]


def test_a_distant_s3_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "object").write_bytes(bytes(range(256)) * 9000)
    with HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as near:
        threading.Thread(target=near.serve_forever, daemon=True).start()

        with distant_s3.before(f"http://127.0.0.1:{near.server_port}") as endpoint:
            assert endpoint != f"http://127.0.0.1:{near.server_port}"
            asked = HTTPConnection(endpoint.removeprefix("http://"))
            asked.request("GET", "/object")
            assert asked.getresponse().read() == (tmp_path / "object").read_bytes()
            asked.close()
        near.shutdown()
