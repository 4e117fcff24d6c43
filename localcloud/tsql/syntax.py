"""The statements that the simulated server knows, as `statements` reads them. Expressions are tokens: they are worked out when
the statement runs."""

from dataclasses import dataclass
from typing import Literal

from localcloud.tsql.data_types import DataType
from localcloud.tsql.frame import TableColumn
from localcloud.tsql.tokens import Token

Tokens = tuple[Token, ...]


@dataclass(frozen=True)
class DeclareTable:
    """DECLARE @t TABLE (...)."""

    name: str
    columns: tuple[TableColumn, ...]


@dataclass(frozen=True)
class CreateTable:
    """CREATE TABLE #t (...)."""

    name: str
    columns: tuple[TableColumn, ...]


@dataclass(frozen=True)
class DropTable:
    """DROP TABLE [IF EXISTS] #t."""

    name: str
    if_exists: bool


@dataclass(frozen=True)
class Insert:
    """INSERT of what `source` returns: EXEC or SELECT with all its tokens, or the rows of VALUES as expressions."""

    table: str
    columns: tuple[str, ...]
    source: Tokens = ()
    rows: tuple[tuple[Tokens, ...], ...] = ()


@dataclass(frozen=True)
class Modify:
    """DELETE or UPDATE, of one table and without joins; `rest` is what follows the table's name."""

    verb: Literal["DELETE", "UPDATE"]
    table: str
    rest: Tokens


@dataclass(frozen=True)
class Argument:
    """One that a procedure is called with: by position if it has no name (lower case, without @)."""

    value: Token
    name: str = ""
    is_negative: bool = False
    is_output: bool = False


@dataclass(frozen=True)
class Execute:
    """A procedure by its last name (lower case), or by a variable that holds it; `status` is the variable for what it returns."""

    procedure: str
    arguments: tuple[Argument, ...]
    by_variable: bool = False
    status: str = ""


@dataclass(frozen=True)
class ExecuteText:
    """EXEC ('text' + @text): literals and variables only, as on a real server."""

    expression: Tokens


@dataclass(frozen=True)
class Select:
    """A query, or an assignment from one: `variables` has a name for each column then, and `query` none of the assignments."""

    query: Tokens
    variables: tuple[str, ...] = ()


@dataclass(frozen=True)
class Declare:
    """DECLARE of one variable; without an initialiser it keeps what it has."""

    name: str
    type: DataType
    initial: Tokens


@dataclass(frozen=True)
class Assign:
    """SET @x = ... (`operator` "") or SET @x += ..."""

    name: str
    operator: str
    expression: Tokens


@dataclass(frozen=True)
class Print:
    """PRINT of an expression."""

    expression: Tokens


@dataclass(frozen=True)
class Raise:
    """RAISERROR(text, severity, state, ...)."""

    arguments: tuple[Tokens, ...]


@dataclass(frozen=True)
class Throw:
    """THROW number, text, state; without arguments the error that was caught."""

    arguments: tuple[Tokens, ...]


@dataclass(frozen=True)
class WaitFor:
    """WAITFOR DELAY."""

    delay: Token


@dataclass(frozen=True)
class Use:
    """Another current database."""

    database: str


@dataclass(frozen=True)
class AlterUser:
    """ALTER USER [u] WITH LOGIN = [l]."""

    user: str
    login: str


@dataclass(frozen=True)
class AlterDatabase:
    """ALTER DATABASE [d] SET something: `setting` is its word, `value` what follows it."""

    database: str
    setting: str
    value: str


@dataclass(frozen=True)
class AlterAuthorization:
    """ALTER AUTHORIZATION ON DATABASE::[d] TO [l]."""

    database: str
    login: str


@dataclass(frozen=True)
class DropDatabase:
    """DROP DATABASE [IF EXISTS] a, b."""

    databases: tuple[str, ...]
    if_exists: bool


@dataclass(frozen=True)
class CheckDatabase:
    """DBCC CHECKDB ('d') WITH NO_INFOMSGS; None: the current database."""

    database: Token | None


@dataclass(frozen=True)
class Transaction:
    """BEGIN, COMMIT or ROLLBACK, which `undoes`."""

    opens: bool
    undoes: bool = False


@dataclass(frozen=True)
class CreateUser:
    """CREATE USER u WITHOUT LOGIN."""

    user: str


@dataclass(frozen=True)
class DropUser:
    """DROP USER u."""

    user: str


@dataclass(frozen=True)
class Grant:
    """GRANT of a permission on the current database TO u."""

    permission: str
    user: str


@dataclass(frozen=True)
class Impersonate:
    """EXECUTE AS USER = 'u' WITH NO REVERT."""

    user: str


@dataclass(frozen=True)
class Setting:
    """SET something ON, OFF or to a value; only XACT_ABORT has an effect here."""

    name: str
    value: str


@dataclass(frozen=True)
class Several:
    """One statement that does the work of some: DECLARE of several variables."""

    statements: tuple[Declare | DeclareTable, ...]


Statement = (
    Execute
    | ExecuteText
    | Select
    | Several
    | Assign
    | Print
    | Raise
    | Throw
    | WaitFor
    | Use
    | AlterUser
    | AlterDatabase
    | AlterAuthorization
    | DropDatabase
    | CheckDatabase
    | CreateUser
    | DropUser
    | Grant
    | Impersonate
    | Transaction
    | Setting
    | Insert
    | Modify
    | CreateTable
    | DropTable
)
