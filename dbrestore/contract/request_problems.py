"""What is wrong with a request, all of it at once: each problem with the JSON pointer of its place and the error that it would be alone."""

import re
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import ValidationError

from dbrestore.contract import form_problems
from dbrestore.contract.allowed import credentials as allowed_credentials
from dbrestore.contract.allowed import worker_settings
from dbrestore.contract.allowed.name_flaws import place_of
from dbrestore.contract.checks import asked as asked_checks
from dbrestore.contract.checks.asked import ALL_QUESTIONS, AskedCheck
from dbrestore.contract.errors import NotReady, RestoreError, RestoreRequestInvalid
from dbrestore.contract.request import CredentialsRequest, RestoreRequest, WorkerRequest

Found = TypeVar("Found")

# As `lambdas.planning` names temporary databases and the copies of drills; SQL Server's names differ by more than case.
_OURS = re.compile(r"dbrestore_[0-9a-f]{12}_", re.IGNORECASE)

EXPECTED = {**worker_settings.EXPECTED, **allowed_credentials.EXPECTED, **asked_checks.EXPECTED}


@dataclass(frozen=True)
class Problem:
    """One line of the answer."""

    kind: type[RestoreError]
    pointer: str
    sentence: str


@dataclass
class Problems:
    """Collects problems. `waiting` is something that time fixes: it counts only when nothing else is wrong."""

    found: list[Problem] = field(default_factory=list)
    waiting: NotReady | None = None

    def add(self, kind: type[RestoreError], pointer: str, sentence: str) -> None:
        """One more problem."""
        self.found.append(Problem(kind, pointer, sentence))

    def collect(self, pointer: str, look_up: Callable[[], Found]) -> Found | None:
        """The look-up's answer, or None if it found a problem. NotReady is kept for later."""
        try:
            return look_up()
        except NotReady as later:
            self.waiting = later
        except RestoreError as error:
            self.add(type(error), pointer, str(error))
        return None

    def raise_if_any(self) -> None:
        """Problems of one kind are raised under its name, a mixture as RestoreRequestInvalid."""
        kinds = {problem.kind for problem in self.found}
        if kinds:
            kind = kinds.pop() if len(kinds) == 1 else RestoreRequestInvalid
            raise kind("\n".join(f"{problem.pointer}: {problem.sentence}" for problem in self.found))
        if self.waiting:
            raise self.waiting


def read(request: Mapping[str, Any], problems: Problems, *, of_drill: bool = False) -> RestoreRequest | None:
    """The request, or None if its form is wrong; what is wrong with its wishes whatever the engine goes to the problems as well.
    `of_drill`: it was made from a declared drill, which alone may have the mode and the names of one."""
    halves = [form_problems.pointer(place) for place in _half_characters(request)]
    for pointer in halves:
        problems.add(RestoreRequestInvalid, pointer, "holds half a surrogate pair, which isn't text: write it as Unicode")
    try:
        read_request = RestoreRequest.model_validate(request)
    except ValidationError as error:
        told = [(form_problems.pointer(where), sentence) for where, sentence in form_problems.told(error, RestoreRequest, EXPECTED)]
        for pointer, sentence in told:
            if pointer not in halves:
                problems.add(RestoreRequestInvalid, pointer, sentence)
        return None
    if halves:
        return None
    _note_duplicates(read_request, problems)
    _note_credentials(read_request.target.credentials, problems)
    note_rivals(read_request.worker, problems)
    _note_checks(read_request, problems)
    _note_swap(read_request, problems)
    if not of_drill:
        _note_what_only_drills_may(read_request, problems)
    return read_request


def _half_characters(request: Mapping[str, Any]) -> Iterator[tuple[str | int, ...]]:
    """Where a text is none: JSON can escape what no row, file or log can hold. Without recursion, because nobody bounds the depth."""
    waiting: deque[tuple[tuple[str | int, ...], Any]] = deque([((), request)])
    while waiting:
        place, value = waiting.popleft()
        if isinstance(value, Mapping):
            yield from ((*place, key) for key in value if isinstance(key, str) and _is_half(key))
            waiting.extend(((*place, key), inner) for key, inner in value.items())
        elif isinstance(value, list | tuple):
            waiting.extend(((*place, n), inner) for n, inner in enumerate(value))
        elif isinstance(value, str) and _is_half(value):
            yield place


def _is_half(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _note_duplicates(request: RestoreRequest, problems: Problems) -> None:
    names = Counter(database.name for database in request.databases)
    asked = Counter(database.asked_name for database in request.databases)
    for n, database in enumerate(request.databases):
        if names[database.name] > 1:
            problems.add(RestoreRequestInvalid, f"/databases/{n}/name", f"{database.name!r} is requested twice: request it once")
        elif asked[database.asked_name] > 1:
            place = place_of(database)
            sentence = f"two databases would get the name {database.asked_name!r}: give one another name"
            problems.add(RestoreRequestInvalid, f"/databases/{n}/{place}", sentence)


def _note_credentials(asked: CredentialsRequest | None, problems: Problems) -> None:
    if asked and (asked.secret_arn is None) is (asked.iam_user is None):
        given = "both secretArn and iamUser" if asked.secret_arn else "neither secretArn nor iamUser"
        problems.add(RestoreRequestInvalid, "/target/credentials", f"names {given}: name one of the two, or leave credentials out")


def _note_checks(request: RestoreRequest, problems: Problems) -> None:
    names = [database.name for database in request.databases]
    for place, sentence in check_flaws(request.checks, names):
        problems.add(RestoreRequestInvalid, f"/checks{place}", sentence)


def check_flaws(checks: Sequence[AskedCheck], databases: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Place and sentence of what is wrong with checks of these databases, which are named as in the restore point."""
    seen: set[tuple[str, str | None]] = set()
    known = ", ".join(databases)
    for n, check in enumerate(checks):
        if check.database is None and len(databases) > 1:
            yield f"/{n}/database", f"is missing: say which of {known} is asked"
        if check.database is not None and check.database not in databases:
            yield f"/{n}/database", f"names {check.database!r}, which isn't restored here: name one of {known} as the restore point does"
        if (check.name, check.database) in seen:
            yield f"/{n}/name", f"{check.name!r} stands there twice: give each check a name of its own"
        seen.add((check.name, check.database))
    if sum(len(check.sql) for check in checks) > ALL_QUESTIONS:
        yield "", f"hold more than {ALL_QUESTIONS:,} characters of SQL together: put long questions into views, or ask fewer"


def note_rivals(worker: WorkerRequest, problems: Problems) -> None:
    """Adds a problem for each wish that stands in both of its forms."""
    if worker.subnet_id and worker.subnet_ids:
        problems.add(RestoreRequestInvalid, "/worker/subnetId", "can't be combined with subnetIds: give one of the two")
    if worker.instance_type and worker.instance_types:
        problems.add(RestoreRequestInvalid, "/worker/instanceType", "can't be combined with instanceTypes: give one of the two")


def _note_swap(request: RestoreRequest, problems: Problems) -> None:
    if request.swap and request.on_conflict != "replace":
        problems.add(RestoreRequestInvalid, "/swap", "says how a database is replaced: leave it out, or write onConflict replace")


def _note_what_only_drills_may(request: RestoreRequest, problems: Problems) -> None:
    if request.mode == "drill":
        sentence = 'is of declared drills alone: start one with {"drill": {"name": ...}} (dbrestore drill run), or use restore'
        problems.add(RestoreRequestInvalid, "/mode", sentence)
    for n, database in enumerate(request.databases):
        if _OURS.match(database.asked_name):
            sentence = f"{database.asked_name!r} begins like names of databases that dbrestore makes and drops: choose another with `as`"
            problems.add(RestoreRequestInvalid, f"/databases/{n}/{place_of(database)}", sentence)
