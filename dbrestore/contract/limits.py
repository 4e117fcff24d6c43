"""Every wait, size and number of attempts of the control plane, in one place. Seconds unless the name says otherwise.

The invariant: what a function may still do after it was given up (a zombie runs on until its own time-out) is over before anybody decides
from not seeing a thing that it does not exist. So VISIBLE_AFTER is longer than FUNCTION_TIMEOUT, and a lock lives four time-outs.
"""

CONNECT_TIMEOUT = 3
READ_TIMEOUT = 20
AWS_ATTEMPTS = 4
# To connect, and to be answered, where a call that isn't answered is left out.
HASTY_TIMEOUT = 2

FUNCTION_TIMEOUT = 120
VISIBLE_AFTER = 150
# So long EC2 may not show what it made: "up to five minutes" (EC2 Developer Guide, "Eventual consistency in the Amazon EC2 API").
SHOWN_WITHIN = 5 * 60
# Between the two looks at least that don't find a thing before it is called gone.
LOOKS_APART = 20
LOCK_SECONDS = 4 * FUNCTION_TIMEOUT

SESSION_SECONDS = 15 * 60

TARGET_AVAILABLE_WITHIN = 45 * 60
GROUPS_ACTIVE_WITHIN = 60 * 60
MOST_GROUPS_OF_AN_INSTANCE = 5
# So often a group that others take off the instance's list while a restore runs is put back: after that somebody means it.
PUT_BACK_AT_MOST = 5

# The first worker, the one that takes its place while it still ends, and one for RDS, whose fail-over takes addresses of its own subnets.
FREE_ADDRESSES = 3
# From which Linux chooses a client's port (net.ipv4.ip_local_port_range), and from which a NAT gateway does (Amazon VPC User Guide).
WORKER_PORTS = (32768, 60999)
NAT_PORTS = (1024, 65535)
# The last that people can write into a network ACL; the one after it is AWS's own, which refuses the rest.
LAST_ACL_RULE = 32766
LISTED_SUBNETS = 40
LISTED_SUBNETS_CHARACTERS = 6_000
NAMED_REFUSALS = 12

WORKER_ATTEMPTS = 6
WORKER_ONLINE_WITHIN = 10 * 60
WORKER_VOLUME_GIB = 20
DEAD_MAN_MARGIN_MINUTES = 60
# So long SSM doesn't hear a worker, and nothing of the job moves, before the worker counts as lost. An agent pings every five minutes
# (HealthFrequencyMinutes of amazon-ssm-agent), its host starts it again a minute and a half after a crash, and SSM itself takes minutes.
AGENT_UNHEARD_WITHIN = 15 * 60

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
# Between the two sightings at least of what belongs to no restore, before it is removed.
STRAY_LOOKS_APART = 3600
# Of one call's work on the removal of restore points; what was begun by then is finished in it, or by the next.
REMOVAL_SECONDS = 75
ERROR_TAIL_CHARACTERS = 2000

# Up to so many bytes of COPY text every value is read back unless the request says otherwise.
CONTENT_UP_TO_BYTES = 100 * 1000**3
# What an error says of each database's objects that were left out; the whole list is in the worker's result.
NAMED_LEFT_OUT = 10
LEFT_OUT_CHARACTERS = 150
# Names that one note of a plan lists, and one refusal, where they are what has to be fixed.
NAMED_IN_NOTES = 8
NAMED_IN_REFUSALS = 100

STORAGE_FACTOR = 1.5
STORAGE_METRIC_WINDOW = 3600
LONGEST_DATABASE_NAME_BYTES = 63
LONGEST_SQLSERVER_NAME = 128
# By the major version from which it holds (Microsoft Learn, "Editions and supported features": 50 GB since SQL Server 2025).
EXPRESS_DATABASE_GIB = {17: 50, 0: 10}

# S3 aborts the uploads of the repository after as long (infrastructure.buckets).
ABANDONED_AFTER_HOURS = 48

# Workers that a job is given to one after the other as they die, and commands to one worker as its program ends without a result; one that
# SSM cut off after its COMMAND_HOURS doesn't count.
JOB_WORKERS = 3
JOB_COMMANDS = 3

# Of one call's copying of dumps; what S3 has not copied by then, the next one goes on with.
COPYING_SECONDS = 80
# Workers that read one restore point, one after the other as they die.
READING_WORKERS = 3

# Of the 15 minutes that a function has; what S3 has not copied by then, the next one goes on with.
ADOPTING_SECONDS = 600

STAGING_THREADS = 32
# With damage on purpose 5 MiB of each file pass through the function, twice in memory.
DAMAGING_THREADS = 8
STAGING_SECONDS = 80
STAGING_READ_TIMEOUT = 60
STAGING_PART_BYTES = 256 << 20
STAGING_PARTS = 9_000
# Longer than the longest run (240 hours): a safety net must not take the files from a restore that still reads them.
STAGED_DAYS = 31
# Longer than the longest staging (6,000 attempts, 81 s apart: 5.6 days): S3 must not abort the upload of a file that is still being copied.
ABANDONED_UPLOAD_DAYS = 7

# Files that one invocation asks S3 for: S3 takes 1,000 such requests a second per account and Region, so a batch is done in seconds.
ARCHIVE_BATCH = 2_000
ARCHIVE_THREADS = 32
# Files of a point that lie in somebody's bucket: each is asked about by itself, which takes a plan some ten seconds for so many.
REFERENCED_FILES = 5_000
# S3 Glacier promises 300 MB/s for large objects of an Expedited retrieval.
EXPEDITED_BYTES_PER_SECOND = 300_000_000
# A copy that goes sooner is asked for again while it is read.
ARCHIVE_MARGIN_HOURS = 24
ARCHIVE_ROUNDS = 10
# S3's own figures are at most; so many times that, and so many hours, is when something is wrong.
LONGEST_RETRIEVAL_HOURS = 48
RETRIEVAL_PATIENCE = 2.0
RETRIEVAL_GRACE_HOURS = 6.0

# An examination answers before its function's time is over, whatever hangs.
EXAMINATION_SECONDS = 30
EXAMINATION_READ_TIMEOUT = 8
CHECKS_AT_ONCE = 6
CERTIFICATE_WARNING_DAYS = 30
LEAST_FREE_STORAGE = 0.1

# As much of a body as AWS WAF looks at by default (AWS WAF Developer Guide, "Oversize web request components").
API_BODY_BYTES = 16 << 10
# API Gateway gives up after 29 s; a plan that isn't there by then is asked for once more.
API_PLAN_SECONDS = 20
API_LOOK_SECONDS = 0.5
API_PAGE = 50
API_LARGEST_PAGE = 100
# Rows that one call reads at most: what the caller may not see is read too.
API_ROWS = 500
API_REPORT_LINK_SECONDS = 300
LONGEST_IDEMPOTENCY_KEY = 255
# What a sender's event is can't be chosen: PagerDuty's have 256 KiB at most, and an issue with its comments is larger than a request.
HOOK_BODY_BYTES = 256 << 10
# A secret that was changed counts after so long; until then its hook's second one does.
HOOK_SECRET_SECONDS = 300
