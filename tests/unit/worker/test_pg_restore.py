"""What pg_restore says decides, not only its exit code."""

import pytest

from repository.errors import ReplayFailed
from worker.pg_restore import judge

OLD_SERVER = """pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter "transaction_timeout"
Command was: SET transaction_timeout = 0;
pg_restore: warning: errors ignored on restore: 1
"""


def test_silence_is_success() -> None:
    assert judge(0, "", old_server=False) == []


def test_a_warning_is_a_fix_up() -> None:
    (note,) = judge(0, "pg_restore: warning: something odd\n", old_server=False)

    assert note.what == "warning: something odd"


@pytest.mark.parametrize(
    ("code", "messages"),
    [
        (1, "pg_restore: error: could not execute query: ERROR:  type does not exist\nCommand was: CREATE TABLE x;\n"),
        (0, "pg_restore: error: something\n"),
        (0, "pg_restore: warning: errors ignored on restore: 3\n"),
        (1, ""),
        (-9, ""),
        (1, OLD_SERVER),
    ],
)
def test_any_error_fails_the_replay(code: int, messages: str) -> None:
    with pytest.raises(ReplayFailed, match=f"ended with {code}"):
        judge(code, messages, old_server=False)


def test_an_old_server_may_refuse_the_one_setting_it_does_not_know() -> None:
    assert judge(1, OLD_SERVER, old_server=True) == []


@pytest.mark.parametrize(
    ("code", "messages"),
    [
        (1, OLD_SERVER.replace("restore: 1", "restore: 2")),
        (1, "pg_restore: error: could not execute query: ERROR: x\nCommand was: CREATE TABLE a;\n" + OLD_SERVER),
        (-9, OLD_SERVER),
    ],
)
def test_an_old_server_is_forgiven_nothing_else(code: int, messages: str) -> None:
    with pytest.raises(ReplayFailed):
        judge(code, messages, old_server=True)
