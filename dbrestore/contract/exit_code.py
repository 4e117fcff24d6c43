"""The exit codes of `dbrestore`. They are an interface: a script may rely on them. Which error has which code, its class says."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process returns; any other code is a failure of dbrestore itself."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    SOME_FAILED = 3
    NOT_VERIFIED = 4
    LEFTOVERS = 5
    NOT_FOUND = 10
    BUSY = 11
    DENIED = 12
    STILL_RUNNING = 13
    INTERRUPTED = 130
