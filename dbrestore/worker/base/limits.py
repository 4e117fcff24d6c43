"""Every number that bounds the worker, in one place."""

from typing import Final

from botocore.config import Config

# AWS calls other than the reading of members (that has its own in dbrestore.points.ranges).
AWS: Final = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 5})

CONNECT_TIMEOUT_SECONDS: Final = 15
# How long a server that can't be reached is tried: a Multi-AZ instance fails over in one to two minutes, a group is in force and a name is
# known within seconds (assumed).
CONNECTED_WITHIN_SECONDS: Final = 300.0
# And one that let the worker in before and is silent now: its group may have been taken off the instance's list, which the control plane
# notices at its next look, at most 20 minutes later.
PUT_BACK_WITHIN_SECONDS: Final = 1500.0
# And one that says that it is starting up or recovering.
RECOVERED_WITHIN_SECONDS: Final = 900.0
CONNECT_PAUSE_SECONDS: Final = 3.0
# How long after a refused login the secret is watched for another password: between a rotation's two writes lie seconds, and Secrets
# Manager's own functions for it end after 30.
ROTATION_SECONDS: Final = 60.0
ROTATION_PAUSE_SECONDS: Final = 3.0
# Between two tokens of IAM that are shown: what was allowed just now is known everywhere after a while.
TOKEN_PAUSE_SECONDS: Final = 10.0
# A restore may run for days over an otherwise quiet network path.
KEEPALIVE_IDLE_SECONDS: Final = 60
KEEPALIVE_INTERVAL_SECONDS: Final = 15
KEEPALIVE_COUNT: Final = 8

# The temporary login stops working by itself, whatever becomes of the clean-up.
LOGIN_VALID_DAYS: Final = 7
# The planner's statistics run code of the dump (expressions of indexes); per table, so one that never ends costs no more than this.
ANALYZE_SECONDS: Final = 1800
# Smaller tables are named together in one statement, so many of them.
SAMPLED_ALONE: Final = 1 << 20
SAMPLED_TOGETHER: Final = 100
# The rows of smaller tables (COPY text) are counted in one transaction, which holds a lock on each and on its indexes.
COUNTED_ALONE: Final = 1 << 20
COUNTED_TOGETHER: Final = 50
# Rows of a catalogue that are fetched at a time: of 20,000 tables it has some 100,000.
ROWS_TOGETHER: Final = 1000

# A check of one's own; it may run code of the dump as well.
CHECK_SECONDS: Final = 600
# Nobody else works in the restored database; on SQL Server, RDS itself may for a moment.
CHECK_LOCK_SECONDS: Final = 60
# Of the answer to one: enough for any number, moment or name. Longer values are compared by this much of them, and so are refused.
ANSWER_CHARACTERS: Final = 10_000

# Nobody but autovacuum works in the temporary database when it is handed over, and that gives way; code of the dump in it need not.
HAND_OVER_LOCK_SECONDS: Final = 300
# The replay and the hand-over of owners commit every so many objects: a transaction holds a lock on each object it touched, and the server
# has room for about 64 locks per connection slot.
OBJECTS_PER_TRANSACTION: Final = 300
# Definitions that are worth a session's while: with fewer, it makes them faster than another one is opened.
DEFINED_TOGETHER: Final = 150
# A foreign key whose check costs less (`building_costs`, in bytes) shares its transactions with others.
PROVEN_ALONE: Final = 1 << 20
# So many objects' statistics are imported by one task.
IMPORTED_TOGETHER: Final = 100
# Bytes of definitions that are sent as one query.
JOINED_STATEMENTS: Final = 64 << 10

# A deadlock, a lock that could not be had: so often is the same tried before it counts.
ATTEMPTS: Final = 5
# So often a replay carries on after a lost connection, and so often without having got further: each time, code of the dump may have been
# what brought the server down.
REPLAY_LOSSES: Final = 10
REPLAY_LOSSES_IN_VAIN: Final = 1
# How long an index that a lost session is building is waited for: longer builds begin again, beside other work.
BUILDING_SECONDS: Final = 120.0
# Sessions of the temporary login: the most streams that a request may ask for, and one each for definitions and for verification.
LOGIN_CONNECTIONS: Final = 18
# A restore's sessions besides: of the master user, for definitions, and the one that watches the size.
OTHER_SESSIONS: Final = 3
# After the first failure the others are cancelled; code of the dump can catch that, but not the end of its session.
CANCEL_SECONDS: Final = 10.0
# What the temporary database may grow to: SIZE_FREE + SIZE_FACTOR * (bytes of the dump's rows + SIZE_PER_ROW * rows).
SIZE_FREE: Final = 2 << 30
SIZE_FACTOR: Final = 20
SIZE_PER_ROW: Final = 100
SIZE_LOOK_SECONDS: Final = 5.0

# Small members that lie together are read with one request: a request costs as long as megabytes of transfer.
SMALL_MEMBER: Final = 1 << 20
GROUP_LENGTH: Final = 4 << 20
GROUP_MEMBERS: Final = 50
# Groups that are read before a session asks for them; each is GROUP_LENGTH bytes of memory at most.
GROUPS_AHEAD: Final = 2
# Tables from this size on (COPY text) are loaded by several sessions; that sharing a smaller one doesn't pay is assumed.
SHARED_MEMBER: Final = 8 << 20
# lo_put stores pages of 2 KiB: a multiple of that is written without reading a page again.
LARGE_OBJECT_CHUNK: Final = 1 << 20

PROGRESS_SECONDS: Final = 1.0
PROGRESS_SHARE: Final = 0.01
LONGEST_PROGRESS_SECONDS: Final = 60.0
# Of what is being worked on: a name of the dump's may be of any length.
NAME_IN_PROGRESS: Final = 120
# How much of the server's words goes into an error.
MESSAGE_LENGTH: Final = 2000
# How much of a statement a fix-up shows: one may list a thousand large objects.
STATEMENT_IN_NOTE: Final = 1000
# How many lines a check or a list in the result has at most; the last one says how many more there are.
LISTED_OBJECTS: Final = 500
# How many failed checks the error names; all are in the result.
CHECKS_IN_MESSAGE: Final = 8
TERMINATION_SECONDS: Final = 20.0
# Before PostgreSQL 14 we look ourselves whether they are gone.
TERMINATION_PAUSE_SECONDS: Final = 0.05

# Between two looks for sessions that stand in the way of a rename, and between two rounds of ending them.
IN_USE_LOOK_SECONDS: Final = 1.0
ENDING_PAUSE_SECONDS: Final = 0.1
# How many kinds of sessions an error names.
SESSIONS_NAMED: Final = 5

# Between two notes of how far a dump was read: so much a worker that dies costs. A note of 100,000 members takes a second to write.
READING_NOTE_SECONDS: Final = 30.0

# Dumps of so many bytes in all are worth processes that count their rows beside the one that reads (starting one costs 0.1 seconds of CPU);
# one for each further processor, but no more than keep up with what one process decompresses.
COUNTED_BESIDE: Final = 16 << 20
COUNTING_PROCESSES: Final = 3
# Blocks that one of them may hold, and the longest: 1 MiB and what was held of the row that the block before broke off in.
COUNTING_SLOTS: Final = 3
COUNTING_SLOT: Final = 2 << 20
# A block takes some hundredths of a second; a process that says nothing for so long never will. And for one to end when it is asked to.
COUNTING_SECONDS: Final = 300.0
COUNTING_END_SECONDS: Final = 10.0

MAINTENANCE_DATABASE: Final = "postgres"

# SQL Server: the procedures of RDS answer at once, they only write the task down.
NATIVE_ANSWER_SECONDS: Final = 120.0
# A Multi-AZ instance fails over in one to two minutes.
NATIVE_RECONNECT_SECONDS: Final = 300.0
NATIVE_RECONNECT_PAUSE_SECONDS: Final = 5.0
# For a database to be recovered after a fail-over or a restart, and to be opened; waits while the server is away don't count.
NATIVE_ONLINE_WITHIN_SECONDS: Final = 900.0
# How often one question may be interrupted: each time it begins from the start, and DBCC CHECKDB takes hours.
NATIVE_INTERRUPTIONS: Final = 10
# How long the task of a submission whose answer was lost may take to appear in RDS's list.
NATIVE_LOOK_AGAIN_SECONDS: Final = 15.0
# RDS refreshes a task's state about every two minutes; the first looks come sooner because small logs are restored in seconds.
NATIVE_POLL_SECONDS: Final = 0.25
NATIVE_POLL_GROWTH: Final = 1.5
NATIVE_LONGEST_POLL_SECONDS: Final = 60.0
# By the server's clock. RDS begins a task within five minutes if a slot is free.
NATIVE_CREATED_SECONDS: Final = 900
# By the server's clock, while tasks of others take both slots and none of ours is under way.
NATIVE_SLOT_WAIT_SECONDS: Final = 6 * 3600
# By the server's clock: for cancelled tasks of a discarded restore to end, all databases together.
NATIVE_CANCEL_SECONDS: Final = 1800
# How long a submission by a worker that was stopped a moment ago may still take to become a task.
NATIVE_LATE_SUBMISSION_SECONDS: Final = 3.0
# How much of what DBCC CHECKDB says goes into the check.
CHECKDB_LINES: Final = 5
