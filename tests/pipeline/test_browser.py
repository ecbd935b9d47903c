"""The report in a real browser: at two widths, by keyboard, and under axe's rules for accessibility."""

import shutil
from pathlib import Path

import pytest

from synthetic_study import make_figures, make_report, make_tables, write_study

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no browser to drive")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine: apt-get install chromium")]
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}
PATIENCE = 180_000  # milliseconds; a busy machine starts a browser slowly
ZERO_SHOT = "#table-transfer-zero_shot"


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    study = write_study(tmp_path_factory.mktemp("study"))
    make_tables(study)
    make_figures(study)
    make_report(study)
    return study / "report.html"


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE)
        yield opened
        opened.close()


@pytest.fixture(params=WIDTHS)
def page(request, browser, place):
    """The report, opened offline; afterwards nothing may have been logged and nothing asked for."""
    width, height = WIDTHS[request.param]
    page = browser.new_page(viewport={"width": width, "height": height}, offline=True)
    page.set_default_timeout(PATIENCE)
    logged, asked = [], []
    page.on("console", lambda message: logged.append(message.text))
    page.on("pageerror", lambda error: logged.append(str(error)))
    page.on("request", lambda sent: asked.append(sent.url))
    page.goto(place.as_uri())
    yield page
    assert logged == []
    assert [url for url in asked if not url.startswith("data:")] == [place.as_uri()]
    page.close()


def codes(page) -> str:
    """The languages of the zero-shot table's visible rows, in their order."""
    names = page.locator(f"{ZERO_SHOT} tbody tr:not([hidden]) th").all_inner_texts()
    return " ".join(name.strip()[-3:-1] for name in names)


def test_it_fits_the_screen_and_shows_its_figures(page, tmp_path):
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")  # wide things scroll within themselves
    shot = page.screenshot(path=tmp_path / "page.png", full_page=True)
    assert len(shot) > 100_000
    for figure in page.locator("figure svg").all():
        box = figure.bounding_box()
        assert box["width"] > 300 and box["height"] > 50
    assert page.locator("#transfer-summary p").first.is_visible()


def test_a_word_wider_than_a_phone_breaks(page):
    """A commit of 40 letters does or does not fit, as its letters are."""
    page.evaluate("document.querySelectorAll('p, li').forEach((one) => { one.append(' ' + 'm'.repeat(200)); })")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_axe_finds_nothing_with_every_table_open(page):
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    found = axe.Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []


def test_tables_sort_and_filter(page):
    head = page.locator(f"{ZERO_SHOT} thead button", has_text="Accuracy")
    assert codes(page) == "en es de ar th"
    head.click()
    assert codes(page) == "ar th de es en"
    head.click()
    assert codes(page) == "en es de th ar"
    assert page.locator(f"{ZERO_SHOT} th[aria-sort]").get_attribute("aria-sort") == "descending"
    page.locator(f"{ZERO_SHOT} input").fill("no evidence")
    assert codes(page) == "ar"
    assert page.locator(f"{ZERO_SHOT} output").inner_text() == "1 of 5 rows"


def test_everything_is_within_reach_of_the_keyboard(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    reached = []
    for _ in range(400):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("[document.activeElement.tagName, document.activeElement.closest('section')?.id]"))
        if reached[-1][1] == "transfer-regimes":
            break
    kinds = {tag for tag, _ in reached}
    assert {"SUMMARY", "INPUT", "BUTTON", "A", "DIV"} <= kinds
    assert "transfer-zero_shot" in {section for _, section in reached}
    page.locator(f"{ZERO_SHOT} thead button", has_text="Accuracy").focus()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert codes(page) == "ar th de es en"
    summary = page.locator("#table-report-jobs summary")
    summary.focus()
    page.keyboard.press("Enter")
    assert page.locator("#table-report-jobs table").is_visible()


def test_a_cell_leads_to_the_job_that_made_it(page):
    assert not page.locator("#table-report-jobs table").is_visible()
    page.locator(f"{ZERO_SHOT} tbody tr", has_text="(es)").locator("a").first.click()
    row = page.locator("#job-predictions-toy-nli-full-lr-high-en-seed0-nli-full")
    row.wait_for(state="visible")
    assert page.evaluate("document.querySelector(':target').id") == "job-predictions-toy-nli-full-lr-high-en-seed0-nli-full"


def test_right_to_left_text_runs_from_the_right(page):
    direction = "getComputedStyle(document.evaluate(`//th[contains(., 'مرحبا')]`, document).iterateNext()).direction"
    assert page.evaluate(direction) == "rtl"
