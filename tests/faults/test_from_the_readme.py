"""From a dump in S3 to a restored database by what README has a person type, on the local cloud, where `local up` stands for the stacks."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from dbrestore.cli import main
from dbrestore.cli.control import ControlPlane
from dbrestore.contract.names import CA_BUNDLE_KEY
from demo import shop as demo_shop
from demo.shop import Shop
from localcloud.cloud import Cloud

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("from-the-readme")]

ROOT = Path(__file__).parents[2]
SECTION = (ROOT / "README.md").read_text().split("### From a dump in S3 to a restored database\n")[1]
COMMANDS = [shlex.split(line) for line in re.findall(r"```sh\n(.+?)\n```", SECTION, flags=re.S)[0].splitlines()]


def test_six_commands_lead_from_a_dump_in_s3_to_a_restored_database(
    running: Cloud, plane: ControlPlane, shop: Shop, tmp_path: Path
) -> None:
    clone, folder, deploy, environment, *ours = COMMANDS
    assert [words[0] for words in (clone, folder, deploy, environment)] == ["git", "cd", "make", "source"]
    s3, place = boto3.client("s3"), ours[0][ours[0].index("--from") + 1].removeprefix("s3://")
    bucket, _, key = place.partition("/")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": running.region})
    s3.upload_file(str(demo_shop.dump(shop, tmp_path)), bucket, key)
    before = demo_shop.fingerprints(shop, demo_shop.DATABASE)
    # The stacks are there, and what an operator has to put is not.
    s3.delete_object(Bucket=plane.evidence_bucket, Key=CA_BUNDLE_KEY)

    instance = next(word.removeprefix("INSTANCE=") for word in deploy if word.startswith("INSTANCE="))
    program = [sys.executable, "-m", "infrastructure.deploying", "--instance", instance, "--certificates", str(running.authority.bundle)]
    subprocess.run(program, cwd=ROOT, check=True)
    for program_name, *words in ours:
        assert program_name == "dbrestore"
        assert main.run(words) == 0

    restored = ours[-1][-1].partition("=")[2]
    assert demo_shop.fingerprints(shop, restored) == before
    assert s3.get_object(Bucket=plane.evidence_bucket, Key=CA_BUNDLE_KEY)["Body"].read() == running.authority.bundle.read_bytes()
