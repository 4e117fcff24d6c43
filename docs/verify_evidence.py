"""Is the evidence of a restore whole and unchanged? From a copy of its folder alone, with the standard library alone:

aws s3 cp --recursive s3://<evidence bucket>/restores/<restore id>/ evidence/
python verify_evidence.py evidence/ [SHA-256 of manifest.sha256, as the execution's output has it]
"""

import hashlib
import json
import sys
from pathlib import Path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"


def main(folder: Path, known: str | None = None) -> int:
    listed = dict(line.split("  ", 1)[::-1] for line in (folder / "manifest.sha256").read_text().splitlines())
    evidence = json.loads((folder / "evidence.json").read_text())
    wrong = [f"{name}: {sha256(folder / name)}, not {digest}" for name, digest in listed.items() if sha256(folder / name) != digest]
    wrong += [f"{d['name']}: evidence.json has another digest" for d in evidence["documents"] if listed.get(d["name"]) != d["sha256"]]
    if listed.get("evidence.json", "missing") not in (folder / "report.html").read_text(errors="replace"):
        wrong.append("report.html was made of another evidence.json")
    report = folder / "report.json"  # A drill that was skipped or refused has none.
    if report.is_file() and json.loads(report.read_text())["restoreId"] != evidence["restoreId"]:
        wrong.append("report.json is of another restore")
    if known and sha256(folder / "manifest.sha256") != known:
        wrong.append(f"manifest.sha256: {sha256(folder / 'manifest.sha256')}, not {known}")
    here = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != "progress.json"}
    extra = sorted(here - listed.keys() - {"manifest.sha256"})
    print("\n".join([*wrong, *(f"{name}: not covered" for name in extra), f"{len(listed)} documents, {len(wrong)} wrong"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:3]))
