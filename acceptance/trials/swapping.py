"""A restored database takes the name of the one that was backed up, and gives it back: RDS must let its master user do that."""

from acceptance import dumps, restores
from acceptance.trials.trial import Finding, NotTried, Scene, Trial, require
from dbrestore.contract.job import SwapResult
from dbrestore.contract.record import Report
from dbrestore.contract.swaps.orders import SwapAction


def _postgresql(scene: Scene) -> Finding:
    restored = _restore_of(scene, dumps.DATABASE)
    # The run's instance has no database but those that are restored.
    _restore_as_original(scene, scene.postgresql.name, dumps.DATABASE)
    return _there_and_back(scene, restored)


def _sqlserver(scene: Scene) -> Finding:
    if not (scene.sqlserver and scene.native_database):
        raise NotTried("needs an instance of SQL Server: start with --sqlserver")
    restored = _restore_of(scene, scene.native_database)
    if scene.wishes.native_backups:
        # Of a database that is somewhere else; the backup that the run takes is of one on its own instance.
        _restore_as_original(scene, scene.sqlserver.name, scene.native_database)
    return _there_and_back(scene, restored)


def _restore_as_original(scene: Scene, instance: str, database: str) -> None:
    """The database under its own name, where it stands for the original."""
    original = restores.begin(scene.plane, instance, instance, database, database).end()
    require(original.status == "SUCCEEDED", f"{original.restore_id} ended {original.status}: there is no database to exchange")


def _restore_of(scene: Scene, database: str) -> Report:
    """One of this run that brought the database back under another name."""
    for report in scene.reports:
        if report.status == "SUCCEEDED" and [one.name for one in report.databases] == [database]:
            return report
    raise NotTried(f"needs a restore of {database} that succeeded")


def _there_and_back(scene: Scene, restored: Report) -> Finding:
    there = _exchanged(scene, restored, "swap")
    name = there.name
    require(there.restored_is == name, f"{there.truth}, but {name!r} should be the restored one")
    require(bool(there.old_id), f"{name!r} was taken by the restored database, but nothing bore it before")
    back = _exchanged(scene, restored, "undo")
    require(back.old_is == name, f"{back.truth}, but {name!r} should be the database from before")
    notes = "; ".join(f"{one.entry}: {one.what}" for one in there.fix_ups) or "everything of the old database went over"
    return Finding(f"{name!r} was exchanged in {there.seconds:.0f} s and turned back in {back.seconds:.0f} s; {notes}")


def _exchanged(scene: Scene, restored: Report, action: SwapAction) -> SwapResult:
    report = restores.exchange(scene.plane, restored.restore_id, action).end()
    error = f"{report.error.name}: {report.error.message}" if report.error else "no error"
    require(report.status == "SUCCEEDED", f"{action} of {restored.restore_id} ended {report.status}: {error}")
    require(not report.leftovers, f"{report.restore_id} left {', '.join(report.leftovers)}")
    [found] = report.swaps
    return found


POSTGRESQL = Trial(
    "swap-postgresql",
    "A restored database takes the name of the original in one step, and gives it back.",
    _postgresql,
    of_aws_alone=False,
)
SQLSERVER = Trial(
    "swap-sqlserver",
    "RDS renames databases of SQL Server for the master user, there and back, and lets it free them of sessions.",
    _sqlserver,
)
