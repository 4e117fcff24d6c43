"""What went wrong, as every answer of the HTTP API that isn't a good one says it (RFC 9457)."""

from dbrestore.contract.document import Document

MEDIA_TYPE = "application/problem+json"
# A name of an error (docs/errors.md), or one of the API's own (docs/api.md).
TYPE = "urn:dbrestore:problem:"


class Flaw(Document):
    """One thing that is wrong with the request: `pointer` is a JSON pointer into its body (RFC 6901)."""

    pointer: str
    detail: str


class Problem(Document):
    """`type` is a URN that ends in the error's name, `status` the HTTP status, `instance` the id with which the log knows the call."""

    type: str
    title: str
    status: int
    detail: str
    instance: str | None = None
    errors: tuple[Flaw, ...] = ()
