"""What the API says no with: every answer that isn't a good one is a problem document (RFC 9457), whatever went wrong."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dbrestore.contract.api.problem import TYPE, Flaw, Problem
from dbrestore.contract.errors import Busy, NotFound, NotPermitted, NotReady, OwnFault, RequestRefused, RestoreError

AGAIN_SOON: Mapping[str, str] = {"Retry-After": "5"}
# By the error's group; of several the first counts. What an installation, an account or a target lacks, the request could not know.
STATUS: tuple[tuple[type[RestoreError], int], ...] = (
    (NotPermitted, 403),
    (RequestRefused, 422),
    (NotFound, 404),
    (NotReady, 503),
    (Busy, 409),
    (OwnFault, 500),
)
OTHERWISE = 422


@dataclass
class Refusal(Exception):
    """An answer that ends the call. `kind` becomes the last part of the problem's type."""

    status: int
    kind: str
    title: str
    detail: str
    flaws: Sequence[Flaw] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def problem(self, instance: str | None) -> Problem:
        """As the caller gets it."""
        return Problem(
            type=TYPE + self.kind, title=self.title, status=self.status, detail=self.detail, instance=instance, errors=tuple(self.flaws)
        )


def malformed(detail: str, pointer: str | None = None) -> Refusal:
    """The body isn't what it says it is."""
    return Refusal(400, "BodyMalformed", "The body can't be read", detail, (Flaw(pointer=pointer, detail=detail),) if pointer else ())


def of_query(name: str, detail: str) -> Refusal:
    """One parameter of the query string, or a header, is wrong."""
    return Refusal(400, "ParameterInvalid", "A parameter is wrong", f"{name}: {detail}")


def not_found(detail: str) -> Refusal:
    """Also for what the caller may not see: that it exists is not told."""
    return Refusal(404, "RestoreNotFound", "There is no such restore", detail)


def unavailable() -> Refusal:
    """Our own trouble: the caller may send the same once more."""
    return Refusal(503, "Unavailable", "Not now", "AWS refused a call for now: send the same request again", headers=AGAIN_SOON)


def broken() -> Refusal:
    """A bug. What it is stays in the log, under the problem's `instance`."""
    return Refusal(500, "InternalError", "A bug of dbrestore", "This should not happen: report it, with the `instance` of this answer")


def is_passing(error: RestoreError) -> bool:
    """Whether the same call may succeed in a moment."""
    return isinstance(error, NotReady)


def of_error(error: RestoreError) -> Refusal:
    """An error of the product. The lines of a refused request are its flaws."""
    if isinstance(error, NotReady):
        return unavailable()
    status = next((number for group, number in STATUS if isinstance(error, group)), OTHERWISE)
    name = type(error).__name__
    return Refusal(status, name, _title(name), str(error), flaws_in(str(error)))


def _title(name: str) -> str:
    """`Restore point not found` of `RestorePointNotFound`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()


def flaws_in(message: str) -> tuple[Flaw, ...]:
    """The lines `<JSON pointer>: <sentence>` of a message, if it consists of such."""
    lines = [line.partition(": ") for line in message.splitlines()]
    if not lines or not all(pointer.startswith("/") and sentence for pointer, _, sentence in lines):
        return ()
    return tuple(Flaw(pointer=pointer, detail=sentence) for pointer, _, sentence in lines)
