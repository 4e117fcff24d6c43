"""A second reader of native SQL Server backups that shares no line with the product: what both say is not one mistake made twice."""

from tests.judge.hearing import judged
from tests.judge.verdict import BackupSet, DataFile, Verdict

__all__ = ["BackupSet", "DataFile", "Verdict", "judged"]
