"""`python -m localcloud`: the local cloud in the foreground, with the application deployed, until SIGTERM or Ctrl-C."""

import argparse
import gc
import json
import os
import signal
import sys
import threading
from pathlib import Path

from dbrestore.contract.errors import RestoreError
from localcloud.base.consistency import SEED
from localcloud.missing_packages import lacks

# Before anything of AWS is imported: a profile or a configuration of the person must not reach into the local cloud.
for _name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[_name]


def main() -> int:
    """Run until told to stop. Exit code 1 with one line on stderr if it can't start."""
    arguments = _parser().parse_args()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        _run(arguments, ended)
    except RestoreError as error:
        print(error, file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(lacks(error), file=sys.stderr)
        return 1
    return 0


def _run(arguments: argparse.Namespace, ended: threading.Event) -> None:
    # Here, so that `--help` doesn't wait seconds for moto.
    from localcloud import cloud
    from localcloud.stacks import application

    # moto and the service models live as long as the process: walked through as often as Python does it, they take a quarter of each call.
    gc.freeze()
    gc.set_threshold(50_000, 20, 10)
    running = cloud.start(arguments.directory, arguments.port, arguments.time_scale)
    try:
        if arguments.assembly:
            running.deploy(arguments.assembly)
        else:
            application.deploy(running)
        if arguments.inconsistent is not None:
            running.be_inconsistent(arguments.inconsistent)
        for name, value in running.environment().items():
            print(f"export {name}={value}", flush=True)
        if arguments.ready:
            _write_at_once(arguments.ready, json.dumps({"endpoint": running.endpoint}))
        ended.wait()
    finally:
        running.stop()


def _write_at_once(path: Path, text: str) -> None:
    """A reader sees all of it or nothing."""
    half_way = path.with_suffix(".half-way")
    half_way.write_text(text)
    half_way.rename(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m localcloud", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="of 127.0.0.1; 0 picks a free one")
    parser.add_argument("--directory", type=Path, required=True, help="for everything that must be a file")
    parser.add_argument("--time-scale", type=float, default=60.0, help="60: a minute of AWS's waiting takes a second")
    parser.add_argument("--assembly", type=Path, help="deploy this cloud assembly instead of the application's own")
    parser.add_argument("--ready", type=Path, help="a file to write when everything is up")
    seed = os.environ.get(SEED)
    told = f"show what is made only after a while, and change states under the caller, by this seed; default: ${SEED}"
    parser.add_argument("--inconsistent", type=int, metavar="SEED", default=int(seed) if seed else None, help=told)
    return parser


if __name__ == "__main__":
    sys.exit(main())
