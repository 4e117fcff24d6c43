"""Progress costs the work nothing, and what is read of it never goes back."""

import threading
import time

from dbrestore.contract.job import Progress
from dbrestore.worker.base.progress import ProgressWriter


class SlowStore:
    """Takes a note when it is let."""

    def __init__(self) -> None:
        self.may_end, self.began = threading.Event(), threading.Semaphore(0)
        self.notes: list[Progress] = []

    def write(self, note: Progress) -> None:
        self.began.release()
        assert self.may_end.wait(30)
        self.notes.append(note)


def test_the_work_goes_on_while_a_note_is_on_its_way_and_no_second_one_overtakes_it() -> None:
    store = SlowStore()
    progress = ProgressWriter("replay", store.write, every=0.001)

    progress.add(1)
    assert store.began.acquire(timeout=30)
    for _ in range(5):
        time.sleep(0.002)
        progress.add(1)

    assert progress.work_done == 6
    assert not store.began.acquire(blocking=False)
    store.may_end.set()
    while len(store.notes) < 2:
        time.sleep(0.002)
        progress.add(1)
    assert [note.bytes_done for note in store.notes][:1] == [1]
    assert store.notes[1].bytes_done > 6


def test_without_a_pause_each_change_is_written_before_the_work_goes_on() -> None:
    notes: list[Progress] = []
    progress = ProgressWriter("replay", notes.append, every=0)

    progress.phase("data", "orders")
    progress.add(5)

    assert [(note.phase, note.bytes_done) for note in notes] == [("data", 0), ("data", 5)]
