"""What one job leaves is had by the one that reads the same, and by no other."""

from dbrestore.worker.base.kept import Kept


def test_what_was_left_is_taken_once() -> None:
    kept = Kept()
    kept.leave(("m", "1"), "parsed")

    assert kept.take(("m", "1"), str) == "parsed"
    assert kept.take(("m", "1"), str) is None


def test_nobody_takes_what_was_read_for_something_else_nor_is_it_held_on() -> None:
    kept = Kept()
    kept.leave(("m", "1"), "parsed")

    assert kept.take(("m", "2"), str) is None
    assert kept.take(("m", "1"), str) is None


def test_what_is_of_another_kind_is_not_taken() -> None:
    kept = Kept()
    kept.leave("m", 7)

    assert kept.take("m", str) is None
