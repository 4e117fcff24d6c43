"""An API's resource policy, and callers that sign: botocore's signer is the client."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from localcloud.cloud import Cloud
from tests.unit.localcloud.gateway import apis
from tests.unit.localcloud.gateway.apis import Deployed, Reply

LOCAL = {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}
ELSEWHERE = {"IpAddress": {"aws:SourceIp": ["10.0.0.0/8"]}}
INVALID = "InvalidSignatureException"


def _policy(effect: str, condition: dict[str, Any] | None = None, path: str = "execute-api:/*") -> dict[str, Any]:
    statement = {"Effect": effect, "Principal": "*", "Action": "execute-api:Invoke", "Resource": path}
    return {"Version": "2012-10-17", "Statement": [{**statement, "Condition": condition} if condition else statement]}


@pytest.mark.parametrize(
    ("policy", "how"),
    [
        (_policy("Allow", LOCAL), None),
        (_policy("Allow", LOCAL, "execute-api:/live/GET/*"), None),
        (_policy("Allow", ELSEWHERE), ""),
        (_policy("Allow", LOCAL, "execute-api:/live/POST/*"), ""),
        (_policy("Deny", LOCAL), " with an explicit deny"),
        (_policy("Allow", {"StringEquals": {"aws:SourceVpce": "vpce-1"}}), None),
        (_policy("Allow", {"StringEquals": {"aws:SourceVpce": "vpce-2"}}), ""),
    ],
)
def test_the_apis_policy_must_let_anybody_in(cloud: Cloud, policy: dict[str, Any], how: str | None) -> None:
    described = {"Policy": policy, "EndpointConfiguration": {"Types": ["PRIVATE"], "VpcEndpointIds": ["vpce-1"]}}
    api = apis.deploy(cloud, apis.template({"GetRoot": apis.method("Api", "GET")}, api=described))

    reply = api.ask("GET", "/")

    if how is None:
        assert reply.status == 200
    else:
        resource = f"arn:aws:execute-api:eu-central-1:********9012:{api.ids['Api']}/live/GET/"
        text = f"User: anonymous is not authorized to perform: execute-api:Invoke on resource: {resource}{how}"
        assert reply.error == (403, "AccessDeniedException", {"Message": text})


@pytest.fixture(scope="module")
def api(cloud: Cloud) -> Deployed:
    resources = {
        "Item": apis.resource("{id}"),
        "AnyItem": apis.method("Item", "ANY", AuthorizationType="AWS_IAM"),
        "PostRoot": apis.method("Api", "POST", AuthorizationType="AWS_IAM"),
    }
    return apis.deploy(cloud, apis.template(resources))


@pytest.fixture(scope="module")
def user(cloud: Cloud, api: Deployed) -> Credentials:
    """Of a user who may only GET."""
    iam = cloud.client("iam")
    iam.create_user(UserName="ticketing")
    resource = f"arn:aws:execute-api:{cloud.region}:{cloud.account}:{api.ids['Api']}/live/GET/*"
    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": resource}
    iam.put_user_policy(
        UserName="ticketing", PolicyName="get", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )
    key = iam.create_access_key(UserName="ticketing")["AccessKey"]
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"])


@pytest.fixture(scope="module")
def session(cloud: Cloud) -> Credentials:
    """Of a role that may do all."""
    iam = cloud.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="script", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))["Role"][
        "Arn"
    ]
    statement = {"Effect": "Allow", "Action": "execute-api:*", "Resource": "*"}
    iam.put_role_policy(RoleName="script", PolicyName="all", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    keys = cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="run")["Credentials"]
    return Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])


Change = Callable[[AWSRequest], None]


def _signed(
    api: Deployed, who: Credentials, method: str, path: str, body: bytes = b"", change: Change | None = None, **scope: str
) -> Reply:
    request = AWSRequest(method, f"{api.url}{path}", data=body, headers={"Host": f"127.0.0.1:{api.port}", "X-Extra": "a  b"})
    botocore.auth.SigV4Auth(who, scope.get("service", "execute-api"), scope.get("region", "eu-central-1")).add_auth(request)
    if change:
        change(request)
    return api.ask(method, path, request.data or None, list(request.headers.items()))


def test_a_users_signature_lets_in_and_tells_the_function_who_it_is(cloud: Cloud, api: Deployed, user: Credentials) -> None:
    identity = _signed(api, user, "GET", "/r-1%2F2?b=2&a=%20x&a=1").json["requestContext"]["identity"]

    arn = f"arn:aws:iam::{cloud.account}:user/ticketing"
    assert (identity["userArn"], identity["accountId"], identity["accessKey"]) == (arn, cloud.account, user.access_key)
    assert identity["user"] == identity["caller"] == cloud.client("iam").get_user(UserName="ticketing")["User"]["UserId"]


def test_a_sessions_signature_over_a_body_lets_in(cloud: Cloud, api: Deployed, session: Credentials) -> None:
    identity = _signed(api, session, "POST", "/", b'{"a": "\xc3\xa4"}').json["requestContext"]["identity"]

    assert identity["userArn"] == f"arn:aws:sts::{cloud.account}:assumed-role/script/run"
    assert identity["user"].endswith(":run")


def test_the_clouds_owner_may_everything(api: Deployed) -> None:
    assert _signed(api, Credentials("localcloud", "localcloud"), "POST", "/").status == 200


def test_who_may_not_is_told_what(cloud: Cloud, api: Deployed, user: Credentials) -> None:
    reply = _signed(api, user, "DELETE", "/r-1")

    resource = f"arn:aws:execute-api:eu-central-1:********9012:{api.ids['Api']}/live/DELETE/r-1"
    who = f"arn:aws:iam::{cloud.account}:user/ticketing"
    assert reply.error == (
        403,
        "AccessDeniedException",
        {"Message": f"User: {who} is not authorized to perform: execute-api:Invoke on resource: {resource}"},
    )


def test_no_signature_lacks_a_token(api: Deployed) -> None:
    assert api.ask("GET", "/r-1").error[:2] == (403, "MissingAuthenticationTokenException")


def _set(name: str, value: str) -> Change:
    def change(request: AWSRequest) -> None:
        del request.headers[name]
        request.headers[name] = value

    return change


def _other_body(request: AWSRequest) -> None:
    request.data = b"other"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (_set("X-Extra", "c"), INVALID),
        (_set("Host", "elsewhere"), INVALID),
        (_set("Authorization", "Bearer abc"), "IncompleteSignatureException"),
        (_set("Authorization", "AWS4-HMAC-SHA256 Credential=a"), "IncompleteSignatureException"),
        (_set("X-Amz-Date", "yesterday"), "IncompleteSignatureException"),
        (_set("X-Amz-Security-Token", "other"), "UnrecognizedClientException"),
        (_other_body, INVALID),
    ],
)
def test_what_was_changed_after_the_signature_is_refused(api: Deployed, session: Credentials, change: Change, error: str) -> None:
    assert _signed(api, session, "POST", "/", b"body", change).error[:2] == (403, error)


def test_another_secret_key_region_or_service_is_refused(api: Deployed, user: Credentials) -> None:
    forged = _signed(api, Credentials(user.access_key, "guessed"), "GET", "/r-1")
    unknown = _signed(api, Credentials("AKIAIOSFODNN7EXAMPLE", "guessed"), "GET", "/r-1")
    elsewhere = _signed(api, user, "GET", "/r-1", region="us-east-1")
    other = _signed(api, user, "GET", "/r-1", service="s3")

    assert forged.error[:2] == (403, INVALID)
    assert "does not match the signature you provided" in forged.json["message"]
    assert unknown.error == (403, "UnrecognizedClientException", {"message": "The security token included in the request is invalid."})
    assert [elsewhere.error[:2], other.error[:2]] == [(403, INVALID)] * 2


@pytest.mark.parametrize(("minutes", "text"), [(-6, "Signature expired: "), (6, "Signature not yet current: ")])
def test_a_signature_of_another_time_is_refused(
    api: Deployed, user: Credentials, monkeypatch: pytest.MonkeyPatch, minutes: int, text: str
) -> None:
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: datetime.now(UTC) + timedelta(minutes=minutes))

    reply = _signed(api, user, "GET", "/r-1")

    assert reply.error[:2] == (403, INVALID)
    assert reply.json["message"].startswith(text)


def test_a_session_that_is_over_has_an_expired_token(cloud: Cloud, api: Deployed) -> None:
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    iam = cloud.client("iam")
    role = iam.create_role(RoleName="brief", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))["Role"][
        "Arn"
    ]
    keys = cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="run", DurationSeconds=-1)["Credentials"]

    reply = _signed(api, Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]), "GET", "/r-1")

    assert reply.error == (403, "ExpiredTokenException", {"message": "The security token included in the request is expired"})
