"""One run from its beginning to its end: made, tried, removed, proved, told."""

import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from acceptance import dumps, removal, scan, sheet_page
from acceptance.account import TriedAccount
from acceptance.diary import Diary
from acceptance.made import instances, native_source, network, stacks, target_role
from acceptance.sheet import Removal, Sheet, TrialResult
from acceptance.trials.order import TRIALS
from acceptance.trials.trial import Scene, Trial
from acceptance.wishes import Wishes
from dbrestore.cli import control
from dbrestore.contract.deployed import versions
from dbrestore.points.pgdump import adding as postgresql_points
from dbrestore.points.sqlserver import adding as native_points


@dataclass
class Run:
    """`failure`: what ended it early."""

    account: TriedAccount
    wishes: Wishes
    diary: Diary
    console: Console
    trials: Sequence[Trial] = TRIALS
    results: list[TrialResult] = field(default_factory=list)
    failure: str | None = None
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def play(self) -> Sheet:
        """Everything. Ctrl-C ends what is tried, not the removal."""
        try:
            self._try_all(self._prepare())
        except KeyboardInterrupt:
            self.failure = "by Ctrl-C"
        except Exception as error:  # whatever it is, what was made must go
            self.failure = f"{type(error).__name__}: {error}"
        removed = Removal(made=len(self.diary.things), left=(), kept=True) if self.wishes.keep else self.remove()
        return self._written(removed)

    def remove(self) -> Removal:
        """Remove everything that the diary has, and ask AWS what is left."""
        self._say("removing what was made")
        left = removal.remove(self.account, self.diary)
        # Only AWS's tagging service still shows what is gone; and if something is left, waiting doesn't change the answer.
        left += self._found(minutes=scan.SHOWN_AFTERWARDS if self.account.is_aws and not left else 0)
        return Removal(made=len(self.diary.things), left=tuple(map(self._without_account, left)))

    def _found(self, minutes: float) -> tuple[str, ...]:
        try:
            return scan.left(self.account, self.diary.run, minutes)
        except Exception as error:  # without an answer nothing is proved, and the sheet must say so
            return (f"the tag scan could not be made: {type(error).__name__}: {error}",)

    def _prepare(self) -> Scene:
        account, diary, wishes = self.account, self.diary, self.wishes
        with self._step("network"):
            where = network.existing(account, diary, wishes.subnets) if wishes.subnets else network.create(account, diary)
        with self._step("instances begun"):
            instances.create_subnet_group(account, diary, where)
            postgresql = instances.begin_postgresql(account, diary, where)
            sqlserver = instances.begin_sqlserver(account, diary, where) if wishes.sqlserver else None
        with self._step("stacks"):
            stacks.deploy(account, diary, where.vpc)
            plane = control.find(account)
            stacks.upload_certificates(account, plane.evidence_bucket, wishes.certificates)
        with self._step("PostgreSQL's instance, and a restore point for it"), tempfile.TemporaryDirectory() as folder:
            postgresql.settle()
            dump = dumps.create(Path(folder), wishes.scale.rows)
            postgresql_points.add(plane.storage, plane.repository_bucket, postgresql.name, [(None, dump)])
        scene = Scene(account, plane, diary, where, postgresql, target_role.create(account, diary), wishes)
        return self._with_sqlserver(scene, sqlserver) if sqlserver else scene

    def _with_sqlserver(self, scene: Scene, sqlserver: instances.Instance) -> Scene:
        """What goes wrong here keeps none of the other trials from being tried."""
        try:
            with self._step("SQL Server's instance, and a restore point for it"), tempfile.TemporaryDirectory() as folder:
                sqlserver.settle()
                sqlserver = instances.give_option(sqlserver, self.diary)
                files = self.wishes.native_backups or (self._native_backup(scene, sqlserver, Path(folder)),)
                added = native_points.add(scene.plane.storage, scene.plane.repository_bucket, sqlserver.name, files, None)
                [database] = added.points[0].native_databases
        except Exception as error:
            return replace(scene, native_trouble=f"{type(error).__name__}: {error}")
        return replace(scene, sqlserver=sqlserver, native_database=database.name)

    def _native_backup(self, scene: Scene, sqlserver: instances.Instance, folder: Path) -> Path:
        return native_source.create(scene.plane, self.diary, scene.network, sqlserver, scene.postgresql.name, folder)

    def _try_all(self, scene: Scene) -> None:
        for trial in self.trials:
            result = trial.run(scene)
            self.results.append(result)
            self._say(f"{result.name}: {result.outcome}. {result.told}")

    def _written(self, removed: Removal) -> Sheet:
        account = self.account
        made = Sheet(
            run=self.diary.run,
            version=versions.NUMBER,
            place="AWS" if account.is_aws else "elsewhere",
            region=account.here,
            scale=self.wishes.scale.name,
            began_at=self.began_at,
            ended_at=datetime.now(UTC),
            trials=tuple(self.results),
            removal=removed,
            failure=self.failure,
        )
        sheet = Sheet.from_json(self._without_account(made.to_json()))
        (self.diary.folder / "sheet.json").write_text(sheet.model_dump_json(by_alias=True, indent=2) + "\n")
        (self.diary.folder / "sheet.md").write_text(sheet_page.page(sheet))
        return sheet

    def _without_account(self, text: str) -> str:
        return text.replace(self.account.number, "ACCOUNT")

    @contextmanager
    def _step(self, what: str) -> Iterator[None]:
        began = datetime.now(UTC)
        yield
        self._say(f"{what} ({(datetime.now(UTC) - began).total_seconds():.0f} s)")

    def _say(self, text: str) -> None:
        self.console.print(text, soft_wrap=True)


def new_id() -> str:
    """A letter and six hexadecimal digits: part of names that begin with a letter."""
    return f"a{secrets.token_hex(3)}"
