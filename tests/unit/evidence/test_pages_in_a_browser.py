"""The pages as people see them: opened in a real Chromium, in light and dark, wide and on a phone, and printed."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from dbrestore.contract.evidence import ListedProof, ProvenDatabase
from dbrestore.contract.job import ErrorNote
from dbrestore.evidence import coverage, page
from dbrestore.evidence.coverage import Ended
from tests.unit.evidence import made
from tests.unit.evidence.browser import opened, started

PHONE = 360
# Every text and what is behind it, by the Web Content Accessibility Guidelines' formula for contrast.
CONTRAST = """() => {
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => { for (let e = element; e; e = e.parentElement) {
    const found = rgb(getComputedStyle(e).backgroundColor); if (found.length < 4 || found[3] > 0) return found; } return [255, 255, 255]; };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT); const bad = new Set();
  while (walker.nextNode()) { const e = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim()) continue;
    const style = getComputedStyle(e); const ink = rgb(e.namespaceURI.includes('svg') ? style.fill : style.color);
    const [a, b] = [light(ink), light(behind(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) bad.add(`${e.tagName}.${e.getAttribute('class')} ${ink} on ${behind(e)}`); }
  return [...bad]; }"""
# Pairs of words of the timeline whose boxes meet.
MEETING = """() => { const boxes = [...document.querySelectorAll('svg.timeline text')].map(t => [t.textContent, t.getBoundingClientRect()]);
  return boxes.flatMap(([a, x], i) => boxes.slice(i + 1).filter(([, y]) => x.left < y.right && y.left < x.right && x.top < y.bottom - 2
    && y.top < x.bottom - 2).map(([b]) => `${a} and ${b}`)); }"""
SHORT_BARS = """() => [...document.querySelectorAll('svg.timeline line:not(.track)')]
  .map(l => l.x2.baseVal.value - l.x1.baseVal.value + parseFloat(getComputedStyle(l).strokeWidth)).filter(w => w < 6)"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started() as browser:
        yield browser


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every kind of page, and those of 500 databases."""
    folder = tmp_path_factory.mktemp("pages")
    many = tuple(f"database_{number:03d}" for number in range(500))
    contents = {
        "passed": page.of_restore(made.evidence(made.report(), made.result(made.verified("orders"))), made.SHA),
        "hostile": page.of_restore(made.hostile(), made.SHA),
        "exchanged": page.of_restore(made.exchanged(), made.SHA),
        "many": page.of_restore(made.evidence(made.report(many), made.result(*map(made.verified, many)))),
        "empty": page.of_restore(made.evidence(made.report((), phases=(), resources=(), status="FAILED"))),
        "skipped": page.of_restore(made.refused(ErrorNote(name="DrillSkipped", message=made.SKIPPED)), made.SHA),
        "refused": page.of_restore(made.hostile_refusal(), made.SHA),
        "coverage": page.of_coverage(covered()),
        "nothing covered": page.of_coverage(coverage.gathered((), (), (), made.BEGAN, made.BEGAN + timedelta(days=90))),
    }
    found = {}
    for name, content in contents.items():
        found[name] = folder / f"{name}.html"
        found[name].write_bytes(content)
    return found


def covered() -> coverage.Coverage:
    """25 instances of 20 databases, some with names as hostile as they get; some proven, some not."""
    points = [(f"instance-{i:02d}", f"db_{j:02d}") for i in range(25) for j in range(20)] + [(name, name) for name in made.HOSTILE]
    ended = [
        Ended(
            restore_id=f"r-{number:012x}",
            ended_at=made.BEGAN + timedelta(days=number % 90),
            proof=ListedProof(
                outcome="FAIL" if number % 9 == 0 else "PASS",
                why=made.HOSTILE[number % 10],
                drill="weekly" if number % 2 else None,
                source=points[number % len(points)][0],
                age_seconds=90_000,
                recovery_seconds=None if number % 9 == 0 else 100.0 * number,
                databases=(ProvenDatabase(name=points[number % len(points)][1], proven=number % 9 != 0),),
            ),
        )
        for number in range(900)
    ]
    return coverage.gathered(ended, points, (), made.BEGAN, made.BEGAN + timedelta(days=90), made.HOSTILE)


PAGES = ("passed", "hostile", "exchanged", "many", "empty", "skipped", "refused", "coverage", "nothing covered")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_for_nothing_and_says_nothing_in_the_console(browser: Browser, files: dict[str, Path], name: str) -> None:
    with opened(browser, files[name]) as shown:
        assert shown.requests == []
        assert shown.said == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_phone(browser: Browser, files: dict[str, Path], name: str) -> None:
    with opened(browser, files[name], width=PHONE) as shown:
        assert shown.overflow == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["passed", "hostile", "exchanged", "skipped", "refused", "coverage"])
def test_every_text_can_be_read_in_light_and_in_dark(browser: Browser, files: dict[str, Path], name: str, scheme: str) -> None:
    with opened(browser, files[name], scheme=scheme) as shown:
        assert shown.page.evaluate(CONTRAST) == []


def test_light_and_dark_are_not_the_same(browser: Browser, files: dict[str, Path]) -> None:
    papers = set()
    for scheme in ("light", "dark"):
        with opened(browser, files["passed"], scheme=scheme) as shown:
            papers.add(shown.page.evaluate("getComputedStyle(document.body).backgroundColor"))

    assert len(papers) == 2


@pytest.mark.parametrize("width", [PHONE, 1100])
def test_words_of_the_timeline_never_meet_and_every_bar_is_seen(browser: Browser, files: dict[str, Path], width: int) -> None:
    with opened(browser, files["hostile"], width=width) as shown:
        assert shown.page.locator("svg.timeline text").count() == 2 * len(made.SECONDS)
        assert shown.page.evaluate(MEETING) == []
        assert shown.page.evaluate(SHORT_BARS) == []


@pytest.mark.parametrize("name", ["hostile", "exchanged", "refused", "coverage"])
def test_what_others_wrote_stays_text(browser: Browser, files: dict[str, Path], name: str) -> None:
    with opened(browser, files[name]) as shown:
        assert shown.page.title() != "owned"
        assert shown.page.locator("script, img, iframe, a, [onerror]").count() == 0
        text = shown.page.inner_text("main")

    assert "<script>document.title='owned'</script>" in text
    assert "{{ 7 * 7 }}" in text
    assert "\\u202ereversed" in text
    assert "\u202e" not in text
    assert "(10,000 characters)" in text


@pytest.mark.parametrize("name", ["passed", "hostile", "exchanged", "skipped", "refused", "coverage"])
def test_a_page_prints(browser: Browser, files: dict[str, Path], name: str) -> None:
    with opened(browser, files[name], scheme="dark") as shown:
        printed = shown.page.pdf(prefer_css_page_size=True)
        shown.page.emulate_media(media="print")
        paper = shown.page.evaluate("getComputedStyle(document.body).backgroundColor")

    assert printed.startswith(b"%PDF")
    assert paper == "rgb(255, 255, 255)"
