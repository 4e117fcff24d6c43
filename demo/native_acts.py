"""Acts 4 and 5, SQL Server: native backups are restored to a point in time, and an instance that can't is refused.

No SQL Server engine is involved, and the act says so: what is claimed is what the application does.
"""

from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from rich.table import Table

from dbrestore.cli.control import Account, ControlPlane
from dbrestore.cli.following import read_results
from dbrestore.cli.views import report as report_view
from dbrestore.cli.views.units import size
from dbrestore.contract.record import Report
from dbrestore.contract.sqlserver_errors import NativeBackupOptionMissing
from dbrestore.points import stored_points
from dbrestore.points.sqlserver import adding as native_points
from demo import crm as demo_crm
from demo import inventory as demo_inventory
from demo import restores as demo_restores
from demo.crm import BARE_INSTANCE, INSTANCE, Crm
from demo.restores import Act, Refusal, Wish
from demo.stage import Stage
from localcloud.backups import sample as sample_native
from localcloud.backups.sample import DATABASE, STOP_AT
from localcloud.s3 import access_log as s3_access_log
from localcloud.s3.access_log import Access

NEW = f"{DATABASE}_at_{STOP_AT:%H%M}"
# Of the files' bytes; the functions read the beginning and the end of each file once more.
SMALL_SHARE = 0.05

_REAL = (
    "reading the backups' headers, the plan, the functions, the temporary bucket and its lease, S3's copies, the worker, its driver, "
    "TLS, and what verification asks"
)
_SIMULATED = (
    "SQL Server and RDS's part in it: a server speaks the protocol, has RDS's procedures and the life of their tasks, and decides from "
    "the headers of the files that it reads in the bucket. It restores no rows; the backups are synthetic"
)


def prepare(stage: Stage, account: Account, plane: ControlPlane, directory: Path) -> Crm:
    """The instance, and a restore point of native backups."""
    stage.show(_what_is_real())
    with stage.step(f"option group, instance '{INSTANCE}'") as details:
        crm = demo_crm.create(account, plane, directory, INSTANCE, demo_crm.create_option_group(account))
        details.append(f"SQL Server {crm.version()}, simulated, at {crm.host}:{crm.port}")
    with stage.step("write native backups") as details:
        files = sample_native.create(directory)
        details += [f"full in 2 stripes, 2 logs: {size(sum(file.stat().st_size for file in files))}"]
    with stage.step(f"dbrestore points add {INSTANCE}") as details:
        manifest = native_points.add(plane.storage, plane.repository_bucket, INSTANCE, files, None).points[0]
        details.append(f"restore point {manifest.point_id}")
    return crm


def restore_to_a_moment(stage: Stage, plane: ControlPlane, crm: Crm, access_log: Path) -> Act:
    """Act 3: both stripes, a log, and of the next log what lies before the moment."""
    before, requests = demo_inventory.take(crm), len(s3_access_log.read(access_log))
    act = demo_restores.run(stage, plane, Wish(INSTANCE, DATABASE, NEW, stop_at=STOP_AT))
    for database in report_view.verified(read_results(plane, act.report)):
        stage.show(report_view.verification(database))
    tasks = crm.restores_of(NEW)
    stage.show(_task_list(tasks))
    demo_restores.claim_success(stage, act)
    demo_restores.claim_the_command_reports(stage, act.report)
    state = crm.state_of(NEW)
    stage.claim(f"the (simulated) server says that {NEW} is ONLINE, asked over verified TLS", state == "ONLINE", state)
    claim_each_set_once(stage, tasks)
    claim_copied_by_s3(stage, *_moved(plane, act.report, s3_access_log.read(access_log)[requests:]))
    _claim_no_bucket(stage, plane, act.report)
    demo_restores.claim_nothing_is_left(stage, crm, act.report, before, {NEW})
    return act


def refuse(stage: Stage, account: Account, plane: ControlPlane, directory: Path) -> Refusal:
    """Act 6: the plan sees by RDS's API what RDS would say an hour later."""
    with stage.step(f"create RDS instance '{BARE_INSTANCE}'") as details:
        bare = demo_crm.create(account, plane, directory, BARE_INSTANCE)
        details.append("with the default option group")
    before = demo_inventory.take(bare)
    refusal = demo_restores.run_refused(stage, plane, Wish(INSTANCE, DATABASE, DATABASE, target=BARE_INSTANCE))
    stage.claim("the restore FAILED with exit code 1", refusal.exit_code == 1, str(refusal.exit_code))
    is_named = refusal.error == NativeBackupOptionMissing.__name__
    stage.claim(f"the error says what is missing: {NativeBackupOptionMissing.__name__}", is_named, refusal.error)
    stage.claim("nothing was made", refusal.things_made == 0, f"{refusal.things_made} things")
    demo_restores.claim_as_before(stage, bare, before, set())
    return refusal


def _what_is_real() -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_row("real", _REAL)
    table.add_row("simulated", _SIMULATED)
    return table


def _task_list(tasks: list[dict[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("RDS's task", "type", "ended as", "S3 object"):
        table.add_column(column)
    for task in tasks:
        key = (task["S3_object_arn"] or "").partition("/")[2]
        table.add_row(str(task["task_id"]), task["task_type"], task["lifecycle"], key)
    return table


def claim_each_set_once(stage: Stage, tasks: list[dict[str, Any]]) -> None:
    """By RDS's own list of the database's tasks, whatever became of them."""
    expected = ["RESTORE_DB_NORECOVERY", "RESTORE_DB_LOG_NORECOVERY", "RESTORE_DB_LOG_NORECOVERY", "FINISH_RESTORE"]
    found = [task["task_type"] for task in tasks]
    failed = [task["task_type"] for task in tasks if task["lifecycle"] != "SUCCESS"]
    stage.claim(
        "RDS restored each backup once, in order, and recovered the database last",
        found == expected and not failed,
        f"{found}, not a success: {failed}",
    )


def claim_copied_by_s3(stage: Stage, total: int, moved: list[Access]) -> None:
    """Of `total` bytes of files, `moved` is what clients read and wrote of them while they were restored."""
    read, written = sum(one.sent for one in moved), sum(one.received for one in moved)
    stage.claim(
        f"S3 itself copied {size(total)} into the temporary bucket; functions and worker read {size(read)} of it, for the headers",
        bool(moved) and read + written < SMALL_SHARE * total,
        f"and wrote {size(written)}",
    )


def _moved(plane: ControlPlane, report: Report, requests: list[Access]) -> tuple[int, list[Access]]:
    """The files' bytes, and the requests about them, in the repository and in the temporary bucket."""
    manifest = stored_points.load(plane.storage, plane.repository_bucket, INSTANCE, report.source.restore_point)
    files = [file for one in manifest.native_databases for backup_set in one.backup_sets for file in backup_set.files]
    keys = {file.key for file in files}
    about_them = [one for one in requests if one.bucket == _bucket(report) or one.key in keys]
    return sum(file.length for file in files), about_them


def _claim_no_bucket(stage: Stage, plane: ControlPlane, report: Report) -> None:
    bucket, found = _bucket(report), "it exists"
    try:
        plane.storage.head_bucket(Bucket=bucket)
    except ClientError as error:
        found = error.response["Error"]["Code"]
    stage.claim(f"S3 has no bucket {bucket}", found == "404", found)


def _bucket(report: Report) -> str:
    return next((row.name for row in report.resources if row.kind == "bucket"), "(none)")
