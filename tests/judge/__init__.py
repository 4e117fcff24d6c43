"""A second reader of native SQL Server backups that shares no line with the product: what both say of a file is not one mistake made twice."""

from tests.judge.verdict import BackupSet, DataFile, Verdict, judged

__all__ = ["BackupSet", "DataFile", "Verdict", "judged"]
