"""Restore points as the HTTP API shows them."""

from pydantic import AwareDatetime

from dbrestore.contract.document import Document


class ShownPoint(Document):
    """A restore point of an instance: its id, and when it was added to the repository."""

    id: str
    added_at: AwareDatetime


class PointList(Document):
    """The restore points of one instance, newest first."""

    db_instance: str
    points: tuple[ShownPoint, ...]
