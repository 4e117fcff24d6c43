"""The one command that a worker is sent: which URIs it takes, and what it does with them."""

import grp
import os
import pwd
import re
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dbrestore.contract import keys
from dbrestore.contract.deployed import job_document
from localcloud.ec2 import command_documents

PATTERN = job_document.content()["parameters"]["JobUri"]["allowedPattern"]


@pytest.mark.parametrize(
    "uri",
    [
        "s3://b$(reboot)/restores/r/jobs/replay/job.json",
        "s3://bucket/restores/r/jobs/replay/job.json; reboot",
        "s3://bucket/restores/r/jobs/replay/job.json\nreboot",
        "s3://bucket/restores/r/jobs/`reboot`/job.json",
        "s3://bucket/restores/r/jobs/a b/job.json",
        "s3://bucket/restores/r/jobs/a'b/job.json",
        's3://bucket/restores/r/jobs/a"b/job.json',
        "s3://bucket/restores/../jobs/x/../../../secrets/job.json",
        "s3://bucket/restores/r/jobs/replay/other.json",
        "s3://bucket/certificates/r/jobs/replay/job.json",
        "https://bucket/restores/r/jobs/replay/job.json",
        "--help",
        "",
    ],
)
def test_a_hostile_uri_is_refused_by_ssm(uri: str) -> None:
    assert not re.search(PATTERN.replace("$", r"\Z"), uri)


@pytest.mark.parametrize("restore_id", ["20261123t0512-3fa9c1d2", "Ünïcode", "../..", "a/b", "$(reboot)", "a b"])
def test_every_job_that_the_control_plane_writes_is_accepted(restore_id: str) -> None:
    uri = f"s3://dbrestore-evidence-123456789012-eu-central-1-an/{keys.job_prefix(restore_id, 'replay-1')}job.json"

    assert re.search(PATTERN, uri)


def test_the_parameter_is_never_part_of_the_script() -> None:
    document = job_document.content()

    assert document["parameters"]["JobUri"]["interpolationType"] == "ENV_VAR"
    # But for an agent that doesn't know variables: the pattern lets nothing through that a shell would read.
    assert [line for line in job_document.SCRIPT.splitlines() if "{{" in line] == [
        'if [ -z "${SSM_JobUri+x}" ]; then SSM_JobUri="{{ JobUri }}"; fi'
    ]
    assert not set('$`"\\\n') & set(characters_that_pass(PATTERN))
    assert document["mainSteps"][0]["inputs"]["timeoutSeconds"] == "172800"


def characters_that_pass(pattern: str) -> str:
    """All characters of the ASCII table that stand anywhere in a URI that the pattern takes."""
    uris = ("s3://b{}b/restores/r/jobs/j/job.json", "s3://bbb/restores/r{}/jobs/j/job.json", "s3://bbb/restores/r/jobs/j{}/job.json")
    return "".join(c for c in map(chr, range(128)) if any(re.search(pattern, uri.format(c)) for uri in uris))


@pytest.mark.parametrize("agent", ["3.3.2299.0", "3.3.2746.0"])
def test_agents_that_know_no_variables_run_the_same_command(tmp_path: Path, agent: str) -> None:
    uri = "s3://dbrestore-evidence-123456789012-eu-central-1-an/restores/r-1/jobs/replay-1/job.json"
    _program(tmp_path)
    (tmp_path / ".ready").touch()

    script = command_documents.render(job_document.content(), {"JobUri": [uri]}, agent)
    done = subprocess.run(
        ["/bin/sh", "-c", script.text],
        env={"PATH": "/usr/bin:/bin", "DBRESTORE_HOME": str(tmp_path)} | script.environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert script.environment == ({"SSM_JobUri": uri} if agent == "3.3.2746.0" else {})
    assert (done.stdout, done.stderr, done.returncode) == (f"1\n{uri}\n", "", 3)


def _program(home: Path) -> None:
    (home / "run").write_text('#!/bin/sh\nprintf "%s\\n" "$#" "$@"\nexit 3\n')
    (home / "run").chmod(0o755)


# What the program sees of itself: who it is, its groups, what it may write, and what of root's power it could get back.
TELL = """#!/bin/sh
id -u; id -G; umask; ulimit -c; pwd; echo "$HOME $TMPDIR $1"
grep -E '^(CapEff|CapBnd|NoNewPrivs):' /proc/self/status | tr -d '\\t'
touch "$(dirname "$0")/run" 2> /dev/null && echo "may change the program"
echo > "$TMPDIR/own" && echo "may write its folder"
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user; the next test is for everybody")
def test_a_program_of_root_runs_as_the_user_that_the_boot_script_made() -> None:
    nobody = pwd.getpwnam("nobody")
    with TemporaryDirectory(dir="/var/tmp", ignore_cleanup_errors=True) as base:
        Path(base).chmod(0o755)
        home, folder = Path(base, "opt"), Path(base, "lib")
        home.mkdir()
        folder.mkdir(mode=0o700)
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        (home / "run").write_text(TELL)
        (home / "run").chmod(0o755)
        group = grp.getgrgid(nobody.pw_gid).gr_name
        # Its group has the user's own name where useradd made it.
        script = job_document.SCRIPT.replace('--regid="$user"', f"--regid={group}")
        (home / ".user").write_text(f"nobody {folder}\n")
        (home / ".ready").touch()

        done = subprocess.run(
            ["/bin/sh", "-c", script],
            env={"PATH": "/usr/bin:/bin", "DBRESTORE_HOME": str(home), "SSM_JobUri": "s3://b/job"},
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.stdout.splitlines() == [
        *(str(nobody.pw_uid), str(nobody.pw_gid), "0077", "0", str(folder), f"{folder} {folder} s3://b/job"),
        *("CapEff:0000000000000000", "CapBnd:0000000000000000", "NoNewPrivs:1"),
        "may write its folder",
    ]


def test_it_is_started_through_setpriv_and_not_at_all_without_its_folder(tmp_path: Path) -> None:
    _program(tmp_path)
    (tmp_path / ".ready").touch()
    (tmp_path / "setpriv").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "setpriv").chmod(0o755)

    def started(folder: Path) -> "subprocess.CompletedProcess[str]":
        (tmp_path / ".user").write_text(f"dbrestore {folder}\n")
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "DBRESTORE_HOME": str(tmp_path), "SSM_JobUri": "s3://b/job"}
        return subprocess.run(["/bin/sh", "-c", job_document.SCRIPT], env=environment, capture_output=True, text=True, check=False)

    with_folder, without = started(tmp_path), started(tmp_path / "none")

    assert with_folder.stdout == (
        f"--reuid=dbrestore --regid=dbrestore --init-groups --no-new-privs --inh-caps=-all --bounding-set=-all {tmp_path}/run s3://b/job\n"
    )
    assert (without.stdout, without.returncode) == ("", 75)


def _start(home: Path, uri: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        ["/bin/sh", "-c", job_document.SCRIPT],
        env={"PATH": "/usr/bin:/bin", "DBRESTORE_HOME": str(home), "SSM_JobUri": uri},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_the_program_gets_the_uri_as_one_argument_and_its_exit_code_is_the_commands(tmp_path: Path) -> None:
    _program(tmp_path)
    (tmp_path / ".ready").touch()

    with _start(tmp_path, "s3://b/$(reboot) x") as command:
        output, _ = command.communicate(timeout=10)

    assert output == "1\ns3://b/$(reboot) x\n"
    assert command.returncode == 3


def test_a_command_that_comes_before_the_program_waits_for_it(tmp_path: Path) -> None:
    with _start(tmp_path, "s3://b/job") as command:
        time.sleep(0.3)
        assert command.poll() is None
        _program(tmp_path)
        (tmp_path / ".ready").touch()
        output, _ = command.communicate(timeout=10)

    assert output == "1\ns3://b/job\n"
