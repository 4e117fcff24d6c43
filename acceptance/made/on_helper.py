"""Runs on an EC2 instance beside the run's SQL Server, with the worker's program and its role: makes a small database there and has RDS
back it up to S3. Its text is sent as it is, so it imports nothing of its own package.

python on_helper.py SECRET_ARN HOST PORT CA_URI DATABASE BACKUP_ARN
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import boto3
import pytds

from dbrestore.worker.sqlserver import tds_tls

ROWS = 1000
PAUSE = 5
ENDED = ("SUCCESS", "ERROR", "CANCELLED")


def main(secret: str, host: str, port: str, ca_uri: str, database: str, backup_arn: str) -> None:
    """Ends with code 1 and RDS's words if there is no backup at the end."""
    tds_tls.install()
    login = json.loads(boto3.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"])
    with tempfile.TemporaryDirectory() as folder:
        certificates = Path(folder, "ca.pem")
        bucket, _, key = ca_uri.removeprefix("s3://").partition("/")
        certificates.write_bytes(boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())
        with pytds.connect(
            host,
            port=int(port),
            user=login["username"],
            password=login["password"],
            cafile=str(certificates),
            validate_host=True,
            autocommit=True,
            as_dict=True,
        ) as connection:
            _make(connection, database)
            sys.exit(_back_up(connection, database, backup_arn))


def _make(connection: Any, database: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE [{database}]")
        cursor.execute(f"CREATE TABLE [{database}].dbo.orders (id int PRIMARY KEY, customer nvarchar(40) NOT NULL)")
        values = ", ".join(f"({number}, N'customer {number}')" for number in range(ROWS))
        cursor.execute(f"INSERT INTO [{database}].dbo.orders (id, customer) VALUES {values}")  # noqa: S608 - our own names


def _back_up(connection: Any, database: str, arn: str) -> str | None:
    """None, or why there is no backup."""
    with connection.cursor() as cursor:
        cursor.execute(
            "exec msdb.dbo.rds_backup_database @source_db_name=%s, @s3_arn_to_backup_to=%s, @overwrite_s3_backup_file=1, @type='FULL'",
            (database, arn),
        )
        cursor.fetchall()
        while True:
            cursor.execute("exec msdb.dbo.rds_task_status @db_name=%s", (database,))
            task = cursor.fetchall()[-1]
            if task["lifecycle"] in ENDED:
                return None if task["lifecycle"] == "SUCCESS" else f"RDS ended the backup {task['lifecycle']}: {task['task_info']}"
            time.sleep(PAUSE)


if __name__ == "__main__":
    main(*sys.argv[1:])
