"""What this evidence answers in which standard: in our own words, and never more than it shows."""

from typing import Final, NamedTuple


class Control(NamedTuple):
    """`asks` what the standard wants, in short; `answered` where on the page it is, and what stays with people."""

    standard: str
    place: str
    asks: str
    answered: str


CONTROLS: Final = (
    Control(
        "SOC 2",
        "A1.3, CC7.5",
        "Recovery from backups is tried out regularly, and what comes back is whole and complete.",
        "Verdict, databases with expected and found, times, and the target that was used. How often: the coverage page.",
    ),
    Control(
        "ISO/IEC 27001:2022",
        "A.8.13",
        "Backups are restored for a test according to a policy, and there are records of it.",
        "This page is the record; the policy and its intervals are the organisation's.",
    ),
    Control(
        "NIST SP 800-53",
        "CP-9(1), CP-9(2)",
        "Backups are tested for reliability and integrity, and samples of them are really restored.",
        "Digests of the restored files, the checks per database, and which databases of the backup were chosen or left for another time.",
    ),
    Control(
        "HIPAA",
        "164.308(a)(7)",
        "There is a plan for getting data back, it is tested, and what the test shows leads to corrections.",
        "Result, recovery time against objectives, room for review, signature and corrective action.",
    ),
    Control(
        "DORA",
        "Article 12",
        "Restoring is tested periodically, on systems apart from the source, with several checks and a reconciliation.",
        "Segregation, checks by independent methods, and differences with who accepted them.",
    ),
)
