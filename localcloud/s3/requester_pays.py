"""Buckets whose requester pays.

| moto 5.2.5 | fixed to |
|---|---|
| PutBucketRequestPayment makes a bucket, GetBucketRequestPayment is unknown | kept, and told |
| whoever reads such a bucket does so | of another account only with `x-amz-request-payer: requester`; else `AccessDenied` |

Documented: Amazon S3 User Guide, "Using Requester Pays buckets": without the header "Amazon S3 returns the Access Denied error (403)".
"""

from collections.abc import Callable
from typing import Any

from moto.s3.exceptions import BucketAccessDeniedError
from moto.s3.models import s3_backends
from moto.s3.responses import S3Response

from localcloud.base.corrections import fix

_PAID_BY_REQUESTERS: set[str] = set()
_TOLD = '<RequestPaymentConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Payer>{payer}</Payer></RequestPaymentConfiguration>'


def install() -> None:
    """Fix moto's S3."""
    _PAID_BY_REQUESTERS.clear()
    fix(S3Response, "_bucket_response", _bucket_response)


def _bucket_response(original: Callable[..., Any], response: Any, request: Any, full_url: str) -> Any:
    name = response.parse_bucket_name_from_url(request, full_url)
    if "requestPayment" not in full_url.partition("?")[2]:
        return original(response, request, full_url)
    if request.method == "PUT":
        paid = b"Requester" in request.get_data()
        (_PAID_BY_REQUESTERS.add if paid else _PAID_BY_REQUESTERS.discard)(name)
        return 200, {}, ""
    return 200, {}, _TOLD.format(payer="Requester" if name in _PAID_BY_REQUESTERS else "BucketOwner")


def require_payer(response: Any, bucket: str) -> None:
    """Raises BucketAccessDeniedError for a caller of another account that doesn't agree to pay."""
    owner = s3_backends.bucket_accounts.get(bucket)
    is_owner = owner is None or owner[1] == response.current_account
    if bucket in _PAID_BY_REQUESTERS and not is_owner and response.headers.get("x-amz-request-payer") != "requester":
        raise BucketAccessDeniedError(bucket=bucket)
