"""Errors that came back as text: a worker's result, an execution's cause."""

from dbrestore.contract import sqlserver_errors as native_errors
from dbrestore.contract.errors import RestoreError, RestoreFailed


def by_name(name: str) -> type[RestoreError]:
    """The class of that name; RestoreFailed if there is none."""
    found = getattr(native_errors, name, None) or {c.__name__: c for c in RestoreError.__subclasses__()}.get(name)
    return found if isinstance(found, type) and issubclass(found, RestoreError) else RestoreFailed
