"""A user of one's own restores as the master user does, whatever belongs to the master before."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest

from dbrestore.contract.allowed.extensions import DEFAULT_EXTENSIONS
from dbrestore.contract.job import PostgresOptions
from dbrestore.worker.base.bounds import Bounds
from localcloud.base import certificates
from localcloud.base.certificates import Authority
from localcloud.postgresql.iam_logins import IamLogins
from tests.databases import version_sample
from tests.databases.clouds import Clouds
from tests.databases.restore_case import Cloud, Restore, secret

USER = "restorer"
IAM_USER = "restorer_by_iam"
OPTIONS = PostgresOptions(allowed_extensions=(*DEFAULT_EXTENSIONS, "dblink"))


def test_a_user_of_iam_restores_with_a_token_for_each_connection(cloud: Cloud, small: str, authority: Authority) -> None:
    cloud.execute(f"CREATE ROLE {IAM_USER} LOGIN CREATEDB CREATEROLE IN ROLE rds_superuser, rds_iam", superuser=True)
    shown: list[str] = []

    def judge(user: str, token: str) -> str | None:
        shown.append(token)
        wish = parse_qs(urlsplit(f"https://{token}").query)
        return None if wish["DBUser"] == [user] == [IAM_USER] else "it is for another user"

    logins = IamLogins(cloud.server, *certificates.issue(authority, "localhost"), judge)
    restore = Restore(replace(cloud, iam_user=IAM_USER, iam_port=logins.port), {small: cloud.dump(small)}, {small: "by_iam"})
    restore.add_point()
    try:
        (database,) = restore.run_all().databases
    finally:
        logins.stop()

    assert (database.status, database.error) == ("PROMOTED", None)
    assert len(shown) > 5
    assert cloud.execute("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'by_iam'") == [(IAM_USER,)]
    assert not any(token in restore.result(restore.job_uri("verify", "verify")).to_json() for token in shown)


def test_a_user_of_iam_without_rds_iam_is_refused_with_what_to_check(cloud: Cloud, small: str, authority: Authority) -> None:
    cloud.execute(f"CREATE ROLE {IAM_USER} LOGIN")
    logins = IamLogins(cloud.server, *certificates.issue(authority, "localhost"), lambda _user, _token: None)
    restore = Restore(replace(cloud, iam_user=IAM_USER, iam_port=logins.port), {small: cloud.dump(small)}, {small: "by_iam"})
    restore.bounds = Bounds(rotation_seconds=0.0)
    restore.add_point()
    try:
        refused = restore.run("replay")
    finally:
        logins.stop()

    assert refused.error
    assert (refused.error.name, refused.logged_in) == ("LoginRefused", False)
    assert f"the user exists and has rds_iam (GRANT rds_iam TO {IAM_USER})" in refused.error.message
    assert "X-Amz-Signature" not in refused.to_json()


def as_restorer(cloud: Cloud) -> Cloud:
    """The same server, with a secret of a user of one's own."""
    cloud.execute(
        f"CREATE ROLE {USER} LOGIN CREATEDB CREATEROLE PASSWORD 'theirs' IN ROLE rds_superuser",
        superuser=True,
    )
    keys = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
    client = boto3.client("secretsmanager", endpoint_url=cloud.endpoint, **keys)
    made = client.create_secret(Name=f"own-{cloud.server.port}", SecretString=secret(USER, "theirs"))
    return replace(cloud, secret_arn=made["ARN"])


@pytest.mark.parametrize("version", ["13", "17"])
def test_a_user_of_ones_own_restores_everything_and_is_in_nobodys_way(clouds: Clouds, version: str) -> None:
    source = clouds.of(version)
    source.create_database("stock_of_master")
    version_sample.create(source.dsn("stock_of_master"))
    dump = source.dump("stock_of_master")
    before = source.names()[1]
    by_user = Restore(as_restorer(source), {"stock": dump}, {"stock": "stock_restored"}, postgres=OPTIONS)
    by_user.add_point()
    by_master = Restore(source, {"stock": dump}, {"stock": "stock_again"}, postgres=OPTIONS)
    by_master.add_point()

    try:
        (database,) = by_user.run_all().databases

        assert (database.status, database.error) == ("PROMOTED", None)
        assert [check for check in database.checks if check.result == "failed"] == []
        owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'stock_restored'"
        assert source.execute(owner) == [(USER,)]
        # The role that held its objects is left, and since PostgreSQL 16 nobody's to drop but that user's.
        source.drop_database("stock_restored")
        assert [(each.status, each.error) for each in by_master.run_all().databases] == [("PROMOTED", None)]
    finally:
        for name in ("stock_restored", "stock_again", "stock_of_master"):
            source.drop_database(name)
        for role in (*(source.names()[1] - before - {USER}), USER):
            source.drop_role(role)
