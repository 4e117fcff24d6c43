"""A plan that was written earlier, by this version or by another one, and the names of the reasons why it can't be read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from dbrestore.contract.document import Document
from dbrestore.contract.errors import InternalContradiction, LedgerRowUnreadable, PlanOfAnotherVersion, RestoreError
from dbrestore.contract.job import PostgresOptions
from dbrestore.contract.plan import Estimate, Plan, PlannedNetwork
from dbrestore.contract.request import TicketRequest

Part = TypeVar("Part", bound=Document)

# What can only be of another version: a key that this one doesn't know or misses, or another number.
_OF_SHAPE = {"extra_forbidden", "missing", "literal_error"}
_TOLD_AT_MOST = 5
WHERE_TO_REPORT = "Report this, with the restore's id and this text, to those who maintain your installation of dbrestore"


def read(restore_id: str, text: str) -> Plan:
    """The plan out of the ledger. Raises PlanOfAnotherVersion, or LedgerRowUnreadable for what no version would have written."""
    try:
        return Plan.from_json(text)
    except ValidationError as error:
        lines = [f"/plan{line}" for line in problems(error)]
        if _is_of_shape(error):
            raise of_another_version(lines) from error
        raise LedgerRowUnreadable(
            f"The plan in the ledger's row META of {restore_id} can't be read: {told(lines)}. It was changed by hand: what the restore had "
            "made is removed all the same; start it again"
        ) from error


@dataclass(frozen=True)
class Parts:
    """What a report shows of a plan, each part as far as it can be read."""

    postgres: PostgresOptions | None
    network: PlannedNetwork | None
    estimate: Estimate | None
    ticket: TicketRequest
    reason: str | None
    requested_by: str | None
    permitted_by: str | None


def parts(text: str) -> Parts:
    """The parts of a plan that can't be read as a whole."""
    try:
        found = json.loads(text)
    except ValueError:
        found = {}
    values: dict[str, Any] = found if isinstance(found, dict) else {}
    return Parts(
        postgres=_part(PostgresOptions, values.get("postgres")),
        network=_part(PlannedNetwork, values.get("network")),
        estimate=_part(Estimate, values.get("estimate")),
        ticket=_part(TicketRequest, values.get("ticket")) or TicketRequest(),
        reason=_text(values.get("reason")),
        requested_by=_text(values.get("requestedBy")),
        permitted_by=_text(values.get("permittedBy")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _part(model: type[Part], value: object) -> Part | None:
    try:
        return model.model_validate(value, extra="ignore") if value is not None else None
    except ValidationError:
        return None


def why_unreadable(error: ValidationError) -> RestoreError:
    """What it means that a state's input doesn't validate: nobody but this application writes it."""
    lines = problems(error)
    if all(problem["loc"][:1] == ("plan",) for problem in error.errors()) and _is_of_shape(error):
        return of_another_version(lines)
    return InternalContradiction(
        f"This state can't read what an earlier state of this restore wrote: {told(lines)}. The request is not at fault. Unless the "
        f"functions were deployed while the restore ran (then start it again), this is a bug. {WHERE_TO_REPORT}"
    )


def of_another_version(lines: list[str]) -> PlanOfAnotherVersion:
    """The error of a plan whose form is not this version's."""
    return PlanOfAnotherVersion(
        f"The plan of this restore was written by another version of dbrestore than the one that is deployed now: {told(lines)}. The "
        "functions were deployed or rolled back while it ran, and it can't continue with that plan. Whatever it made is removed, as its "
        "report shows: start the restore again"
    )


def told(lines: list[str]) -> str:
    """The first of the problems, and how many more there are."""
    more = len(lines) - _TOLD_AT_MOST
    return "; ".join(lines[:_TOLD_AT_MOST]) + (f"; and {more} more" if more > 0 else "")


def problems(error: ValidationError) -> list[str]:
    """One line per problem: its JSON pointer and what is wrong."""
    return [f"/{'/'.join(map(str, problem['loc']))}: {_sentence(problem)}" for problem in error.errors()]


def _sentence(problem: Mapping[str, Any]) -> str:
    words = {"extra_forbidden": "is unknown to this version", "missing": "is missing"}
    return words.get(problem["type"]) or str(problem["msg"])


def _is_of_shape(error: ValidationError) -> bool:
    return any(problem["type"] in _OF_SHAPE for problem in error.errors())
