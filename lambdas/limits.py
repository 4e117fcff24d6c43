"""Every wait, size and number of attempts of the control plane, in one place. Seconds unless the name says otherwise.

The invariant: what a function may still do after it was given up (a zombie runs on until its own time-out) is over before anybody decides
from not seeing a thing that it does not exist. So VISIBLE_AFTER is longer than FUNCTION_TIMEOUT, and a lock lives four time-outs.
"""

CONNECT_TIMEOUT = 3
READ_TIMEOUT = 20
AWS_ATTEMPTS = 4

FUNCTION_TIMEOUT = 120
VISIBLE_AFTER = 150
LOCK_SECONDS = 4 * FUNCTION_TIMEOUT

SESSION_SECONDS = 15 * 60

TARGET_AVAILABLE_WITHIN = 45 * 60
GROUPS_ACTIVE_WITHIN = 60 * 60
MOST_GROUPS_OF_AN_INSTANCE = 5

DEFAULT_INSTANCE_TYPE = "c6i.large"
FALLBACK_INSTANCE_TYPES = ("m6i.large", "c5.large")
WORKER_ATTEMPTS = 4
WORKER_ONLINE_WITHIN = 10 * 60
WORKER_VOLUME_GIB = 20
DEAD_MAN_MARGIN_MINUTES = 60

COMMAND_DELIVERED_WITHIN = 600
COMMAND_LISTED_WITHIN = 60
# The most that AWS-RunShellScript's timeoutSeconds allows (172800 s).
COMMAND_HOURS = 48
JOB_STOPPED_WITHIN = 60
DISCARD_MINUTES = 60
DISCARD_ATTEMPTS = 3
# So many clean-ups follow each other at once; then the pauses double.
CLEAN_UPS_AT_ONCE = 4
CLEAN_UP_PAUSE = 10 * 60
LONGEST_CLEAN_UP_PAUSE = 24 * 3600
ERROR_TAIL_CHARACTERS = 2000

STORAGE_FACTOR = 1.5
STORAGE_METRIC_WINDOW = 3600
LONGEST_DATABASE_NAME_BYTES = 63
LONGEST_SQLSERVER_NAME = 128
# By the major version from which it holds (Microsoft Learn, "Editions and supported features": 50 GB since SQL Server 2025).
EXPRESS_DATABASE_GIB = {17: 50, 0: 10}
HEADS_AT_ONCE = 10

STAGING_THREADS = 32
STAGING_SECONDS = 80
STAGING_READ_TIMEOUT = 60
STAGING_PART_BYTES = 256 << 20
STAGING_PARTS = 9_000
# Longer than the longest run (240 hours): a safety net must not take the files from a restore that still reads them.
STAGED_DAYS = 31
# Longer than the longest staging (6,000 attempts, 81 s apart: 5.6 days): S3 must not abort the upload of a file that is still being copied.
ABANDONED_UPLOAD_DAYS = 7
