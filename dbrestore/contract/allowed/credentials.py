"""How credentials may be named, in a request and in the credential configuration alike: by reference, never by value."""

from typing import Annotated, Final

from pydantic import StringConstraints

# The characters that Secrets Manager allows in names; `!` is kept for the secrets that a service of AWS manages (`rds!db-...`).
_NAME = r"[A-Za-z0-9/_+=.@!-]{1,512}"
SECRET_ARN: Final = rf"^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{{12}}:secret:{_NAME}$"
# The user becomes part of an ARN (`rds-db:...:dbuser:<instance>/<user>`), where PostgreSQL's other characters would be wildcards.
_USER = r"^[A-Za-z_][A-Za-z0-9_-]{0,62}$"
INSTANCE_PLACE: Final = "{dbInstance}"

SecretArn = Annotated[str, StringConstraints(pattern=SECRET_ARN)]
SecretName = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9/_+=.@-]|\{dbInstance\})+$", max_length=512)]
IamUser = Annotated[str, StringConstraints(pattern=_USER)]

EXPECTED: Final = {
    "secretArn": "must be the ARN of a secret, like arn:aws:secretsmanager:eu-central-1:111111111111:secret:orders-restore-Ab12Cd",
    "iamUser": "must be a user of the database, of letters, digits, _ and - (63 at most), like dbrestore",
}


def name_of(arn: str) -> str:
    """The secret's name with the six characters that Secrets Manager adds."""
    return arn.rpartition(":")[2]


def place_of(arn: str) -> tuple[str, str]:
    """Region and account of the secret."""
    _, _, _, region, account, *_ = arn.split(":")
    return region, account


def is_managed(arn: str) -> bool:
    """Whether RDS made it, for a master user."""
    return name_of(arn).startswith("rds!")
