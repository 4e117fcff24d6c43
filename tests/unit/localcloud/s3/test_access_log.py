"""The access log says who moved which bytes; what S3 copies by itself moves none."""

from pathlib import Path

from localcloud import cloud as local
from localcloud.s3 import access_log as s3_access_log
from localcloud.server import ACCESS_LOG

TRUST = '{"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}'
BODY = bytes(1 << 20)


def test_bytes_are_counted_per_requester_and_object_and_a_copy_moves_none(tmp_path: Path) -> None:
    running = local.start(tmp_path, schedules=False)
    try:
        role = running.client("iam").create_role(RoleName="reader", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        mine, readers = running.client("s3"), running.client("s3", role)
        mine.create_bucket(Bucket="backups", CreateBucketConfiguration={"LocationConstraint": running.region})
        mine.put_object(Bucket="backups", Key="a key/1", Body=BODY)
        readers.head_object(Bucket="backups", Key="a key/1")
        readers.get_object(Bucket="backups", Key="a key/1", Range="bytes=0-99")["Body"].read()
        readers.copy_object(Bucket="backups", Key="copy", CopySource={"Bucket": "backups", "Key": "a key/1"})
    finally:
        running.stop()

    put, head, get, copy = s3_access_log.read(tmp_path / ACCESS_LOG)
    assert (put.requester, put.method, put.bucket, put.key) == ("root", "PUT", "backups", "a key/1")
    assert len(BODY) <= put.received < len(BODY) + 1000
    assert (head.method, head.sent) == ("HEAD", 0)
    assert (get.requester, get.key, get.sent) == (role, "a key/1", 100)
    assert (copy.key, copy.received) == ("copy", 0)
    assert copy.sent < 1000
