"""S3 over the borders of accounts and Regions: a bucket's name is known everywhere, and its bytes are not.

| moto 5.2.5 | fixed to |
|---|---|
| any account reads and writes any bucket | another account's caller needs the bucket's policy and its own role's; else `AccessDenied` |
| what a version is read by is the right to read objects | a version needs `s3:GetObjectVersion` |
| a bucket answers in every Region | a request to another Region's endpoint is told where it lies: 301 `PermanentRedirect` |

Callers of the bucket's own account aren't judged here, and TLS is taken for granted. What a copy reads is judged like a read.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse

from moto.core.authorization import ActionAuthenticatorMixin
from moto.s3.exceptions import BucketAccessDeniedError
from moto.s3.models import s3_backends
from moto.s3.responses import S3Response

from localcloud.base import callers
from localcloud.base.callers import Call
from localcloud.base.corrections import fix
from localcloud.iam import access_policies, role_trust, roles
from localcloud.iam.access_policies import Question, Statement, statements
from localcloud.s3 import foreign_keys, requester_pays

# Who signed for which Region.
_SCOPE = re.compile(r"Credential=([^/]+)/[^/]*/([^/]*)/s3/")
# Of the requests that moto names otherwise than IAM does.
_ACTIONS = {"HeadBucket": "ListBucket"}
_REDIRECT = """<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>PermanentRedirect</Code><Message>The bucket you are attempting to access must be addressed using the specified endpoint.\
</Message><Bucket>{bucket}</Bucket><Endpoint>s3.{region}.amazonaws.com</Endpoint></Error>"""

_is_judging = False
_redirected: list[Call] = []


def install(redirected: list[Call]) -> None:
    """Judge every request to S3 until `shutdown`; those that came to the wrong Region are appended to `redirected`."""
    global _is_judging, _redirected
    _is_judging, _redirected = True, redirected
    fix(ActionAuthenticatorMixin, "_authenticate_and_authorize_s3_action", _authorize)
    fix(S3Response, "bucket_response", _of_this_region)
    fix(S3Response, "key_response", _of_this_region)
    requester_pays.install()


def shutdown() -> None:
    """moto alone knows no borders, and tests of its own sort count on that."""
    global _is_judging
    _is_judging = False


def _of_this_region(original: Callable[..., Any], response: Any, request: Any, full_url: str, headers: Any) -> Any:
    url, scope = urlparse(full_url), _SCOPE.search(request.headers.get("Authorization", ""))
    name, _, key = unquote(url.path).lstrip("/").partition("/")
    bucket = _bucket(name) if _is_judging and scope else None
    makes_bucket = request.method == "PUT" and not key and not url.query
    # Everybody may ask everywhere where a bucket lies, and whether its name is taken.
    if bucket is None or scope is None or makes_bucket or "location" in parse_qs(url.query, keep_blank_values=True):
        return original(response, request, full_url, headers)
    if bucket.region_name == scope[2]:
        return original(response, request, full_url, headers)
    # Unread, the rest of the body would be taken for the next request.
    request.get_data()
    about = "/".join(filter(None, (bucket.arn, key)))
    _redirected.append(Call(callers.principal(scope[1]), f"s3:{request.method}", about))
    body = "" if request.method == "HEAD" else _REDIRECT.format(bucket=name, region=bucket.region_name)
    return 301, {"x-amz-bucket-region": bucket.region_name, "content-type": "application/xml"}, body


def _authorize(original: Callable[..., Any], response: Any, bucket_name: str | None = None, key_name: str | None = None) -> None:
    original(response, bucket_name=bucket_name, key_name=key_name)
    if not _is_judging or bucket_name is None:
        return
    action = _of_version(response._get_action(), response.querystring)
    prefix = response.querystring.get("prefix", [""])[0]
    _require(response, f"s3:{_ACTIONS.get(action, action)}", bucket_name, key_name, {"s3:prefix": prefix})
    if action in ("GetObject", "GetObjectVersion") and response.method == "GET":
        _require_key(response, bucket_name, key_name, response.querystring)
    if source := response.headers.get("x-amz-copy-source"):
        parsed = urlparse(source)
        bucket, _, key = unquote(parsed.path).lstrip("/").partition("/")
        query = parse_qs(parsed.query)
        _require(response, f"s3:{_of_version('GetObject', query)}", bucket, key, {})
        _require_key(response, bucket, key, query)


def _of_version(action: str, query: Mapping[str, list[str]]) -> str:
    """Whoever names a version needs the right for versions, and not the other (S3 API reference, "GetObject")."""
    return "GetObjectVersion" if action in ("GetObject", "HeadObject") and "versionId" in query else action


def _require(response: Any, action: str, name: str, key: str | None, context: dict[str, str]) -> None:
    bucket = _bucket(name)
    if bucket is None or bucket.account_id == response.current_account:
        return
    principal, own, narrowed = _caller(response)
    known = {"aws:principalarn": principal, "aws:securetransport": "true", "s3:tlsversion": "1.3", **context}
    question = Question(principal, action, f"{bucket.arn}/{key}" if key else bucket.arn, known)
    of_bucket = statements(bucket.policy)
    if not all(access_policies.may(question, each, of_bucket, bucket.account_id) for each in (own, narrowed)):
        raise BucketAccessDeniedError(bucket=name)
    requester_pays.require_payer(response, name)


def _caller(response: Any) -> tuple[str, Sequence[Statement], Sequence[Statement]]:
    """The principal's ARN, what its role may, and what its session may of that."""
    session = roles.session_of(response.get_access_key())
    if session is None:
        return f"arn:aws:iam::{response.current_account}:root", role_trust.EVERYTHING, role_trust.EVERYTHING
    role = roles.find(session.role_arn)
    own = roles.permissions(role) if role else []
    return session.role_arn, own, statements(session.policy) if session.policy else role_trust.EVERYTHING


def _require_key(response: Any, bucket: str, key: str | None, query: Mapping[str, list[str]]) -> None:
    principal, own, _ = _caller(response)
    foreign_keys.require_key(response, bucket, key, query.get("versionId", [None])[0], principal, own)


def _bucket(name: str) -> Any:
    if name not in s3_backends.bucket_accounts:
        return None
    partition, account = s3_backends.bucket_accounts[name]
    return s3_backends[account][partition].buckets.get(name)
