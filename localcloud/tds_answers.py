"""The whole answer to a request: what the engine returned, as tokens in the order in which a server sends them."""

from collections.abc import Sequence

from localcloud import tds_columns
from localcloud import tds_tokens as tokens
from localcloud.tds_engine import Message, ResultSet, SqlError


def of_batch(results: Sequence[ResultSet | Message]) -> bytes:
    """Result sets and messages of a batch; the last token ends the answer."""
    last = len(results) - 1
    answer = b"".join(_one(item, tokens.DONE, is_last=number == last) for number, item in enumerate(results))
    return answer if results and isinstance(results[-1], ResultSet) else answer + tokens.done(tokens.DONE)


def of_call(results: Sequence[ResultSet | Message], handle: int | None) -> bytes:
    """Result sets and messages of a procedure, the handle of what it prepared, its return status."""
    answer = b"".join(_one(item, tokens.DONE_IN_PROCEDURE, is_last=False) for item in results)
    returned = b"" if handle is None else tokens.returned_number("@handle", handle)
    return answer + tokens.return_status() + returned + tokens.done(tokens.DONE_PROCEDURE)


def of_error(error: SqlError, *, in_procedure: bool) -> bytes:
    """The error, and the end of the statement that failed."""
    end = tokens.DONE_PROCEDURE if in_procedure else tokens.DONE
    return tokens.error(error) + tokens.done(end, tokens.FAILED)


def _one(item: ResultSet | Message, end: int, *, is_last: bool) -> bytes:
    if isinstance(item, Message):
        return tokens.information(item)
    more = 0 if is_last else tokens.MORE
    return tds_columns.encoded(item) + tokens.done(end, tokens.COUNTED | more, len(item.rows))
