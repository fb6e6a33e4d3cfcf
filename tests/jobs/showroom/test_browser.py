"""The page in a real browser: Debian's chromium, driven by Playwright; skipped where there is none."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from lake.settings import Settings
from tests.conftest import free_port
from tests.jobs.showroom.shop import ODD_ITEM, ODD_USER, SCRIPT, USER, served, title

pytest.importorskip("playwright")
from playwright.sync_api import Browser, Page, expect, sync_playwright


def chromium() -> str | None:
    """A browser that starts; Ubuntu's package of that name is a stub where there are no snaps."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path and subprocess.run([path, "--version"], capture_output=True).returncode == 0:
            return path
    return None


CHROMIUM = chromium()
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium"),
]
PHONE, DESK = {"width": 390, "height": 780}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page that fails on any script error and on any request to elsewhere."""
    page, wrong = browser.new_page(viewport=DESK), []
    page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
    page.on("request", lambda asked: asked.url.startswith(address) or wrong.append(f"request: {asked.url}"))
    page.on("console", lambda line: line.type == "error" and "status of" not in line.text and wrong.append(line.text))
    yield page
    assert page.evaluate("window.broken") is None, "a title was run as a script"
    page.close()
    assert not wrong


def settled(page: Page) -> None:
    expect(page.locator("main h1")).to_have_count(1)
    expect(page.locator("[aria-busy]")).to_have_count(0, timeout=30_000)
    assert not re.search(r"\b(null|undefined|NaN)\b", page.locator("main").inner_text()), "nothing is shown as its name"


def at(page: Page, address: str, path: str, **values: str) -> None:
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in values.items())
    page.goto(f"{address}/#/{path}?{query}")
    settled(page)


def test_from_the_first_page_to_a_shopper_by_keyboard(page: Page, address: str) -> None:
    at(page, address, "")
    expect(page.get_by_role("heading", level=1)).to_have_text("Who gets what, and why")
    search = page.get_by_label("Find a shopper")
    search.focus()
    page.keyboard.type(USER)
    found = page.locator(".found").get_by_role("link", name=re.compile(USER))
    expect(found).to_be_visible()
    for _ in range(3):  # Find, Surprise me, the shopper
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(USER)
    settled(page)
    expect(page.locator(".ranked .entry")).to_have_count(12)
    assert page.evaluate("document.activeElement.id") == "main"


def test_history_and_list_stand_side_by_side(page: Page, address: str) -> None:
    at(page, address, "shopper", user=USER)
    history, shown = page.locator(".pane").nth(0).bounding_box(), page.locator(".pane").nth(1).bounding_box()
    assert history
    assert shown
    assert shown["x"] >= history["x"] + history["width"]
    assert abs(shown["y"] - history["y"]) < 2
    first = page.locator(".ranked .entry").first
    expect(first.locator(".reason")).not_to_be_empty()
    expect(page.locator(".meta")).to_contain_text("own list")
    page.get_by_role("button", name="Show all sources").click()
    expect(first.locator(".all")).to_contain_text("proposed by", timeout=20_000)


def test_surfaces_are_a_click_apart_and_an_empty_one_says_so(page: Page, address: str) -> None:
    at(page, address, "shopper", user=USER)
    home = page.locator(".ranked .title").all_inner_texts()
    tabs = page.get_by_role("navigation", name="Surface")
    tabs.get_by_role("link", name="discover").click()
    expect(tabs.get_by_role("link", name="discover")).to_have_attribute("aria-current", "page")
    settled(page)
    assert page.locator(".ranked .title").all_inner_texts() != home
    at(page, address, "shopper", user=ODD_USER, surface="again")
    expect(page.locator(".nothing")).to_contain_text("that is meant")


def test_titles_are_text_and_odd_ids_are_reached(page: Page, address: str) -> None:
    at(page, address, "shopper", user=ODD_USER)
    expect(page.get_by_role("heading", level=1)).to_have_text(ODD_USER)
    expect(page.locator(".pane").first).to_contain_text(SCRIPT)
    assert page.locator("main script, main img").count() == 0
    page.locator(".pane").first.get_by_role("link", name=ODD_ITEM, exact=True).click()
    settled(page)
    expect(page.get_by_role("heading", level=1)).to_have_text(ODD_ITEM)
    at(page, address, "item", id="i05")
    expect(page.get_by_role("heading", level=1)).to_have_text(SCRIPT)
    expect(page).to_have_title(f"{SCRIPT} · Nightshelf")


def test_an_item_page_draws_its_curve_and_leads_on(page: Page, address: str) -> None:
    at(page, address, "item", id="i07")
    expect(page.get_by_role("heading", level=1)).to_have_text(title("i07"))
    expect(page.get_by_role("img", name=re.compile("bought .* time"))).to_be_visible()
    beside = (
        page.locator("section", has=page.get_by_role("heading", name="Goes well with it")).get_by_role("link").first
    )
    name = beside.inner_text()
    beside.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)


def test_what_changed_since_yesterday_and_why(page: Page, address: str) -> None:
    at(page, address, "shopper", user=USER)
    page.get_by_role("link", name="What changed since yesterday?").click()
    expect(page.locator(".summary")).to_contain_text("came in", timeout=20_000)
    gone = page.locator("[data-cause='policy:out_of_stock']")
    expect(gone).to_contain_text("out of stock")
    expect(gone.get_by_role("img")).to_have_attribute("aria-label", "was at 2")
    assert page.locator(".change").count() == page.locator(".change .chip").count() - page.locator(".further").count()
    scored = page.locator(".change", has=page.locator("table")).first
    scored.get_by_text("Features and sources").click()
    expect(scored.get_by_role("columnheader", name="before")).to_be_visible()


def test_the_versions_that_stand(page: Page, address: str) -> None:
    at(page, address, "versions")
    expect(page.locator("tr.current")).to_contain_text("current")
    expect(page.get_by_text("published", exact=True)).to_have_count(2)


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_nothing_runs_over_or_jumps(browser: Browser, address: str, colours: Any, size: dict[str, int]) -> None:
    page = browser.new_page(viewport=size, color_scheme=colours)  # type: ignore[arg-type]
    for path, values in (("", {}), ("shopper", {"user": USER}), ("compare", {"user": USER}), ("item", {"id": "i07"})):
        at(page, address, path, **values)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert page.locator("main h1").count() == 1
        light = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0] > 128")
        assert light is (colours == "light")
    page.goto("about:blank")
    at(page, address, "shopper", user=USER)
    moved = """new Promise(tell => {
        let sum = 0;
        const add = list => list.getEntries().forEach(each => { sum += each.hadRecentInput ? 0 : each.value; });
        new PerformanceObserver(add).observe({type: "layout-shift", buffered: true});
        setTimeout(() => tell(sum), 200);
    })"""
    assert page.evaluate(moved) < 0.1
    page.close()


def test_what_went_wrong_is_told_and_tried_again(browser: Browser, shop: Settings) -> None:
    away = shop.model_copy(update={"redis_url": f"redis://127.0.0.1:{free_port()}/0"})
    with served(away, free_port()) as address:
        page = browser.new_page(viewport=DESK)
        at(page, f"{address}/shop", "shopper", user=USER)
        expect(page.get_by_role("alert")).to_contain_text("does not answer", timeout=20_000)
        expect(page.locator(".pane").first).to_contain_text("Bought")
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("alert")).to_contain_text("does not answer", timeout=20_000)
        page.close()


def test_old_lists_are_told_to_be_old(browser: Browser, shop: Settings) -> None:
    from jobs.showroom.web import Showroom

    with served(shop, free_port(), room=Showroom(shop, max_age_seconds=0.001)) as address:
        page = browser.new_page(viewport=DESK)
        at(page, f"{address}/shop", "shopper", user=USER)
        expect(page.get_by_role("alert")).to_contain_text("These lists are old")
        page.close()
