"""A drill that was skipped or could not begin, as people read it: there is no report of it, only that nothing was proven, and why."""

from rich.console import Console
from rich.text import Text

from dbrestore.cli.consoles import visible
from dbrestore.contract.evidence import Evidence
from dbrestore.evidence import words


def print_refusal(console: Console, evidence: Evidence) -> None:
    """What was to be proven, why it was not, and where to read more."""
    drill = evidence.declared
    if drill is None:
        raise TypeError("evidence of a restore that ran is told by its report")
    console.print(Text(visible(f"{evidence.restore_id}  drill {drill.name} of {drill.source} into {drill.target}")))
    console.print(Text(f"{evidence.verdict.outcome}: {visible(evidence.verdict.sentence)}", style="bold red"), soft_wrap=True)
    if evidence.error:
        console.print(Text(f"{evidence.error.name}: {visible(evidence.error.message)}"), soft_wrap=True)
    meant = f", meant for {words.moment(evidence.asked.scheduled_time)}" if evidence.asked.scheduled_time else ""
    by = visible(evidence.asked.requested_by or "somebody")
    console.print(Text(f"Started {words.moment(evidence.started_at)}{meant}, by {by}"), soft_wrap=True)
    console.print(Text(f"Its page, for people who were not there: dbrestore report {evidence.restore_id} --open"))
