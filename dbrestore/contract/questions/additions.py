"""The order to make a restore point of dumps in S3: the input `{"add": {...}}` of the state machine.

Whoever starts it has had S3 copy the dumps, and has written the note of them, before (`dbrestore.points.in_s3.postgresql.prepare`).
"""

import json
from typing import Any

from pydantic import Field

from dbrestore.contract.document import Document
from dbrestore.contract.request import TargetRequest, WorkerRequest


class AdditionOrder(Document):
    """The point that is made: `instance` is whose it will be and `point_id` its id, as in the note. The worker that reads stands where one
    would for a restore into the instance `near`."""

    instance: str = Field(min_length=1, max_length=255)
    point_id: str = Field(min_length=1, max_length=100)
    near: TargetRequest
    worker: WorkerRequest = WorkerRequest()
    requested_by: str | None = Field(default=None, min_length=1, max_length=1000)


class AdditionStart(Document):
    """The whole input. `Comment` is tolerated, as in a request."""

    comment: Any = Field(default=None, alias="Comment", exclude=True)
    add: AdditionOrder

    def input_text(self) -> str:
        """The execution's input: only what was asked for."""
        return json.dumps(self.model_dump(mode="json", by_alias=True, exclude_defaults=True), sort_keys=True)

    def execution_name(self, again: int = 1) -> str:
        """The same order is one execution while it runs; `again` counts what was started anew after one had ended."""
        return f"add-{self.add.instance[:40]}-{self.add.point_id}" + (f"-{again}" if again > 1 else "")
