"""The SSM document: the only command that a worker is ever sent. It carries the URI of a job and nothing else."""

from typing import Any

from dbrestore.contract import limits

# Buckets and keys as dbrestore.contract.keys writes them: nothing that a shell, a path or a second argument could be made of.
JOB_URI = r"^s3://[a-z0-9.-]{3,63}/restores/[A-Za-z0-9%._-]+/jobs/[A-Za-z0-9%._-]+/job\.json$"
# The SSM agent registers while the boot script still unpacks the program; `.ready` says that all is there, `.failed` are that script's
# last words.
# The agent runs commands as root. `.user` is whom the boot script made for the program, with the only folder it may write; a worker that
# booted before there was one has none, nor has the local cloud's, whose programs run as whoever started it.
# An agent before KNOWS_VARIABLES doesn't know ENV_VAR and puts the parameter into the text instead (AWS Systems Manager User Guide,
# "Troubleshooting parameter handling issues"): harmless, because the pattern lets nothing through that a shell would read.
KNOWS_VARIABLES = (3, 3, 2746, 0)
# The exit code of a command on a worker whose boot script has failed: the program never began there, and never will. No other end of a
# command has it; the program's own are below.
NEVER_BOOTED = 69
SCRIPT = """\
if [ -z "${SSM_JobUri+x}" ]; then SSM_JobUri="{{ JobUri }}"; fi
home="${DBRESTORE_HOME:-/opt/dbrestore}"
tries=0
until [ -e "$home/.ready" ]; do
  if [ -e "$home/.failed" ]; then echo "the worker could not boot: $(cat "$home/.failed")" >&2; exit 69; fi
  tries=$((tries + 1))
  if [ "$tries" -gt 600 ]; then echo "the worker's program did not arrive in $home within 10 minutes" >&2; exit 75; fi
  sleep 1
done
ulimit -c 0
if [ -e "$home/.user" ]; then
  read -r user folder < "$home/.user"
  cd "$folder" || exit 75
  umask 077
  export HOME="$folder" TMPDIR="$folder"
  exec setpriv --reuid="$user" --regid="$user" --init-groups --no-new-privs --inh-caps=-all --bounding-set=-all "$home/run" "$SSM_JobUri"
fi
exec "$home/run" "$SSM_JobUri"
"""


def content() -> dict[str, Any]:
    """The document. SSM lets none run longer than `timeoutSeconds`; a longer restore of SQL Server gets another command. The parameter
    reaches the script as an environment variable, so its text is never part of the script."""
    return {
        "schemaVersion": "2.2",
        "description": "dbrestore: run one job on a worker",
        "parameters": {
            "JobUri": {
                "type": "String",
                "description": "s3:// URI of the job document",
                "allowedPattern": JOB_URI,
                "interpolationType": "ENV_VAR",
            }
        },
        "mainSteps": [
            {
                "action": "aws:runShellScript",
                "name": "RunJob",
                "precondition": {"StringEquals": ["platformType", "Linux"]},
                "inputs": {"timeoutSeconds": str(limits.COMMAND_HOURS * 3600), "runCommand": SCRIPT.splitlines()},
            }
        ],
    }
