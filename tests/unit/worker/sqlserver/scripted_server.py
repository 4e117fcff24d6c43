"""A server behind the wire that answers as a test says, with a certificate for `localhost`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dbrestore.contract.job import DatabaseServer
from dbrestore.worker.base.bounds import Bounds
from dbrestore.worker.base.secrets import Credentials, Login
from dbrestore.worker.sqlserver.session import SqlServer
from localcloud.base import certificates
from localcloud.tds import server as tds_server
from localcloud.tds.engine import Message, ResultSet, Session, SqlError, Value
from localcloud.tds.server import TdsServer

SHORT_WAITS = Bounds(native_reconnect_pause_seconds=0.01, native_reconnect_seconds=0.3)
Answer = Sequence[ResultSet | Message]


class Script:
    """An engine: each statement is kept, and answered by the test's function. `passwords` are those that it takes."""

    def __init__(self, answer: Callable[[str], Answer] = lambda text: ()) -> None:
        self.answer = answer
        self.passwords = {"secret"}
        self.closed: set[str] = set()
        self.statements: list[tuple[str, Mapping[str, Value]]] = []

    def login(self, user: str, password: str, database: str) -> Session:
        """Error 18456 for any other password, 4060 for a closed database."""
        if password not in self.passwords:
            raise SqlError(18456, f"Login failed for user '{user}'.", severity=14)
        if database in self.closed:
            raise SqlError(4060, f'Cannot open database "{database}" requested by the login. The login failed.', severity=11)
        return Session(user, database)

    def execute(self, session: Session, text: str, parameters: Mapping[str, Value]) -> Answer:
        """What the test says."""
        self.statements.append((text, parameters))
        return self.answer(text)

    def end_transaction(self, session: Session, *, is_committed: bool) -> None:
        """Nothing here has transactions."""


def start(script: Script, authority: certificates.Authority, *, has_certificate: bool = True) -> TdsServer:
    """On a free port."""
    certificate, key = certificates.issue(authority, "localhost") if has_certificate else (None, None)
    return tds_server.start(script, certificate=certificate, key=key)


def sql_server(
    port: int,
    ca_file: Path,
    read_secret: Callable[[], Login] = lambda: Login("master", "secret"),
    host: str = "localhost",
    bounds: Bounds = SHORT_WAITS,
) -> SqlServer:
    """The worker's side of it."""
    address = DatabaseServer(
        host=host,
        port=port,
        region="us-east-1",
        secret_arn="arn:aws:secretsmanager:rds!x",
        ca_bundle="s3://evidence/ca.pem",
    )
    return SqlServer(address, ca_file, Credentials(read_secret, f"the password in {address.secret_arn}", "put it right", bounds=bounds))
