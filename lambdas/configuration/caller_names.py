"""How those who call over HTTP are named: callers and hooks alike, because rules name both."""

from typing import Annotated, Final

from pydantic import StringConstraints

# Names of API keys, app clients and executions are made of it.
CallerName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
EXPECTED: Final = "must be 1 to 32 lower-case letters, digits and -, a letter first, like servicenow"
