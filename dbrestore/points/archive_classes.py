"""S3's archives, by the names that HeadObject and listings give them, and how long each keeps one waiting."""

from typing import Final

from dbrestore.contract.request import ArchiveTier

# Hours at most (Amazon S3 User Guide, "Understanding archive retrieval options"). Expedited is for Flexible Retrieval and for the archive
# access tier alone.
LONGEST_WAIT: Final[dict[str, dict[ArchiveTier, float]]] = {
    "GLACIER": {"Expedited": 5 / 60, "Standard": 5, "Bulk": 12},
    "DEEP_ARCHIVE": {"Standard": 12, "Bulk": 48},
    "ARCHIVE_ACCESS": {"Expedited": 5 / 60, "Standard": 5, "Bulk": 12},
    "DEEP_ARCHIVE_ACCESS": {"Standard": 12, "Bulk": 48},
}
NAMES: Final = {
    "GLACIER": "S3 Glacier Flexible Retrieval",
    "DEEP_ARCHIVE": "S3 Glacier Deep Archive",
    "ARCHIVE_ACCESS": "the archive access tier of S3 Intelligent-Tiering",
    "DEEP_ARCHIVE_ACCESS": "the deep archive access tier of S3 Intelligent-Tiering",
}
# Where what is retrieved is a copy for some days; in Intelligent-Tiering the object itself comes back.
OF_COPIES: Final = ("GLACIER", "DEEP_ARCHIVE")
