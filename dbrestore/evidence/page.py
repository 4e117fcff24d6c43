"""Pages of HTML that need nothing but themselves: no script, no font, no picture from elsewhere, and a policy that forbids them.

What a backup, a request or a server wrote is text and stays text: escaped by the template library, with control characters and characters
that turn the direction of writing made visible. Import this only where a page is made: the library takes a tenth of a second.
"""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from dbrestore.contract.evidence import Evidence
from dbrestore.contract.texts import visible
from dbrestore.evidence import charts, controls, timeline, words
from dbrestore.evidence.coverage import Coverage

TEMPLATES: Final = Path(__file__).with_name("templates")
# More than that nobody reads in a cell.
LONGEST: Final = 4_500


def of_restore(evidence: Evidence, evidence_sha256: str | None = None) -> bytes:
    """The page of one restore, or of a drill that could not begin; `evidence_sha256` of the document beside it, if that was stored."""
    if evidence.point is None:
        return rendered("refused.html", evidence=evidence, evidence_sha256=evidence_sha256)
    return rendered(
        "report.html",
        evidence=evidence,
        evidence_sha256=evidence_sha256,
        picture=timeline.drawn(evidence.phases, evidence.started_at, evidence.ended_at),
        controls=controls.CONTROLS,
    )


def of_coverage(found: Coverage) -> bytes:
    """The page of what was proven in a stretch of time."""
    return rendered("coverage.html", coverage=found, drawn=lambda trials: charts.drawn(trials, found.since, found.until))


def rendered(template: str, **values: Any) -> bytes:
    """One of the templates, in UTF-8. What UTF-8 has no bytes for is written as its number."""
    style = _style()
    text = _environment().get_template(template).render(style=Markup(style), style_digest=_digest(style), **values)  # noqa: S704 - our file
    return text.encode("utf-8", "backslashreplace")


@cache
def _style() -> str:
    return (TEMPLATES / "style.css").read_text()


def _digest(style: str) -> str:
    """As a content security policy names the one style that it allows."""
    return f"sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    environment.filters.update(
        moment=words.moment,
        stamp=words.stamp,
        day=words.day,
        duration=words.duration,
        size=words.size,
        short=words.short,
        listed=words.listed,
        date=lambda at: f"{at:%Y-%m-%d}",
        number=lambda count: f"{count:,}",
        plural=words.plural,
    )
    return environment


def _harmless(value: Any) -> Any:
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return visible(words.short(value, LONGEST))
