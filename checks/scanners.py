"""Each scanner: how it is run, and where its findings are acknowledged.

- checkov, over the templates: `infrastructure.acknowledged.acknowledge` writes its skips into them.
- bandit, over the code: ruff's S rules are the same ones, so `# noqa: S608 - reason` answers both; what ruff doesn't see has
  `# nosec B105 - reason`. A reason is asked for.
- detect-secrets, over every file of the repository: NO_SECRETS.
- pip-audit, over what is installed and what goes to AWS: NOT_EXPLOITABLE. Without its database it is skipped, with a sentence.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from checks.environment import python_of
from checks.outcome import Outcome, ScannerFailed

TEMPLATES = ("cdk.out/DbrestoreControl.template.json", "cdk.out/DbrestoreTarget.template.json", "build/dbrestore-target.template.json")
CODE = (
    "acceptance",
    "checks",
    "dbrestore",
    "demo",
    "infrastructure",
    "lambdas",
    "localcloud",
    "requirements",
    "statemachine",
    "app.py",
    "setup.py",
)
# The text of what looks like a secret -> why it is none.
NO_SECRETS: Mapping[str, str] = {
    r"arn(:.*)?": "an ARN names a secret and holds none",
    r"(must be the (whole )?ARN of a secret.*|arn: str|other|ruled|x y|restore/\{dbInstance\})": "a name of a secret, or words about one",
    r"(required|false|true|active|disabled|client_token|password|secret|rds!|MediaPasswordSet|of-nobody)": "a value or name of an API",
    r"(ApiKeyRequired|X-Token)": "names of API Gateway, and of a header",
    r"(MasterUserSecret|SecretsManagerClient)": "a name in RDS's answers, and of a type",
    r"(test|testing|bench|bench-Passw0rd|localcloud|not-a-secret)": "keys and passwords of the local cloud, on this machine alone",
    r"(s3cr3t-s3cr3t|hunter2|open sesame|another|new|guess|correct horse|AKIAIOSFODNN7EXAMPLE|pa\$\$ wörd.*)": "of tests",
    r"(dGhpc19zZWNyZXRf|(whsec_)?MfKQ9r8GKYqrTwjU|It's a Secret|HRkRd4BeOAoUkfZr).*": "published by senders, and refused as a hook's",
    r"(tRDSF7URY8BLCDla|msg_p5jXN8AQM9LW|whsec_MDEyMzQ1|v1,g0hM9SsE|sha256=|757107ea0eb2|a4771c39fbe9).*": "examples of signing",
    r"(PagerDuty|Zendesk) secret of a test|(new|old|no)-secret-of-the-hook-.*": "of tests",
    r"SELECT rolpassword FROM pg_catalog\.pg_authid": "what a hostile dump tries",
    r"(0123456789abcdef)+|123456789abcdef0": "digits in a row",
    r"(uTqZy4/q6Oh|11df0df97fe3ea4b|d8523ed794115be9).*": "digests and compressed bytes",
}
# The id of a vulnerability -> why it can't be used here.
NOT_EXPLOITABLE: Mapping[str, str] = {}
DATABASE = "https://pypi.org/pypi/pip/23.0/json"
REASON_GIVEN = r"\s*[-#(]+\s*\w"


def checkov(root: Path) -> Outcome:
    """Over the three templates, without asking its vendor anything."""
    templates = [str(root / template) for template in TEMPLATES]
    options = ("--framework", "cloudformation", "--skip-download", "--compact", "--output", "json")
    report = _json([python_of(root, "checkov"), "-m", "checkov.main", *options, "--file", *templates], root)
    failed = report["results"]["failed_checks"]
    findings = tuple(f"{one['check_id']} {one['resource']}: {one['check_name']}" for one in failed)
    return Outcome("checkov", findings, report["summary"]["skipped"])


def bandit(root: Path) -> Outcome:
    """Over what is run or deployed; tests and benchmarks are ruff's alone."""
    paths = [str(root / name) for name in CODE if (root / name).exists()]
    options = ("--quiet", "--recursive", "--configfile", str(root / "pyproject.toml"), "--format", "json")
    found = _json([sys.executable, "-m", "bandit", *options, *paths], root)["results"]
    findings = [one for one in found if not _is_acknowledged(one)]
    texts = tuple(f"{one['test_id']} {one['filename']}:{one['line_number']}: {one['issue_text']}" for one in findings)
    return Outcome("bandit", texts, len(found) - len(findings))


def _is_acknowledged(finding: Mapping[str, Any]) -> bool:
    lines = Path(finding["filename"]).read_text().splitlines()
    its_own = "\n".join(lines[number - 1] for number in finding["line_range"])
    return re.search(rf"# noqa: S{finding['test_id'][1:]}{REASON_GIVEN}", its_own) is not None


def secrets(root: Path) -> Outcome:
    """Over the files that git knows; hashes in the locked lists look like keys, and are none."""
    none = "|".join(NO_SECRETS)
    options = ("--exclude-secrets", f"^({none})$", "--exclude-files", "^requirements/locked/|package-lock")
    found = _json([sys.executable, "-m", "detect_secrets", "scan", *options], root)["results"]
    findings = tuple(f"{path}:{one['line_number']}: {one['type']}" for path, places in found.items() for one in places)
    return Outcome("detect-secrets", findings, len(NO_SECRETS))


def vulnerabilities(root: Path, database: str = DATABASE) -> Outcome:
    """Of every package that is installed, which is what goes to AWS and more."""
    if problem := _unreachable(database):
        return Outcome("pip-audit", skipped=f"its database can't be reached ({problem}): run it where it can")
    locked = str(root / "requirements" / "locked" / "everything.txt")
    ignored = [option for id_ in NOT_EXPLOITABLE for option in ("--ignore-vuln", id_)]
    options = ("--disable-pip", "--require-hashes", "--format", "json", "--progress-spinner", "off")
    found = _json([sys.executable, "-m", "pip_audit", *options, "--requirement", locked, *ignored], root)["dependencies"]
    findings = tuple(f"{one['name']} {one['version']}: {flaw['id']}" for one in found for flaw in one.get("vulns", ()))
    return Outcome("pip-audit", findings, len(NOT_EXPLOITABLE))


def _unreachable(database: str) -> str:
    """Why the database doesn't answer, if so; a mirror of packages alone has none."""
    try:
        with urlopen(database, timeout=10) as answer:  # noqa: S310 # nosec B310 - ours, not an input
            return "" if "vulnerabilities" in json.load(answer) else f"{database} knows no vulnerabilities"
    except (OSError, ValueError) as problem:
        return f"{database}: {problem}"


def _json(command: list[str], root: Path) -> Any:
    """What it prints; exit codes say only whether anything was found."""
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise ScannerFailed(f"{' '.join(command[:3])} failed: {(done.stderr or done.stdout)[-1000:].strip()}") from None


ALL: tuple[Callable[[Path], Outcome], ...] = (checkov, bandit, secrets, vulnerabilities)
