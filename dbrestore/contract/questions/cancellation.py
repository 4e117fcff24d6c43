"""What `dbrestore cancel` asks a function of the control plane, and what it is answered."""

from pydantic import Field

from dbrestore.contract.document import Document


class CancelQuestion(Document):
    """The restore that is to stop. `execution_arn` lets one stop that is still being planned, of which the ledger knows nothing yet."""

    restore_id: str = Field(pattern=r"^r-[0-9a-f]{12}$")
    execution_arn: str | None = Field(default=None, max_length=2048)


class CancelAnswer(Document):
    """The restore was asked to stop: its next step ends with RestoreCancelled, and the removers run. `was_waiting`: it waited for the
    archive and was woken."""

    restore_id: str
    was_waiting: bool
