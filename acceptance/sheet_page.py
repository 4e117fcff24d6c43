"""The sheet as Markdown, for people."""

from collections import Counter

from acceptance.sheet import Call, Sheet, TrialResult


def page(sheet: Sheet) -> str:
    """The whole page."""
    lines = [f"# Acceptance run {sheet.run}", "", _summary(sheet), ""]
    lines += ["| trial | outcome | seen |", "|---|---|---|", *(_row(trial) for trial in sheet.trials), ""]
    lines += ["## What was removed", "", _removal(sheet), ""]
    for trial in sheet.trials:
        lines += _section(trial)
    return "\n".join(lines).rstrip() + "\n"


def _summary(sheet: Sheet) -> str:
    counted = Counter(trial.outcome for trial in sheet.trials)
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counted.items())) or "nothing was tried"
    hours = (sheet.ended_at - sheet.began_at).total_seconds() / 3600
    where = "AWS" if sheet.place == "AWS" else "an endpoint that isn't AWS's"
    began = f"{sheet.began_at:%Y-%m-%d %H:%M} UTC"
    text = f"dbrestore {sheet.version} on {where}, {sheet.region}, {began}, {hours:.1f} hours, {sheet.scale}: {outcomes}."
    return f"{text}\n\nThe run was broken off: {sheet.failure}" if sheet.failure else text


def _removal(sheet: Sheet) -> str:
    removal = sheet.removal
    if removal.kept:
        return f"Nothing, as was asked for. To remove it: `python -m acceptance --remove {sheet.run}`"
    if not removal.left:
        return f"All {removal.made} things that were noted, and AWS shows nothing with the run's tag."
    return "\n".join(["Still there, or not to be looked for:", "", *(f"- {one}" for one in removal.left)])


def _row(trial: TrialResult) -> str:
    return f"| [{trial.name}](#{trial.name}) | {trial.outcome} | {_cell(trial.told)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _section(trial: TrialResult) -> list[str]:
    lines = [f"## {trial.name}", "", trial.proves, "", f"**{trial.outcome}** after {trial.seconds:g} s: {trial.told}", ""]
    lines += [f"- {one.what}: {one.value:g} {one.unit}" for one in trial.measurements]
    if trial.measurements:
        lines.append("")
    if trial.calls:
        lines += ["| at | call | answer | request id |", "|---|---|---|---|", *map(_call, trial.calls), ""]
    return lines


def _call(call: Call) -> str:
    return f"| {call.at:%H:%M:%S} | {call.service}:{call.operation} | {call.error or 'done'} | {call.request_id} |"
