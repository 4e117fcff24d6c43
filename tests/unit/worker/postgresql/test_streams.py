"""How much memory a session may sort an index in."""

import pytest

from dbrestore.worker.base import limits
from dbrestore.worker.postgresql.streams import Capacity, index_memory

MB = 1 << 20


@pytest.mark.parametrize(
    ("buffers", "usual", "streams", "wanted"),
    [
        (4096 * MB, 256 * MB, 4, 512 * MB),
        (256 * MB, 64 * MB, 2, None),
        (64 << 30, 512 * MB, 2, limits.INDEX_MEMORY),
        (4096 * MB, 2048 * MB, 2, None),
    ],
    ids=["16 GB", "1 GB", "256 GB", "a parameter group that gives more"],
)
def test_all_streams_share_half_of_what_the_server_keeps_pages_in(buffers: int, usual: int, streams: int, wanted: int | None) -> None:
    assert index_memory(buffers, usual, streams) == wanted


def test_it_is_told() -> None:
    assert str(Capacity(4, 512 * MB, 170010)) == "4 streams, 512 MB each to sort an index in"
    assert str(Capacity(1, None, 170010)) == "1 streams, the server's own memory to sort in"
