"""The result sheet: what was tried, what held, and what was left. It is made to be sent to others, so it names no account."""

from typing import Literal

from pydantic import AwareDatetime

from dbrestore.contract.document import Document

# `only on AWS`: it was done and went well, at an endpoint that isn't AWS's, where that proves nothing of AWS.
Outcome = Literal["held", "did not hold", "only on AWS", "not tried"]
Place = Literal["AWS", "elsewhere"]


class Call(Document):
    """One call to AWS: `request_id` is what its support asks for, `error` the code of what was refused."""

    at: AwareDatetime
    service: str
    operation: str
    request_id: str
    error: str | None = None


class Measurement(Document):
    """One number that a trial found, with its unit."""

    what: str
    value: float
    unit: str


class TrialResult(Document):
    """One trial: `proves` is the sentence that holds or doesn't, `told` what was seen, or why it wasn't tried."""

    name: str
    proves: str
    outcome: Outcome
    told: str
    seconds: float
    measurements: tuple[Measurement, ...] = ()
    calls: tuple[Call, ...] = ()


class Removal(Document):
    """What became of the things that were made: `left` names each that is still there or couldn't be looked for. `kept`: as asked for."""

    made: int
    left: tuple[str, ...]
    kept: bool = False


class Sheet(Document):
    """`sheet.json` of one run. `failure`: what ended the run before all was tried. `scale`: how often trials repeat what they do."""

    schema_version: Literal["1"] = "1"
    run: str
    version: str
    place: Place
    region: str
    scale: Literal["quick", "full"]
    began_at: AwareDatetime
    ended_at: AwareDatetime
    trials: tuple[TrialResult, ...]
    removal: Removal
    failure: str | None = None

    @property
    def holds(self) -> bool:
        """Whether nothing that was tried failed, all of it was tried that was to be, and nothing is left."""
        return not (self.failure or self.removal.left or any(trial.outcome == "did not hold" for trial in self.trials))
