"""Two accounts and two Regions in one cloud: what each sees, whom its roles let in, and who reads the other's bucket."""

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localcloud.base.clients import HOME, Place
from localcloud.cloud import Cloud

ELSEWHERE = Place("222222222222", "eu-west-1")
CALLER = "arn:aws:iam::123456789012:role/dbrestore-control-PlanRestore-eu-central-1"
TARGET_ROLE = "arn:aws:iam::222222222222:role/dbrestore-target-eu-west-1"
READER = "arn:aws:iam::222222222222:role/dbrestore-worker-eu-west-1"
REPOSITORY = "repository"


def make_role(cloud: Cloud, arn: str, trust: dict[str, Any], *statements: dict[str, Any]) -> None:
    iam, name = cloud.client("iam", place=Place(arn.split(":")[4])), arn.rpartition("/")[2]
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", **trust}]}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(document))
    may(cloud, arn, *statements)


def may(cloud: Cloud, arn: str, *statements: dict[str, Any]) -> None:
    """From now on these are all that the role's policies say."""
    listed = [{"Effect": "Allow", "Resource": "*", **statement} for statement in statements]
    cloud.client("iam", place=Place(arn.split(":")[4])).put_role_policy(
        RoleName=arn.rpartition("/")[2], PolicyName="own", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": listed})
    )


@pytest.fixture(scope="module")
def roles(cloud: Cloud) -> Cloud:
    """A function's role in one account and the target's role in the other, as the application's templates make them."""
    make_role(cloud, CALLER, {"Principal": {"Service": "lambda.amazonaws.com"}}, {"Action": "sts:AssumeRole"})
    conditions = {
        "StringEquals": {"sts:ExternalId": "agreed"},
        "ArnLike": {"aws:PrincipalArn": "arn:aws:iam::123456789012:role/dbrestore-control-*-eu-central-1"},
    }
    trust = {"Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Condition": conditions}
    make_role(cloud, TARGET_ROLE, trust, {"Action": "ec2:DescribeInstances"})
    return cloud


def assume(cloud: Cloud, caller: str | None, **wishes: Any) -> Any:
    """A session of the target's role, asked for by a function."""
    wishes = {"RoleArn": TARGET_ROLE, "ExternalId": "agreed", **wishes}
    return cloud.client("sts", caller).assume_role(RoleSessionName="restore", **wishes)


def refusal(call: Any, *arguments: Any, **keywords: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call(*arguments, **keywords)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_function_works_in_the_other_account_as_the_role_that_trusts_it(roles: Cloud) -> None:
    given = assume(roles, CALLER)["Credentials"]

    sts = boto3.client(
        "sts",
        endpoint_url=roles.endpoint,
        region_name="eu-west-1",
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )
    assert sts.get_caller_identity()["Account"] == ELSEWHERE.account
    assert (TARGET_ROLE, "sts:GetCallerIdentity") in [(call.principal, call.action) for call in roles.calls]


@pytest.mark.parametrize(
    "wish",
    [
        {"ExternalId": "guessed"},
        {"RoleArn": "arn:aws:iam::222222222222:role/nobody"},
        {"RoleArn": "arn:aws:iam::333333333333:role/dbrestore-target-eu-west-1"},
    ],
    ids=["another external id", "no such role", "no such account"],
)
def test_who_may_not_assume_a_role_learns_nothing_of_it(roles: Cloud, wish: dict[str, str]) -> None:
    code, message = refusal(assume, roles, CALLER, **wish)

    assert code == "AccessDenied"
    assert "is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::" in message


def test_a_caller_that_the_conditions_do_not_name_is_refused(roles: Cloud) -> None:
    stranger = "arn:aws:iam::123456789012:role/another-application"
    make_role(roles, stranger, {"Principal": {"Service": "lambda.amazonaws.com"}}, {"Action": "sts:AssumeRole"})

    assert refusal(assume, roles, stranger)[0] == "AccessDenied"
    assert refusal(assume, roles, None)[0] == "AccessDenied"


def test_trust_alone_lets_nobody_in_from_another_account(roles: Cloud) -> None:
    name = "arn:aws:iam::123456789012:role/dbrestore-control-Nothing-eu-central-1"
    make_role(roles, name, {"Principal": {"Service": "lambda.amazonaws.com"}}, {"Action": "s3:GetObject"})

    assert refusal(assume, roles, name)[0] == "AccessDenied"


def test_a_session_that_a_session_opened_lives_an_hour_at_most(roles: Cloud) -> None:
    assert assume(roles, CALLER, DurationSeconds=3600)["Credentials"]

    code, message = refusal(assume, roles, CALLER, DurationSeconds=3601)

    assert code == "ValidationError"
    assert "role chaining" in message


def test_nobody_has_a_role_for_longer_than_it_allows(roles: Cloud) -> None:
    roles.client("iam", place=ELSEWHERE)
    owner = {"RoleArn": "arn:aws:iam::222222222222:role/OrganizationAccountAccessRole"}
    assert assume(roles, None, **owner, DurationSeconds=3600)["Credentials"]

    code, message = refusal(assume, roles, None, **owner, DurationSeconds=3601)

    assert code == "ValidationError"
    assert "MaxSessionDuration" in message


def test_the_owners_keys_of_one_account_show_nothing_of_the_other(cloud: Cloud) -> None:
    there = {service: cloud.client(service, place=ELSEWHERE) for service in ("ec2", "rds", "ssm", "secretsmanager", "s3", "iam")}
    here = {service: cloud.client(service, place=Place(HOME.account, ELSEWHERE.region)) for service in there}
    vpc = there["ec2"].describe_vpcs()["Vpcs"][0]["VpcId"]
    group = there["ec2"].create_security_group(GroupName="theirs", Description="theirs", VpcId=vpc)["GroupId"]
    subnet = there["ec2"].describe_subnets()["Subnets"][0]["SubnetId"]
    image = there["ec2"].describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    there["ec2"].run_instances(ImageId=image, MinCount=1, MaxCount=1, SubnetId=subnet)
    there["rds"].create_db_instance(
        DBInstanceIdentifier="theirs",
        Engine="mysql",
        DBInstanceClass="db.m6i.large",
        AllocatedStorage=20,
        MasterUsername="boss",
        MasterUserPassword="not-a-secret",
    )
    there["ssm"].put_parameter(Name="/theirs", Value="x", Type="String")
    there["secretsmanager"].create_secret(Name="theirs", SecretString="x")
    there["s3"].create_bucket(Bucket="theirs", CreateBucketConfiguration={"LocationConstraint": ELSEWHERE.region})

    assert seen(there) == {"instances": 1, "groups": 1, "databases": 1, "parameters": 1, "secrets": 1, "buckets": 1}
    assert seen(here) == dict.fromkeys(seen(there), 0)
    assert refusal(here["ec2"].describe_security_groups, GroupIds=[group])[0] == "InvalidGroup.NotFound"
    assert refusal(here["rds"].describe_db_instances, DBInstanceIdentifier="theirs")[0] == "DBInstanceNotFound"
    assert refusal(here["s3"].list_objects_v2, Bucket="theirs")[0] == "AccessDenied"


def seen(clients: dict[str, Any]) -> dict[str, int]:
    groups = clients["ec2"].describe_security_groups(Filters=[{"Name": "group-name", "Values": ["theirs"]}])
    return {
        "instances": len(clients["ec2"].describe_instances()["Reservations"]),
        "groups": len(groups["SecurityGroups"]),
        "databases": len(clients["rds"].describe_db_instances()["DBInstances"]),
        "parameters": len(clients["ssm"].get_parameters(Names=["/theirs"])["Parameters"]),
        "secrets": len(clients["secretsmanager"].list_secrets()["SecretList"]),
        "buckets": len([b for b in clients["s3"].list_buckets()["Buckets"] if b["Name"] == "theirs"]),
    }


def test_a_region_shows_nothing_of_another_one_of_the_same_account(cloud: Cloud) -> None:
    north = Place(ELSEWHERE.account, "eu-north-1")
    cloud.client("ssm", place=north).put_parameter(Name="/north", Value="x", Type="String")

    assert refusal(cloud.client("ssm", place=ELSEWHERE).get_parameter, Name="/north")[0] == "ParameterNotFound"


@pytest.fixture(scope="module")
def repository(cloud: Cloud) -> Cloud:
    """A bucket whose policy lets workers of the other account read, and one of those workers."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=REPOSITORY, CreateBucketConfiguration={"LocationConstraint": HOME.region})
    s3.put_object(Bucket=REPOSITORY, Key="orders/dump", Body=b"rows")
    make_role(cloud, READER, {"Principal": {"Service": "ec2.amazonaws.com"}}, {"Action": "s3:GetObject"})
    return cloud


@pytest.fixture
def opened(repository: Cloud) -> Cloud:
    let_in(repository)
    may(repository, READER, {"Action": ["s3:GetObject", "s3:PutObject", "s3:ListBucket"]})
    return repository


def let_in(cloud: Cloud, **changes: Any) -> None:
    """The bucket's policy, as the control stack writes it."""
    tls_only = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{REPOSITORY}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    reading = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::222222222222:root"},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{REPOSITORY}/*",
        "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::222222222222:role/dbrestore-worker-*"}},
    }
    old_tls = {**tls_only, "Condition": {"NumericLessThan": {"s3:TlsVersion": 1.2}}}
    policy = {"Version": "2012-10-17", "Statement": [tls_only, old_tls, {**reading, **changes}]}
    cloud.client("s3").put_bucket_policy(Bucket=REPOSITORY, Policy=json.dumps(policy))


def read(cloud: Cloud, role: str | None = READER) -> bytes:
    body = cloud.client("s3", role, ELSEWHERE).get_object(Bucket=REPOSITORY, Key="orders/dump")["Body"]
    return bytes(body.read())


def test_a_worker_elsewhere_reads_what_both_policies_open(opened: Cloud) -> None:
    assert read(opened) == b"rows"


def test_without_the_buckets_policy_a_worker_elsewhere_reads_nothing(opened: Cloud) -> None:
    opened.client("s3").delete_bucket_policy(Bucket=REPOSITORY)

    assert refusal(read, opened)[0] == "AccessDenied"


def test_without_its_own_policy_a_worker_elsewhere_reads_nothing(opened: Cloud) -> None:
    may(opened, READER, {"Action": "s3:ListBucket"})

    assert refusal(read, opened)[0] == "AccessDenied"


@pytest.mark.parametrize(
    "change",
    [
        {"Principal": {"AWS": "arn:aws:iam::333333333333:root"}},
        {"Resource": f"arn:aws:s3:::{REPOSITORY}/crm/*"},
        {"Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::222222222222:role/another-*"}}},
    ],
    ids=["account", "objects", "role"],
)
def test_a_policy_for_others_opens_nothing(opened: Cloud, change: dict[str, Any]) -> None:
    let_in(opened, **change)

    assert refusal(read, opened)[0] == "AccessDenied"


def test_reading_is_not_writing(opened: Cloud) -> None:
    s3 = opened.client("s3", READER, ELSEWHERE)

    assert refusal(s3.put_object, Bucket=REPOSITORY, Key="orders/dump", Body=b"others")[0] == "AccessDenied"
    assert refusal(s3.list_objects_v2, Bucket=REPOSITORY)[0] == "AccessDenied"
    assert read(opened) == b"rows"


def test_the_owner_of_the_other_account_needs_the_policy_too(opened: Cloud) -> None:
    assert refusal(read, opened, None)[0] == "AccessDenied"


def test_a_copy_reads_by_the_policies_of_its_source(opened: Cloud) -> None:
    s3 = opened.client("s3", READER, ELSEWHERE)
    opened.client("s3", place=ELSEWHERE).create_bucket(Bucket="copies", CreateBucketConfiguration={"LocationConstraint": ELSEWHERE.region})
    wish = {"Bucket": "copies", "Key": "copy", "CopySource": {"Bucket": REPOSITORY, "Key": "orders/dump"}}

    s3.copy_object(**wish)

    assert s3.get_object(Bucket="copies", Key="copy")["Body"].read() == b"rows"
    opened.client("s3").delete_bucket_policy(Bucket=REPOSITORY)
    assert refusal(s3.copy_object, **wish)[0] == "AccessDenied"


def test_a_session_policy_narrows_what_is_read_in_the_other_account(opened: Cloud) -> None:
    make_role(
        opened,
        "arn:aws:iam::222222222222:role/dbrestore-worker-narrow",
        {"Principal": {"AWS": "arn:aws:iam::222222222222:root"}},
        {"Action": "s3:GetObject"},
    )
    sts = opened.client("sts", place=ELSEWHERE)

    def reads(policy: dict[str, Any]) -> bytes:
        given = sts.assume_role(
            RoleArn="arn:aws:iam::222222222222:role/dbrestore-worker-narrow",
            RoleSessionName="narrow",
            Policy=json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", **policy}]}),
        )["Credentials"]
        s3 = boto3.client(
            "s3",
            endpoint_url=opened.endpoint,
            region_name=HOME.region,
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
        )
        return bytes(s3.get_object(Bucket=REPOSITORY, Key="orders/dump")["Body"].read())

    assert reads({"Action": "s3:GetObject"}) == b"rows"
    assert refusal(reads, {"Action": "s3:PutObject"})[0] == "AccessDenied"


def test_a_bucket_answers_in_its_own_region_and_says_elsewhere_which_that_is(cloud: Cloud) -> None:
    made = {"Bucket": "in-the-west", "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
    cloud.client("s3", place=Place(region="eu-west-1")).create_bucket(**made)
    s3 = cloud.client("s3")
    told = []
    s3.meta.events.register("response-received.s3.HeadBucket", lambda response_dict, **_: told.append(response_dict))

    found = s3.head_bucket(Bucket="in-the-west")

    assert [one["status_code"] for one in told] == [301, 200]
    assert told[0]["headers"]["x-amz-bucket-region"] == "eu-west-1"
    assert found["BucketRegion"] == "eu-west-1"
    assert (cloud.redirected[-1].action, cloud.redirected[-1].resource) == ("s3:HEAD", "arn:aws:s3:::in-the-west")
    cloud.client("s3", place=Place(region="eu-north-1")).put_object(Bucket="in-the-west", Key="key", Body=b"x" * 3_000_000)
    assert s3.head_object(Bucket="in-the-west", Key="key")["ContentLength"] == 3_000_000
    assert s3.get_bucket_location(Bucket="in-the-west")["LocationConstraint"] == "eu-west-1"
