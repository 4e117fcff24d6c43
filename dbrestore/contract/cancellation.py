"""What `dbrestore cancel` asks a function of the control plane, and what it is answered."""

from dbrestore.contract.document import Document


class CancelQuestion(Document):
    """The restore that is to stop."""

    restore_id: str


class CancelAnswer(Document):
    """The restore was asked to stop: its next step ends with RestoreCancelled, and the removers run. `was_waiting`: it waited for the
    archive and was woken."""

    restore_id: str
    was_waiting: bool
