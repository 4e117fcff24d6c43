"""What the user that restores must be able to do, looked at before anything is made. The master user can."""

from dbrestore.contract.errors import CredentialsNotUsable
from dbrestore.worker.postgresql.session import Connection, Server

_RIGHTS = """SELECT rolcreatedb OR rolsuper, rolcreaterole OR rolsuper, EXISTS (
        SELECT FROM pg_roles s WHERE s.rolname = 'rds_superuser' AND pg_has_role(r.oid, s.oid, 'MEMBER'))
    FROM pg_roles r WHERE r.rolname = current_user"""


def require_able(master: Connection, server: Server) -> None:
    """Raises CredentialsNotUsable with the statements that make the user able."""
    row = master.execute(_RIGHTS).fetchone()
    creates_databases, creates_roles, is_rds_superuser = row if row else (False, False, False)
    user = server.master_user
    missing = [
        fix
        for able, fix in (
            (creates_databases, f'ALTER ROLE "{user}" CREATEDB'),
            (creates_roles, f'ALTER ROLE "{user}" CREATEROLE'),
            (is_rds_superuser, f'GRANT rds_superuser TO "{user}"'),
        )
        if not able
    ]
    if missing:
        raise CredentialsNotUsable(
            f"{server.address.host}: {server.credentials.told} is of {user!r}, who lacks what a restore needs; as the master user, run "
            f"{'; '.join(missing)}"
        )
