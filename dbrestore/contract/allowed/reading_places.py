"""How places are declared in `configuration/in_place.json` from which restores may read backups that nobody copied, and from which
executions copy backups into the repository."""

from typing import Annotated, Any, Final

from pydantic import Field, StringConstraints

from dbrestore.contract.adoption.rules import BUCKET, KEY_ARN
from dbrestore.contract.document import Document

# Each is a resource in the policies of five functions' roles and two of each target account; a role's policies have 10,240 characters.
MOST_PLACES: Final = 20


class ReadingPlace(Document):
    """Restores may read versions of the objects in `bucket` whose keys begin with `prefix`, and ask S3 to retrieve archived ones; the
    function that copies dumps into the repository may read them, too, and with `copy_only` nobody else.
    `kms_key`: the ARN of the key that they are encrypted with, if it is a key of KMS."""

    comment: Any = Field(default=None, alias="Comment", exclude=True)
    bucket: Annotated[str, StringConstraints(pattern=BUCKET)]
    prefix: str = Field(default="", max_length=1024)
    kms_key: Annotated[str, StringConstraints(pattern=KEY_ARN)] | None = None
    copy_only: bool = False

    @property
    def uri(self) -> str:
        """`s3://bucket/prefix`."""
        return f"s3://{self.bucket}/{self.prefix}"


class InPlaceConfiguration(Document):
    """The file `configuration/in_place.json`. Editors read `$schema`, people `Comment`; both are ignored."""

    schema_: str | None = Field(default=None, alias="$schema", exclude=True)
    comment: Any = Field(default=None, alias="Comment", exclude=True)
    places: tuple[ReadingPlace, ...] = Field(default=(), max_length=MOST_PLACES)
