"""What lies on the volume of a host: the commands that it has in the place of its system's, and the worker's program."""

import zipfile
from pathlib import Path

# On every host's PATH. Instances know no other way out than the API; these leave notes that the command's keeper reads.
_SYSTEMCTL = '#!/bin/sh\n[ "$*" = "stop amazon-ssm-agent" ] && touch "$HOME/agent-stopped"\n'
_SHUTDOWN = '#!/bin/sh\nfor when; do :; done\necho "${when:-now}" > "$HOME/power-off"\n'


def lay_out(directory: Path) -> None:
    """The folders and commands of a host that was just launched."""
    (directory / "bin").mkdir(parents=True)
    (directory / "state").mkdir()
    for name, text in (("shutdown", _SHUTDOWN), ("systemctl", _SYSTEMCTL)):
        (directory / "bin" / name).write_text(text)
        (directory / "bin" / name).chmod(0o755)


def unpack(archive: Path, tree: Path) -> None:
    """The program, ready to run."""
    with zipfile.ZipFile(archive) as program:
        for entry in program.infolist():
            path = Path(program.extract(entry, tree))
            if not entry.is_dir() and entry.external_attr >> 16 & 0o111:
                path.chmod(0o755)
    (tree / ".ready").touch()
