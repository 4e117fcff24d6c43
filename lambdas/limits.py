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
JOB_STOPPED_WITHIN = 60
DISCARD_MINUTES = 60
DISCARD_ATTEMPTS = 3
ERROR_TAIL_CHARACTERS = 2000

STORAGE_FACTOR = 1.5
STORAGE_METRIC_WINDOW = 3600
LONGEST_DATABASE_NAME_BYTES = 63
