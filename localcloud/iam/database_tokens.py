"""The tokens with which roles log in to databases, judged as RDS judges them: a presigned request `connect` of the service `rds-db`.

RDS User Guide, "IAM database authentication": the token names host, port and user, is signed by whoever logs in, and lives 15 minutes.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from localcloud.iam import access_policies, roles
from localcloud.iam.access_policies import Question

LIFETIME = timedelta(minutes=15)
_TIME = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Door:
    """The instance that somebody wants to enter, as `user`."""

    host: str
    port: int
    region: str
    account: str
    resource_id: str
    user: str

    @property
    def arn(self) -> str:
        """What `rds-db:connect` must be allowed on."""
        return f"arn:aws:rds-db:{self.region}:{self.account}:dbuser:{self.resource_id}/{self.user}"


def refusal(token: str, door: Door) -> str | None:
    """Why the token opens this door not; None if it does. RDS tells nobody."""
    url = urlsplit(f"https://{token}")
    wish = dict(parse_qsl(url.query))
    if (url.hostname, url.port, wish.get("Action"), wish.get("DBUser")) != (door.host, door.port, "connect", door.user):
        return "it is for another host, port or user"
    key, _, region, service, _ = [*wish.get("X-Amz-Credential", "").split("/"), *[""] * 5][:5]
    if (region, service) != (door.region, "rds-db"):
        return "it is for another Region or service"
    session = roles.session_of(key) if key else None
    if session is None:
        return "nobody's key signed it"
    if not _is_alive(wish.get("X-Amz-Date", "")):
        return "its 15 minutes are over"
    if not _is_signed(token, wish, Credentials(session.access_key_id, session.secret_access_key, session.session_token), region):
        return "its signature is wrong"
    role = roles.find(session.role_arn)
    question = Question(session.role_arn, "rds-db:connect", door.arn)
    if role is None or not access_policies.may(question, roles.permissions(role), [], owner=door.account):
        return f"{session.role_arn} may not rds-db:connect on {door.arn}"
    return None


def _is_alive(signed: str) -> bool:
    try:
        at = datetime.strptime(signed, _TIME).replace(tzinfo=UTC)
    except ValueError:
        return False
    return at <= datetime.now(UTC) + timedelta(minutes=5) and datetime.now(UTC) <= at + LIFETIME


def _is_signed(token: str, wish: dict[str, str], credentials: Credentials, region: str) -> bool:
    """The same signature, made again from the rest of the token."""
    unsigned, _, signature = token.partition("&X-Amz-Signature=")
    request = AWSRequest(method="GET", url=f"https://{unsigned}", headers={})
    request.context["timestamp"] = wish["X-Amz-Date"]
    signer = SigV4QueryAuth(credentials, "rds-db", region)
    made: str = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    return made == signature
