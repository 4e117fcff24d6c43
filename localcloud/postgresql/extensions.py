"""What RDS adds to PostgreSQL's own rules for extensions, written into the extension files of a kept installation.

On RDS a member of rds_superuser creates every extension of `rds.extensions`, and its objects belong to rdsadmin. PostgreSQL has the same
for its `trusted` extensions, but lets everybody create those who may create anything in the database. So the others are marked trusted
too, and their scripts refuse whoever is neither a superuser nor a member of rds_superuser.
"""

from pathlib import Path

# Of PostgreSQL's own extensions that are not trusted, those that RDS offers (release notes of RDS for PostgreSQL). Not there: adminpack,
# file_fdw, pg_surgery, xml2 and every untrusted language.
LENT = (
    "amcheck",
    "autoinc",
    "bloom",
    "dblink",
    "dict_xsyn",
    "earthdistance",
    "insert_username",
    "intagg",
    "moddatetime",
    "old_snapshot",
    "pageinspect",
    "pg_buffercache",
    "pg_freespacemap",
    "pg_prewarm",
    "pg_stat_statements",
    "pg_visibility",
    "pg_walinspect",
    "pgrowlocks",
    "pgstattuple",
    "postgres_fdw",
    "refint",
    "sslinfo",
)
# RDS lends what rdsadmin owns: without it no master could create a server.
_WRAPPERS = {"dblink": "dblink_fdw", "postgres_fdw": "postgres_fdw"}
# Who asked is the owner to be; the session may be another's: autovacuum's is the superuser's, whoever's code runs in it.
_ADMITTED = """\
DO $admitted$
DECLARE asking name := (SELECT extowner::regrole FROM pg_extension WHERE extname = '{extension}');
BEGIN
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = asking)
    AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_superuser' AND pg_has_role(asking, oid, 'MEMBER')) THEN
        RAISE insufficient_privilege USING MESSAGE = 'permission denied to create extension "{extension}"',
            HINT = 'Must be superuser to create this extension.';
    END IF;
END $admitted$;
"""
_LENT_WRAPPER = """
DO $lent$ BEGIN
    IF to_regrole('rds_superuser') IS NOT NULL THEN
        GRANT USAGE ON FOREIGN DATA WRAPPER {wrapper} TO rds_superuser WITH GRANT OPTION;
    END IF;
END $lent$;
"""


def lend(installation: Path) -> None:
    """Change the extension files of `installation` (with `share`), which must be ours alone."""
    folder = next(installation.glob("share/**/plpgsql.control")).parent
    for extension in LENT:
        control = folder / f"{extension}.control"
        if control.exists():
            control.write_text(f"{control.read_text()}trusted = true\n")
            _guard(folder, extension)


def _guard(folder: Path, extension: str) -> None:
    """In every script that begins an extension: `<extension>--<version>.sql`; those with two versions only change one."""
    ending = _LENT_WRAPPER.format(wrapper=_WRAPPERS[extension]) if extension in _WRAPPERS else ""
    for script in folder.glob(f"{extension}--*.sql"):
        if script.name.count("--") == 1:
            script.write_text(_ADMITTED.format(extension=extension) + script.read_text() + ending)
