"""The whole answer to a request: what the engine returned, as tokens in the order in which a server sends them."""

from collections.abc import Sequence

from localcloud.tds import columns as tds_columns
from localcloud.tds import tokens
from localcloud.tds.engine import Message, Result, SqlError
from localcloud.tds.versions import Version


def of_batch(version: Version, results: Sequence[Result]) -> bytes:
    """Result sets, messages and errors of a batch; the last token ends the answer."""
    last = len(results) - 1
    answer = b"".join(_one(version, item, tokens.DONE, is_last=number == last) for number, item in enumerate(results))
    is_ended = results and not isinstance(results[-1], Message)
    return answer if is_ended else answer + tokens.done(version, tokens.DONE)


def of_call(version: Version, results: Sequence[Result], handle: int | None) -> bytes:
    """Result sets, messages and errors of a procedure, the handle of what it prepared, its return status."""
    if len(results) == 1 and isinstance(results[0], SqlError):
        return of_error(version, results[0], in_procedure=True)
    answer = b"".join(_one(version, item, tokens.DONE_IN_PROCEDURE, is_last=False) for item in results)
    failed = tokens.FAILED if any(isinstance(item, SqlError) for item in results) else 0
    returned = b"" if handle is None else tokens.returned_number(version, "@handle", handle)
    return answer + tokens.return_status() + returned + tokens.done(version, tokens.DONE_PROCEDURE, failed)


def of_error(version: Version, error: SqlError, *, in_procedure: bool) -> bytes:
    """The error, and the end of the statement that failed."""
    end = tokens.DONE_PROCEDURE if in_procedure else tokens.DONE
    return tokens.error(version, error) + tokens.done(version, end, tokens.FAILED)


def _one(version: Version, item: Result, end: int, *, is_last: bool) -> bytes:
    if isinstance(item, Message):
        return tokens.information(version, item)
    more = 0 if is_last else tokens.MORE
    if isinstance(item, SqlError):
        return tokens.error(version, item) + tokens.done(version, end, tokens.FAILED | more)
    return tds_columns.encoded(version, item) + tokens.done(version, end, tokens.COUNTED | more, len(item.rows))
