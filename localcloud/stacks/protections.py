"""What a template says of protection: buckets that nobody can make public, tables that can be brought back to any second.

| moto 5.2.5 | fixed to |
|---|---|
| a template's PublicAccessBlockConfiguration of a bucket is left out | it is set |
| a template's PointInTimeRecoverySpecification of a table is left out | it is set |
| DeletionPolicy RetainExceptOnCreate deletes with the stack | it keeps what a stack that was complete has |

None changes what a rehearsal may do; `dbrestore doctor` looks at the first two.
"""

from typing import Any

from moto.cloudformation.parsing import ResourceMap
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.table import Table
from moto.s3.models import FakeBucket, s3_backends
from moto.utilities.utils import get_partition

from localcloud.base.corrections import fix


def install() -> None:
    """Fix how moto reads templates."""
    fix(FakeBucket, "create_from_cloudformation_json", _closed_bucket)
    fix(Table, "create_from_cloudformation_json", _recoverable_table)
    fix(ResourceMap, "delete", _delete)


def _closed_bucket(original: Any, name: str, description: Any, account: str, region: str, **more: Any) -> Any:
    bucket = original(name, description, account, region, **more)
    flags = description.get("Properties", {}).get("PublicAccessBlockConfiguration")
    if flags:
        s3_backends[account][get_partition(region)].put_public_access_block(bucket.name, flags)
    return bucket


def _recoverable_table(original: Any, name: str, description: Any, account: str, region: str, **more: Any) -> Any:
    table = original(name, description, account, region, **more)
    wanted = description["Properties"].get("PointInTimeRecoverySpecification")
    if wanted:
        dynamodb_backends[account][region].update_continuous_backups(table.name, wanted)
    return table


def _delete(original: Any, resources: Any) -> None:
    """moto knows the older word alone, and looks for it in the template's text."""
    for described in resources._resource_json_map.values():
        if described.get("DeletionPolicy") == "RetainExceptOnCreate":
            described["DeletionPolicy"] = "Retain"
    original(resources)
