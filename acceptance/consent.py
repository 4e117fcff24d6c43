"""Asking before anything is made."""

from collections.abc import Callable

from acceptance.account import TriedAccount
from acceptance.wishes import Wishes

ANSWER = "yes"


def given(account: TriedAccount, wishes: Wishes, ask: Callable[[str], str] | None = None) -> bool:
    """Whether the person agrees; asked on the terminal unless by `ask`. `--yes` agreed beforehand; without anybody to answer it is a no."""
    if wishes.yes:
        return True
    try:
        return (ask or input)(f'Begin in account {account.number}, {account.here}? Type "{ANSWER}": ').strip().lower() == ANSWER
    except EOFError:
        return False
