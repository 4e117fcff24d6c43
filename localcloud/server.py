"""The endpoint: moto's HTTP server on 127.0.0.1, in threads of this process, and quiet."""

import logging
import socket
import warnings
from pathlib import Path

import requests
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from dbrestore.contract.errors import RestoreError
from localcloud.base import processes
from localcloud.s3.access_log import AccessLog

HOST = "127.0.0.1"
ACCESS_LOG = "s3-access.jsonl"

# moto reports every modelled failure of a state machine with a traceback, and werkzeug every request.
_TALKATIVE = ("werkzeug", "moto")


class LocalCloudError(RestoreError):
    """The local cloud can't do what was asked of it; the message says why and what to do."""


class Server:
    """A running endpoint; `url` is what AWS_ENDPOINT_URL is set to. What goes wrong is written to `log`, S3's access log beside it."""

    def __init__(self, port: int, log: Path) -> None:
        refuse_busy(port)
        self._log = _written_to(log)
        self._server = ThreadedMotoServer(HOST, port, verbose=False)
        self._server.start()
        server = self._server._server
        server.app = AccessLog(server.app, log.with_name(ACCESS_LOG))
        self.port = self._server.get_host_and_port()[1]
        self.url = f"http://{HOST}:{self.port}"
        self.forget()

    def forget(self) -> None:
        """Empty every service: moto keeps its state per process, not per server."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            # Straight to this host, whatever proxy the environment names.
            with requests.Session() as session:
                session.trust_env = False
                session.post(f"{self.url}/moto-api/reset", timeout=60).raise_for_status()

    def stop(self) -> None:
        """Empty every service and close the port."""
        self.forget()
        self._server.stop()
        self._server._server.server_close()
        for name in _TALKATIVE:
            logging.getLogger(name).removeHandler(self._log)
        self._log.close()


def _written_to(log: Path) -> logging.Handler:
    handler = logging.FileHandler(log)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        logger.setLevel(logging.ERROR)
        logger.propagate = False
        logger.addHandler(handler)
    return handler


def refuse_busy(port: int) -> None:
    """Raise LocalCloudError if another program listens there; port 0 is never busy."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise LocalCloudError(
                f"Port {port} of {HOST} is in use by {_holder(port)}. Name another with --port, or leave it out."
            ) from None


def _holder(port: int) -> str:
    """Whose port it is, as far as the operating system tells us."""
    found = processes.listener(port)
    if found is None:
        return "another program"
    if found.pid is None:
        return f"a program of the user {found.user}"
    if found.cloud:
        return (
            f"the local cloud in {found.cloud.parent} (process {found.pid} of the user {found.user}; "
            f"to end it: DBRESTORE_LOCAL_DIR={found.cloud.parent} dbrestore local down)"
        )
    return f"the program {found.program} (process {found.pid} of the user {found.user})"
