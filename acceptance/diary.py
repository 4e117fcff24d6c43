"""What a run makes, written down before it is made: from this file alone a run that was broken off can be removed.

The file is written as a whole and then takes its name, so whatever happens it is readable.
"""

import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime

from dbrestore.contract.document import Document

FILE = "made.json"


class Made(Document):
    """One thing: its kind and the name by which it can be found. `removed_at`: it was removed, or seen not to be there."""

    kind: str
    name: str
    noted_at: AwareDatetime
    removed_at: AwareDatetime | None = None


class Pages(Document):
    """The file's content: whose run it is, its installation's prefix and external id, and its things in the order in which they were going
    to be made."""

    schema_version: Literal["1"] = "1"
    run: str
    account: str
    region: str
    prefix: str
    external_id: str
    things: tuple[Made, ...] = ()


class Diary:
    """The file of one run."""

    def __init__(self, folder: Path, pages: Pages) -> None:
        self.folder, self._pages = folder, pages

    @classmethod
    def begin(cls, folder: Path, *, run: str, account: str, region: str, prefix: str) -> "Diary":
        """A new file in a folder of the run's own below `folder`, with an external id that nobody has."""
        pages = Pages(run=run, account=account, region=region, prefix=prefix, external_id=secrets.token_hex(16))
        diary = cls(folder / run, pages)
        diary.folder.mkdir(parents=True)
        diary._write()
        return diary

    @classmethod
    def open(cls, folder: Path, run: str) -> "Diary":
        """The file of a run that was begun before. Raises FileNotFoundError."""
        text = (folder / run / FILE).read_text()
        return cls(folder / run, Pages.from_json(text))

    @property
    def run(self) -> str:
        """The run's id, the value of the tag that everything bears."""
        return self._pages.run

    @property
    def account(self) -> str:
        """The account's number."""
        return self._pages.account

    @property
    def region(self) -> str:
        """Where it is."""
        return self._pages.region

    @property
    def prefix(self) -> str:
        """With which the names of the run's installation begin."""
        return self._pages.prefix

    @property
    def external_id(self) -> str:
        """The external id of the run's installation."""
        return self._pages.external_id

    @property
    def things(self) -> tuple[Made, ...]:
        """All of them, in the order in which they were noted."""
        return self._pages.things

    def note(self, kind: str, name: str) -> str:
        """Write down a thing that is about to be made; its name."""
        thing = Made(kind=kind, name=name, noted_at=datetime.now(UTC))
        self._turn((*self.things, thing))
        return name

    def removed(self, thing: Made) -> None:
        """Write down that a thing is gone."""
        gone = thing.model_copy(update={"removed_at": datetime.now(UTC)})
        self._turn(tuple(gone if one == thing else one for one in self.things))

    def _turn(self, things: tuple[Made, ...]) -> None:
        self._pages = self._pages.model_copy(update={"things": things})
        self._write()

    def _write(self) -> None:
        half_way = (self.folder / FILE).with_suffix(".half-way")
        half_way.write_text(self._pages.model_dump_json(by_alias=True, indent=2) + "\n")
        half_way.rename(self.folder / FILE)
