"""What an examination of the installation is asked, and what it answers."""

from typing import Literal

from pydantic import ConfigDict

from dbrestore.contract.document import Document
from dbrestore.contract.request import AccountId, InstanceName, Region

State = Literal["ok", "warning", "problem", "not checked"]


# A command of another version asks too: what this one does not know of its question must not stop the answer.
_OF_ANY_VERSION = ConfigDict(extra="ignore")


class Expected(Document):
    """SHA-256 sums, in hexadecimal digits, of what the asking side's version consists of; None where it does not know, and `why_unknown`
    then says why. `version` is its number."""

    model_config = _OF_ANY_VERSION

    version: str | None = None
    code: str | None = None
    definition: str | None = None
    document: str | None = None
    why_unknown: str | None = None


class ExaminationQuestion(Document):
    """What to look at: the control account always; with an account, a Region or an instance that side as well. `functions` are the names
    of those that commands ask, as the signpost has them."""

    model_config = _OF_ANY_VERSION

    db_instance: InstanceName | None = None
    account: AccountId | None = None
    region: Region | None = None
    functions: tuple[str, ...] = ()
    expected: Expected = Expected()


class Finding(Document):
    """One thing that was looked at. `check` is its entry in docs/doctor.md, `fix` is empty where nothing is to be fixed."""

    check: str
    looked_at: str
    state: State
    sentence: str
    fix: str = ""


class Examination(Document):
    """All findings, in the order in which a restore meets their subjects."""

    findings: tuple[Finding, ...]
