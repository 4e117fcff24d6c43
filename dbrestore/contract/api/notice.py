"""What of a restore may leave the account: the text that answers in tickets and messages in chats are made of.

Everything that an answer can say stands here, so that this module alone decides it: nothing of a request but the ticket's id, no addresses,
no names of databases and no messages of errors but in `details`, which an operator asks for, and no secret anywhere.
"""

import re
from typing import Final, Literal

from dbrestore.contract.document import Document
from dbrestore.contract.texts import Text

# Every text of ours begins with it: by it our own comments are known when a webhook brings them back.
MARKER: Final = re.compile(r"\[dbrestore r-[0-9a-f]{12} [A-Z ]+\]")
# What may stand in the path of an address. Ids of Jira, GitHub, PagerDuty, Zendesk and ServiceNow (`sys_id`) are of it.
ADDRESSABLE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")

Severity = Literal["info", "warning", "error", "critical"]


class Notice(Document):
    """`text`: a line of words that this application chose, beginning with a marker that is the same however often it is told. `details`: it
    with databases and the error's message, without the characters that markup and mentions are made of. `ticket`: the request's ticket, if
    its id can stand in an address, which `has_ticket` says. `caller`: who asked over HTTP, as the access configuration calls them."""

    text: str
    details: Text
    severity: Severity
    has_ticket: bool
    ticket: str
    caller: str


def is_ours(text: str) -> bool:
    """Whether the text is one that an answer of this or another installation wrote."""
    return MARKER.search(text) is not None
