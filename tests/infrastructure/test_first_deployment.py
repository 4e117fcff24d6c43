"""`make deploy`: what a first deployment does with the caller's rights, and that it changes nothing that is there."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from dbrestore.contract.names import CA_BUNDLE_KEY
from infrastructure.deploying import __main__ as deploying
from infrastructure.deploying import certificates, place, stacks
from localcloud.base import certificates as authorities

REGION, EVIDENCE = "eu-central-1", "evidence"
BOOTSTRAPPED = "/cdk-bootstrap/hnb659fds/version"
CONTROL, TARGET = "/dbrestore/control", "/dbrestore/target"


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One with a VPC, nothing deployed, and credentials for it."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nobody")
    monkeypatch.setenv("AWS_REGION", REGION)
    with mock_aws():
        client("s3").create_bucket(Bucket=EVIDENCE, CreateBucketConfiguration={"LocationConstraint": REGION})
        yield


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return authorities.create(tmp_path / "ca").bundle


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An npx that notes what it is asked, with the Region and the python3 that the CDK would find, and ends as `code` beside it says."""
    folder = tmp_path / "node"
    folder.mkdir()
    (npx := folder / "npx").write_text(
        f'#!/bin/sh\necho "$AWS_REGION $(command -v python3) $*" >> {folder}/asked\nexit $(cat {folder}/code 2>/dev/null || echo 0)\n'
    )
    npx.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder / "asked"


def client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)  # type: ignore[call-overload]


def note(name: str, value: str = "30") -> None:
    client("ssm").put_parameter(Name=name, Value=value, Type="String")


def stored() -> bytes | None:
    listed = client("s3").list_objects_v2(Bucket=EVIDENCE).get("Contents", [])
    return client("s3").get_object(Bucket=EVIDENCE, Key=CA_BUNDLE_KEY)["Body"].read() if listed else None


def words(asked: Path) -> list[list[str]]:
    return [line.split()[3:] for line in asked.read_text().splitlines()] if asked.exists() else []


def test_an_empty_account_is_bootstrapped_and_gets_the_control_stack_first(asked: Path) -> None:
    here = place.here()

    stacks.bootstrap(here, stacks.DEFAULT_QUALIFIER)
    made = stacks.deploy(here, "dbrestore", "vpc-1", ("--require-approval", "never"))

    assert made == ["DbrestoreControl", "DbrestoreTarget"]
    assert words(asked) == [
        ["aws-cdk@2", "bootstrap", f"aws://{here.account}/{REGION}"],
        ["aws-cdk@2", "deploy", "DbrestoreControl", "--require-approval", "never"],
        ["aws-cdk@2", "deploy", "DbrestoreTarget", "--parameters", "DbrestoreTarget:VpcId=vpc-1", "--require-approval", "never"],
    ]
    # In this Region, and with the Python that has the packages, whatever the shell's is.
    beside = str(Path(sys.executable).with_name("python3"))
    assert {tuple(line.split()[:2]) for line in asked.read_text().splitlines()} == {(REGION, beside)}


def test_what_is_there_is_neither_bootstrapped_nor_deployed_again(asked: Path) -> None:
    for name in (BOOTSTRAPPED, CONTROL):
        note(name)

    stacks.bootstrap(place.here(), stacks.DEFAULT_QUALIFIER)

    assert stacks.deploy(place.here(), "dbrestore", "vpc-1", ()) == ["DbrestoreTarget"]
    assert [line[1:3] for line in words(asked)] == [["deploy", "DbrestoreTarget"]]


def test_the_stack_of_another_prefix_gets_its_vpc_under_its_own_name(asked: Path) -> None:
    for name in (CONTROL, TARGET):
        note(name)

    stacks.deploy(place.here(), "second", "vpc-1", ())

    assert words(asked)[-1][-1] == "SecondTarget:VpcId=vpc-1"


def test_a_stack_that_could_not_be_deployed_ends_it(asked: Path, bundle: Path) -> None:
    asked.with_name("code").write_text("1")

    with pytest.raises(
        SystemExit, match=r"`npx --yes aws-cdk@2 bootstrap aws://\d+/eu-central-1` ended with code 1\. `make deploy` carries"
    ):
        deploying.main(["--vpc", "vpc-1", "--certificates", str(bundle)])

    assert (len(words(asked)), stored()) == (1, None)


def test_without_node_a_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(SystemExit, match="There is no npx: install Node 18 or newer"):
        deploying.main(["--vpc", "vpc-1"])


def test_a_deployed_account_only_gets_the_certificates_and_only_once(
    asked: Path, bundle: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in (BOOTSTRAPPED, TARGET):
        note(name)
    note(CONTROL, json.dumps({"evidenceBucket": EVIDENCE}))

    deploying.main(["--vpc", "vpc-1", "--certificates", str(bundle)])
    deploying.main(["--vpc", "vpc-1", "--certificates", str(authorities.create(tmp_path / "another").bundle)])

    told = capsys.readouterr().out
    assert (words(asked), stored()) == ([], bundle.read_bytes())
    assert f"s3://{EVIDENCE}/{CA_BUNDLE_KEY}: from {bundle}" in told
    assert told.endswith(f"s3://{EVIDENCE}/{CA_BUNDLE_KEY}: is there already\n")


def test_what_somebody_put_at_the_same_moment_stays(bundle: Path) -> None:
    s3, theirs = client("s3"), b"their own"

    def overtake(**_: Any) -> None:
        client("s3").put_object(Bucket=EVIDENCE, Key=CA_BUNDLE_KEY, Body=theirs)

    s3.meta.events.register("provide-client-params.s3.PutObject", overtake)

    assert not certificates.provide(s3, EVIDENCE, str(bundle))
    assert stored() == theirs


@pytest.mark.parametrize("content", [b"<html>Access denied by the proxy</html>", b"\xff\x00", b""])
def test_what_holds_no_certificates_is_not_stored(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "page").write_bytes(content)

    with pytest.raises(certificates.CertificatesNotProvided, match="holds no certificates that can be read"):
        certificates.provide(client("s3"), EVIDENCE, str(tmp_path / "page"))

    assert stored() is None


def test_a_source_that_cannot_be_read_is_named_with_the_way_out() -> None:
    # Nothing listens on port 1. Plain http is no URL here, but a file that isn't there: it could come from anybody.
    for source in ("https://127.0.0.1:1/bundle.pem", "http://127.0.0.1:1/bundle.pem"):
        with pytest.raises(certificates.CertificatesNotProvided, match=f"{source} can't be read .* CERTIFICATES=FILE"):
            certificates.provide(client("s3"), EVIDENCE, source)


def test_the_vpc_is_that_of_the_instance_or_of_the_cluster() -> None:
    rds, ec2 = client("rds"), client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    zones = zip(("10.0.0.0/24", "10.0.1.0/24"), ("a", "b"), strict=True)
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=c, AvailabilityZone=REGION + z)["Subnet"]["SubnetId"] for c, z in zones]
    rds.create_db_subnet_group(DBSubnetGroupName="ours", DBSubnetGroupDescription="ours", SubnetIds=subnets)
    login = {"MasterUsername": "postgres", "MasterUserPassword": "long enough"}  # pragma: allowlist secret
    kind = {"DBInstanceClass": "db.t4g.medium", "DBSubnetGroupName": "ours"}
    rds.create_db_instance(DBInstanceIdentifier="shop", Engine="postgres", AllocatedStorage=20, **kind, **login)
    rds.create_db_cluster(DBClusterIdentifier="crm", Engine="aurora-postgresql", DBSubnetGroupName="ours", **login)
    rds.create_db_instance(DBInstanceIdentifier="crm-1", Engine="aurora-postgresql", DBClusterIdentifier="crm", **kind)

    assert [place.vpc_of(place.here(), name) for name in ("shop", "crm", "crm-1")] == [vpc] * 3


def test_an_instance_that_rds_does_not_know_is_named_with_the_region() -> None:
    with pytest.raises(SystemExit, match=r"RDS knows no DB instance or cluster shop in eu-central-1 of account \d{12}"):
        deploying.main(["--instance", "shop"])


def test_without_a_region_a_sentence_says_how_to_choose_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))

    with pytest.raises(SystemExit, match="No Region is chosen: export AWS_REGION"):
        deploying.main(["--vpc", "vpc-1"])
