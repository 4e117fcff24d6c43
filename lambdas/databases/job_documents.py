"""What the documents of the worker's jobs have in common: made of the plan, or, of a job that drops what is unfinished, of the anchor and
the ledger's own rows alone. The engines' parts add the databases.
"""

from dbrestore.contract.anchor import Anchor, AnchoredDatabase, Whereabouts
from dbrestore.contract.job import DatabaseServer, Job, JobKind
from dbrestore.contract.manifest import Engine
from dbrestore.contract.plan import Plan
from lambdas.runtime.state import Restore


def planned(restore: Restore, plan: Plan, kind: JobKind) -> Job:
    """A job of this kind, as yet without databases."""
    return Job(
        kind=kind,
        restore_id=plan.restore_id,
        engine=plan.engine,
        server=_server(restore, plan),
        manifest=plan.source.manifest,
        manifest_sha256=plan.source.manifest_sha256,
        streams=plan.worker.streams,
        keep_toast_compression=plan.worker.keep_toast_compression,
    )


def discard(restore: Restore, where: Anchor, engine: Engine) -> Job:
    """A job that drops, as yet without databases."""
    return Job(kind="discard", restore_id=where.restore_id, engine=engine, server=_server(restore, where))


def _server(restore: Restore, where: Whereabouts) -> DatabaseServer:
    return DatabaseServer(
        host=where.target.host,
        port=where.target.port,
        region=where.target.region,
        secret_arn=where.target.secret_arn,
        iam_user=where.target.iam_user,
        ca_bundle=restore.settings.ca_bundle,
    )


def in_order(where: Anchor, names: set[str]) -> list[str]:
    """Asked names in the order of the plan; last those that the anchor doesn't know."""
    planned = [database.asked_name for database in where.databases]
    return sorted(names, key=lambda name: (planned.index(name) if name in planned else len(planned), name))


def known(where: Anchor, name: str) -> AnchoredDatabase | None:
    """What the anchor tells of the database that was asked for under this name."""
    return next((database for database in where.databases if database.asked_name == name), None)
