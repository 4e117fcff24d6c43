"""How a kind of thing is removed and looked for: each subject's module has a table of its own kinds."""

from collections.abc import Callable
from dataclasses import dataclass

from botocore.exceptions import ClientError

from acceptance.account import TriedAccount
from dbrestore.contract.refusals import error_code


@dataclass(frozen=True)
class Kind:
    """`remove` has a thing of this name removed, and returns at once or when it is gone; it is no error that there is none. `exists`
    answers whether it is there. `minutes`: so long it may take until it is gone."""

    remove: Callable[[TriedAccount, str], None]
    exists: Callable[[TriedAccount, str], bool]
    minutes: float = 10.0


def absent(error: ClientError, *codes: str) -> bool:
    """Whether AWS says that there is no such thing. Raises the error if it says something else."""
    if error_code(error) in codes:
        return True
    raise error
