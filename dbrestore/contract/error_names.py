"""The tree of errors as data, and errors that came back as text: a worker's result, an execution's end, a function's answer."""

from collections.abc import Iterator
from typing import Final

from dbrestore.contract import errors, sqlserver_errors
from dbrestore.contract.errors import RestoreError, RestoreFailed

# Classes of other modules are errors of their own programs, and no document or state machine names them.
_MODULES: Final = (errors.__name__, sqlserver_errors.__name__)


def children(kind: type[RestoreError]) -> list[type[RestoreError]]:
    """What is directly below a class of the tree, in the order of definition; empty for an error, which nothing is below."""
    return [child for child in kind.__subclasses__() if child.__module__ in _MODULES]


def descendants(kind: type[RestoreError]) -> Iterator[type[RestoreError]]:
    """Everything below, each class before what is below it."""
    for child in children(kind):
        yield child
        yield from descendants(child)


# What may be raised, by name, and what is only caught.
ERRORS: Final = {kind.__name__: kind for kind in descendants(RestoreError) if not children(kind)}
GROUPS: Final = tuple(kind for kind in descendants(RestoreError) if children(kind))


def by_name(name: str) -> type[RestoreError]:
    """The error of that name; RestoreFailed if there is none: another version's, or one of Step Functions or Lambda."""
    return ERRORS.get(name, RestoreFailed)
