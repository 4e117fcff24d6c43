"""`python -m infrastructure.deploying --instance ID`: everything that an account needs before its first restore, with the caller's rights.

Run again, it does what is missing.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from dbrestore.contract.names import CA_BUNDLE_KEY, RDS_CERTIFICATES
from infrastructure import names
from infrastructure.deploying import certificates, place, stacks

CONTEXT = Path(__file__).resolve().parents[2] / "cdk.json"


def main(words: Sequence[str]) -> None:
    """Ends with a sentence and code 1 if something is missing here."""
    given = _parser().parse_args(words)
    try:
        _deploy(given)
    except (place.PlaceNotFound, stacks.StackNotDeployed, certificates.CertificatesNotProvided) as error:
        sys.exit(str(error))
    except (ClientError, BotoCoreError) as error:
        sys.exit(f"AWS doesn't let it: {error}")


def _deploy(given: argparse.Namespace) -> None:
    context = json.loads(CONTEXT.read_text())["context"]
    prefix = context.get("prefix") or names.PRODUCT
    here = place.here()
    vpc = given.vpc or place.vpc_of(here, given.instance)
    _say(f"Account {here.account}, {here.region}, {vpc}")
    stacks.bootstrap(here, context.get(stacks.QUALIFIER, stacks.DEFAULT_QUALIFIER))
    made = stacks.deploy(here, prefix, vpc, given.cdk)
    _say(f"Deployed: {', '.join(made)}" if made else "Both stacks are there already; to upgrade them: docs/deploying.md#upgrading")
    bucket = here.evidence_bucket(names.of(prefix, names.CONTROL_PARAMETER))
    is_new = certificates.provide(here.client("s3"), bucket, given.certificates)
    _say(f"s3://{bucket}/{CA_BUNDLE_KEY}: " + (f"from {given.certificates}" if is_new else "is there already"))


def _say(text: str) -> None:
    # At once: what the CDK's command says comes between.
    print(text, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infrastructure.deploying", description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--instance", metavar="ID", help="a DB instance or cluster that is to be restored into: its VPC is taken")
    where.add_argument("--vpc", metavar="ID", help="the VPC of the DB instances")
    parser.add_argument(
        "--certificates", default=RDS_CERTIFICATES, metavar="URL|FILE", help="RDS's certificates; default: where AWS has them"
    )
    parser.add_argument("cdk", nargs="*", metavar="OPTION", help="after --: more options of `cdk deploy`")
    return parser


if __name__ == "__main__":
    main(sys.argv[1:])
