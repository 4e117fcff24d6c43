"""AWS_IAM: the caller's signature (Signature Version 4), recomputed by botocore's signer with the secret that belongs to the key.

Known are IAM's users, sessions of roles, and the owner of the cloud. A URL that is signed itself (presigned) counts as unsigned. Texts as
seen in answers that people have published; that IncompleteSignature and UnrecognizedClient are of the type INVALID_SIGNATURE is assumed.
"""

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, HTTPHeaders
from botocore.credentials import Credentials
from moto.iam.models import get_account_id_from, iam_backends

from localcloud.base.clients import ACCOUNT
from localcloud.gateway.permissions import Caller
from localcloud.gateway.refusals import Refusal
from localcloud.gateway.requests import Request
from localcloud.gateway.visits import Visit
from localcloud.iam import roles
from localcloud.iam.access_policies import Statement, statements

# The owner's key and secret: of no account, and so in every environment that the cloud hands out.
_OWNER: Final = "localcloud"
_SERVICE: Final = "execute-api"
_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_SKEW: Final = timedelta(minutes=5)
_DATE: Final = "%Y%m%dT%H%M%SZ"


class _AsSigned(SigV4Auth):
    """botocore leaves some headers out when it signs; here the client has chosen them."""

    def headers_to_sign(self, request: Any) -> Any:
        chosen = HTTPHeaders()
        for name, value in request.headers.items():
            chosen[name.lower()] = value
        return chosen


def caller(visit: Visit) -> Caller:
    """Whose signature it is. Raises Refusal."""
    given = visit.request.header("Authorization")
    if not given:
        raise Refusal("MISSING_AUTHENTICATION_TOKEN")
    fields = _fields(given, visit.request)
    key, date, region, service, _ = (*fields["Credential"].split("/"), "", "", "", "")[:5]
    secret, token, found = _known(key)
    if token != visit.request.header("X-Amz-Security-Token"):
        raise _unknown()
    _require_now(visit.request)
    if (region, service) != (visit.stage.api.place.region, _SERVICE) or not _timestamp(visit.request).startswith(date):
        raise Refusal("INVALID_SIGNATURE", f"Credential should be scoped to a valid region and correct service: '{_SERVICE}'.")
    if not hmac.compare_digest(_signature(visit.request, fields["SignedHeaders"], secret, region), fields["Signature"]):
        raise Refusal("INVALID_SIGNATURE")
    return found


def incomplete(given: str) -> Refusal:
    """What an Authorization header of another kind gets where a signature is looked for."""
    scheme, _, rest = given.partition(" ")
    if scheme != _ALGORITHM and "=" not in rest:
        text = f"'{rest}' not a valid key=value pair (missing equal-sign) in Authorization header: '{given}'."
    else:
        missing = " ".join(f"Authorization header requires '{name}' parameter." for name in ("Credential", "Signature", "SignedHeaders"))
        text = f"{missing} Authorization={scheme}"
    return Refusal("INVALID_SIGNATURE", text, error="IncompleteSignatureException")


def _fields(given: str, request: Request) -> dict[str, str]:
    fields = dict(re.findall(r"(Credential|SignedHeaders|Signature)=([^,\s]+)", given))
    if not given.startswith(f"{_ALGORITHM} ") or len(fields) != 3 or not _timestamp(request):
        raise incomplete(given)
    return fields


def _timestamp(request: Request) -> str:
    return request.header("X-Amz-Date") or ""


def _require_now(request: Request) -> None:
    now = datetime.now(UTC)
    try:
        signed = datetime.strptime(_timestamp(request), _DATE).replace(tzinfo=UTC)
    except ValueError:
        raise incomplete(request.header("Authorization") or "") from None
    if signed < now - _SKEW:
        text = f"Signature expired: {signed:{_DATE}} is now earlier than {now - _SKEW:{_DATE}} ({now:{_DATE}} - 5 min.)"
        raise Refusal("INVALID_SIGNATURE", text)
    if signed > now + _SKEW:
        text = f"Signature not yet current: {signed:{_DATE}} is still later than {now + _SKEW:{_DATE}} ({now:{_DATE}} + 5 min.)"
        raise Refusal("INVALID_SIGNATURE", text)


def _signature(request: Request, signed_headers: str, secret: str, region: str) -> str:
    names = signed_headers.lower().split(";")
    # A body whose digest is signed must have that digest; botocore would believe the header.
    if "host" not in names or request.header("X-Amz-Content-SHA256") not in (None, hashlib.sha256(request.body).hexdigest()):
        return ""
    again = AWSRequest(request.method, f"http://signed{request.path}{'?' if request.query else ''}{request.query}", data=request.body)
    for name, value in request.headers:
        if name.lower() in names:
            again.headers.add_header(name, value)
    again.context["timestamp"] = _timestamp(request)
    signer = _AsSigned(Credentials("", secret), _SERVICE, region)
    return str(signer.signature(signer.string_to_sign(again, signer.canonical_request(again)), again))


def _known(key: str) -> tuple[str, str | None, Caller]:
    """Secret, session token and owner of a key."""
    if key == _OWNER:
        root = f"arn:aws:iam::{ACCOUNT}:root"
        return _OWNER, None, Caller(root, root, ACCOUNT, key, is_owner=True)
    try:
        account = get_account_id_from(key)
    except Exception:
        raise _unknown() from None
    session = roles.session_of(key)
    if session is not None:
        return session.secret_access_key, session.session_token, _of_session(session)
    backend = iam_backends[account]["aws"]
    for user in list(backend.users.values()):
        for one in user.access_keys:
            if one.access_key_id == key and one.status == "Active":
                return one.secret_access_key, None, Caller(user.arn, user.arn, user.id, key, (_of_user(user, backend),))
    raise _unknown()


def _of_session(session: Any) -> Caller:
    if session.expiration.replace(tzinfo=UTC) < datetime.now(UTC):
        raise Refusal("EXPIRED_TOKEN")
    role = roles.find(session.role_arn)
    policies = [roles.permissions(role) if role else []]
    if session.policy:
        policies.append(statements(session.policy))
    return Caller(session.role_arn, session.arn, session.user_id, session.access_key_id, tuple(policies))


def _of_user(user: Any, backend: Any) -> list[Statement]:
    """What the user's own and the groups' policies say."""
    groups = backend.get_groups_for_user(user.name)
    return [one for holder in (user, *groups) for one in roles.permissions(holder)]


def _unknown() -> Refusal:
    text = "The security token included in the request is invalid."
    return Refusal("INVALID_SIGNATURE", text, error="UnrecognizedClientException")
