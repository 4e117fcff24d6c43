"""A trial: a name, the sentence that it proves, and a function that says what was found."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from acceptance.account import TriedAccount
from acceptance.diary import Diary
from acceptance.made import target_role
from acceptance.made.instances import Instance
from acceptance.made.network import Network
from acceptance.sheet import Call, Measurement, Outcome, TrialResult
from acceptance.wishes import Wishes
from dbrestore.cli.control import ControlPlane
from dbrestore.contract.record import Report


@dataclass(frozen=True)
class Scene:
    """What trials are tried on. `function_role`: the ARN of the role that stands for a function's. `sqlserver` is None unless it was asked
    for and came up, `native_trouble` why it did not; `native_database` is what its backups are of. `reports` are those of the restores so
    far."""

    account: TriedAccount
    plane: ControlPlane
    diary: Diary
    network: Network
    postgresql: Instance
    function_role: str
    wishes: Wishes
    sqlserver: Instance | None = None
    native_database: str | None = None
    native_trouble: str | None = None
    reports: list[Report] = field(default_factory=list)

    def session(self, *functions: str) -> boto3.Session:
        """What these functions may do in the target, for an hour at most. Raises waiting.TookTooLong."""
        return target_role.session(self.account, self.function_role, self.diary.external_id, *functions)


@dataclass(frozen=True)
class Finding:
    """What a trial found: `told` is a sentence about what was seen."""

    told: str
    measurements: tuple[Measurement, ...] = ()


class DidNotHold(Exception):
    """What was to be proved is not so; the message says what was seen instead."""


class NotTried(Exception):
    """The message says what it would take."""


@dataclass(frozen=True)
class Trial:
    """`of_aws_alone`: its sentence is about AWS, so that it holds at another endpoint proves nothing."""

    name: str
    proves: str
    try_it: Callable[[Scene], Finding]
    of_aws_alone: bool = True

    def run(self, scene: Scene) -> TrialResult:
        """Try it. Whatever AWS or the product refuses on the way did not hold."""
        began = time.monotonic()
        with scene.account.calls.during() as calls:
            outcome, finding = self._outcome(scene)
        return self._result(outcome, finding, time.monotonic() - began, calls)

    def _outcome(self, scene: Scene) -> tuple[Outcome, Finding]:
        try:
            finding = self.try_it(scene)
        except NotTried as reason:
            return "not tried", Finding(str(reason))
        except DidNotHold as otherwise:
            return "did not hold", Finding(str(otherwise))
        except (ClientError, BotoCoreError) as error:
            return "did not hold", Finding(f"AWS refused: {error}")
        except Exception as error:  # the other trials are worth trying
            return "did not hold", Finding(f"{type(error).__name__}: {error}")
        return "only on AWS" if self.of_aws_alone and not scene.account.is_aws else "held", finding

    def _result(self, outcome: Outcome, finding: Finding, seconds: float, calls: list[Call]) -> TrialResult:
        return TrialResult(
            name=self.name,
            proves=self.proves,
            outcome=outcome,
            told=finding.told,
            seconds=round(seconds, 1),
            measurements=finding.measurements,
            calls=tuple(calls),
        )


def require(is_so: bool, otherwise: str) -> None:
    """Raise DidNotHold with what was seen unless it is so."""
    if not is_so:
        raise DidNotHold(otherwise)
