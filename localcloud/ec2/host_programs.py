"""The worker's program in a host: fetched as the boot script does it, with the instance's role and on the way that its VPC has to S3."""

import re
import tempfile
import zipfile
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from localcloud.ec2 import endpoint_policies, host_files

if TYPE_CHECKING:
    from localcloud.ec2.hosts import Host

PROGRAM = re.compile(r"^# dbrestore-program: s3://([^/\s]+)/(\S+)$", re.MULTILINE)
PROGRAM_REGION = re.compile(r'^ *aws s3 cp --region "([a-z0-9-]+)" ', re.MULTILINE)
# What the script says if the program can't be fetched.
NOT_FETCHED = re.compile(r'failed "(s3://\S+ could not be fetched: [^"]*)"')


def install(host: "Host", user_data: str, trees: Path, endpoint: str) -> None:
    """What the boot script does, or its last words: in `.failed` for commands, and on the console. Programs are unpacked under `trees`;
    `endpoint` is the cloud's URL. Raises FileNotFoundError if the host is gone."""
    program, region = PROGRAM.search(user_data), PROGRAM_REGION.search(user_data)
    if program is None:
        return
    home, place = host.directory / "opt" / "dbrestore", region[1] if region else host.instance.region_name
    home.parent.mkdir()
    try:
        home.symlink_to(_unpacked(host, program[1], program[2], place, trees, endpoint))
    except (BotoCoreError, ClientError, LookupError, zipfile.BadZipFile) as error:
        words = NOT_FETCHED.search(user_data)
        told = words[1].replace("\\\n", "") if words else f"s3://{program[1]}/{program[2]} could not be fetched"
        home.mkdir()
        (home / ".failed").write_text(f"{told}\n")
        host.said += f"fatal error: {error}\ndbrestore: the worker could not boot: {told}\n"


def _unpacked(host: "Host", bucket: str, key: str, region: str, trees: Path, endpoint: str) -> Path:
    """The program's tree, shared by all instances: it has about 100 MB. Raises BotoCoreError, ClientError,
    LookupError, BadZipFile."""
    if host.role_arn is None:
        raise LookupError("Unable to locate credentials")
    if refusal := endpoint_policies.refusal(host.instance, host.role_arn, bucket, key, region):
        raise LookupError(refusal)
    credentials: dict[str, Any] = dict(host.credentials)
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name=region, config=Config(s3={"addressing_style": "path"}), **credentials)
    version = s3.head_object(Bucket=bucket, Key=key)["ETag"]
    tree = trees / sha256(f"{bucket}/{key}/{version}".encode()).hexdigest()[:16]
    if not tree.exists():
        trees.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=trees) as folder:
            s3.download_file(bucket, key, f"{folder}/program.zip")
            host_files.unpack(Path(folder, "program.zip"), Path(folder, "tree"))
            # Another instance may have been faster: its tree is as good.
            with suppress(OSError):
                Path(folder, "tree").rename(tree)
    return tree
