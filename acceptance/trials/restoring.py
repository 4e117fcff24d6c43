"""The main job: a database comes back, of each engine, and a worker that dies is replaced by one that carries on."""

from acceptance import dumps, restores
from acceptance.restores import Begun
from acceptance.trials.connecting import worker_of
from acceptance.trials.trial import Finding, NotTried, Scene, Trial, require
from dbrestore.contract.things import INSTANCE


def _postgresql(scene: Scene) -> Finding:
    name = scene.postgresql.name
    return _told(scene, restores.begin(scene.plane, name, name, dumps.DATABASE, "shop_restored"), "shop_restored")


def _sqlserver(scene: Scene) -> Finding:
    require(scene.native_trouble is None, str(scene.native_trouble))
    if not (scene.sqlserver and scene.native_database):
        raise NotTried("needs an instance of SQL Server: start with --sqlserver")
    account, name = scene.account, scene.sqlserver.name
    policies = account.client("iam").list_role_policies(RoleName=scene.sqlserver.role)["PolicyNames"]
    require(not policies, f"the option's role has policies of its own: {', '.join(policies)}")
    return _told(scene, restores.begin(scene.plane, name, name, scene.native_database, "native_restored"), "native_restored")


def _told(scene: Scene, begun: Begun, new: str) -> Finding:
    report = begun.end()
    scene.reports.append(report)
    error = f"{report.error.name}: {report.error.message}" if report.error else "no error"
    require(report.status == "SUCCEEDED", f"{report.restore_id} ended {report.status}: {error}")
    require(not report.leftovers, f"{report.restore_id} left {', '.join(report.leftovers)}")
    rows = sum(database.rows for database in report.databases)
    seconds = (report.ended_at - report.started_at).total_seconds()
    return Finding(f"{report.restore_id}: {new} restored and verified, {rows} rows, {seconds:.0f} s")


def _worker_killed(scene: Scene) -> Finding:
    name, ec2 = scene.postgresql.name, scene.account.client("ec2")
    begun = restores.begin(scene.plane, name, name, dumps.DATABASE, "shop_killed")
    require(begun.reach("ReplayDumps") is not None, f"{begun.restore_id} ended before its worker could be killed")
    worker = worker_of(ec2, begun.restore_id)
    ec2.terminate_instances(InstanceIds=[worker])
    report = begun.end()
    error = f"{report.error.name}: {report.error.message}" if report.error else "no error"
    require(report.status == "SUCCEEDED", f"{report.restore_id} ended {report.status}: {error}")
    workers = [row for row in report.resources if row.kind == INSTANCE]
    require(len(workers) == 2, f"{report.restore_id} had {len(workers)} workers")
    unproven = [row.name for row in report.resources if row.state != "KEPT" and not row.seen_absent_at]
    require(not (report.leftovers or unproven), f"{report.restore_id} left {', '.join((*report.leftovers, *unproven))}")
    return Finding(f"{report.restore_id}: the worker was terminated in ReplayDumps, another one carried on, and nothing else was left")


POSTGRESQL = Trial(
    "restore-postgresql",
    "A pg_dump archive is restored into a running RDS for PostgreSQL instance, verified, and nothing else is left.",
    _postgresql,
    of_aws_alone=False,
)
SQLSERVER = Trial(
    "restore-sqlserver",
    "RDS restores a native backup from a temporary bucket that only the bucket's own policy opens to the option's role.",
    _sqlserver,
)
WORKER_KILLED = Trial(
    "worker-killed",
    "A restore whose worker is terminated is carried on by another one, and everything but the database is gone.",
    _worker_killed,
    of_aws_alone=False,
)
