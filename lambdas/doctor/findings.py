"""How one check becomes findings.

Invariant: a check never ends the examination. What it can't see becomes a finding that says why; what a restore would stumble over is told
in the words in which the plan would tell it.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass
from time import monotonic
from typing import Generic, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError
from botocore.parsers import ResponseParserError

from dbrestore.contract import limits
from dbrestore.contract.errors import NotReady, RestoreError
from dbrestore.contract.questions.examination import Finding, State
from lambdas.runtime.aws import translated
from lambdas.runtime.telemetry import log

Side = TypeVar("Side")

ASK_FOR_ACCESS = "deploy both stacks of this version again; a permissions boundary or a service control policy may refuse the call too"
ASK_AGAIN = "run dbrestore doctor again"
BACK_TO_TEMPLATE = "bring the ControlStack back to its template (docs/doctor.md, Back to the template), or deploy this version's"
REPORT_IT = "report this as a bug, with the function's log"


@dataclass(frozen=True)
class Outcome:
    """What a check saw. Without a fix of its own it gets the check's."""

    state: State
    sentence: str
    looked_at: str = ""
    fix: str = ""


def fine(sentence: str, looked_at: str = "") -> Outcome:
    """As it should be."""
    return Outcome("ok", sentence, looked_at)


def doubtful(sentence: str, looked_at: str = "", fix: str = "") -> Outcome:
    """Restores work, but somebody should look."""
    return Outcome("warning", sentence, looked_at, fix)


def wrong(sentence: str, looked_at: str = "", fix: str = "") -> Outcome:
    """Restores fail, or something is less safe than it must be."""
    return Outcome("problem", sentence, looked_at, fix)


def unseen(sentence: str, looked_at: str = "", fix: str = "") -> Outcome:
    """Nobody looked; the sentence says why."""
    return Outcome("not checked", sentence, looked_at, fix)


@dataclass(frozen=True)
class Check(Generic[Side]):
    """`subject` is what it looks at, in words. `is_vital`: a restore makes the same calls, so a refusal is a problem and no gap."""

    name: str
    subject: str
    fix: str
    look: Callable[[Side], Iterable[Outcome]]
    is_vital: bool = False

    def finding(self, outcome: Outcome) -> Finding:
        """The outcome under this check's name."""
        fix = "" if outcome.state == "ok" else outcome.fix or self.fix
        return Finding(
            check=self.name,
            looked_at=outcome.looked_at or self.subject,
            state=outcome.state,
            sentence=outcome.sentence,
            fix=fix,
        )


def examine(checks: Iterable[Check[Side]], side: Side, within: float) -> list[Finding]:
    """The findings of all checks, in their order; what has no answer after so many seconds is told as not checked."""
    listed = list(checks)
    until = monotonic() + within
    # Looks wait for AWS. Nobody waits for one that hangs: the function answers and the look ends by its own time-out.
    pool = ThreadPoolExecutor(limits.CHECKS_AT_ONCE)
    begun = [pool.submit(judge, check, side) for check in listed]
    findings: list[Finding] = []
    for check, look in zip(listed, begun, strict=True):
        try:
            findings += look.result(max(until - monotonic(), 0.0))
        except TooLate:
            late = f"no answer within {within:g} seconds"
            findings.append(check.finding(unseen(late, fix=ASK_AGAIN)))
    pool.shutdown(wait=False, cancel_futures=True)
    return findings


def skipped(checks: Iterable[Check[Side]], reason: str) -> list[Finding]:
    """The findings of checks that could not be begun."""
    return [check.finding(unseen(reason, fix="fix the problems above, then " + ASK_AGAIN)) for check in checks]


def judge(check: Check[Side], side: Side) -> list[Finding]:
    """What one check finds. What it saw before an error stands."""
    return [check.finding(outcome) for outcome in _outcomes(check, side)]


def _outcomes(check: Check[Side], side: Side) -> Iterator[Outcome]:
    try:
        yield from check.look(side)
    except NotReady as later:
        yield doubtful(str(later), fix=ASK_AGAIN)
    except RestoreError as error:
        yield wrong(str(error))
    except (ClientError, BotoCoreError) as error:
        yield _refused(check, error)
    except ResponseParserError:
        told = "the endpoint gave an answer that can't be read: it may not know the call"
        yield unseen(told, fix=f"{ASK_AGAIN}; if AWS_ENDPOINT_URL is set, ask AWS itself")
    except Exception as error:
        log.exception("the check %s broke", check.name)
        yield unseen(f"the check itself broke: {type(error).__name__}: {error}", fix=REPORT_IT)


def _refused(check: Check[Side], error: ClientError | BotoCoreError) -> Outcome:
    meaning = translated(error)
    passes = isinstance(meaning, NotReady) or isinstance(error, ConnectionError)
    if check.is_vital and not passes:
        return wrong(str(meaning), fix=ASK_FOR_ACCESS)
    return unseen(str(meaning), fix=ASK_AGAIN if passes else ASK_FOR_ACCESS)
