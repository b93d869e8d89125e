"""The pages of coordinators, data staff and auditors in a real Chromium, in both languages."""

import base64
import json
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

pytest.importorskip("playwright.sync_api", reason="pages are not tried: pip install playwright")
from playwright.sync_api import Browser, expect, sync_playwright
from served_browser import (
    CHROMIUM,
    DESKTOP,
    PHONE,
    SLOW,
    WITHOUT_CHROMIUM,
    Server,
    browsing,
    check_page,
    picture,
    printed,
    sign_in,
    start_chromium,
)
from served_town import AS_OF, copy_workspace
from week_lists import make_known, told_at_length

from features.point_in_time.records import date_of
from features.store.partitions import InMemory
from features.store.reader import read_records
from service.lists.pages import grid_page
from service.lists.visit_rows import script
from service.weekly.monitor_week import monitor_week

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT_CHROMIUM)
expect.set_options(timeout=SLOW)
BOTH = pytest.mark.parametrize(("language", "size"), [("zh", PHONE), ("en", DESKTOP)])
DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    workspace = copy_workspace(tmp_path_factory.mktemp("pages") / "workspace")
    monitor_week(workspace, InMemory(read_records(workspace)), date_of(AS_OF), lambda _: nullcontext())
    put_report(workspace / "served")
    server = Server(workspace)
    server.start()
    yield server
    server.stop()


def put_report(served: Path) -> None:
    """A registered version and its report, as ``publish_models`` leaves them."""
    names = ("precision_at_capacity", "lift_at_capacity", "calibration_error", "predicted_over_observed")
    row = {
        "version": 1,
        "alias": "champion",
        "run_id": "abc",
        "as_of": "2024-08-26",
        "registered_at": 1724630400000,
        "gate": "allowed",
        "gate_reason": "第一版",
        "data_fingerprint": "f" * 64,
        "metrics": {f"model/{name}": 0.125 for name in names},
        "parameters": {},
    }
    (served / "models.json").write_text(json.dumps([row]), "utf-8")
    place = served / "reports" / "1"
    place.mkdir(parents=True)
    columns = (
        "need,model,low,high,baseline,baseline_value,baseline_low,baseline_high,outcome,calibration_error"
    )
    values = "meals,0.25,0.2,0.3,request_count,0.2,0.1,0.3,tied,0.01"
    text = f"{columns},predicted_over_observed\n{values},0.98\n"
    (place / "against_baselines.csv").write_text(text, "utf-8-sig")
    for name in ("reliability.png", "lift.png"):
        (place / name).write_bytes(DOT)
    for language, title in (("zh", "模型卡"), ("en", "Model card")):
        text = f"# {title}\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n<script>document.title = 'x'</script>\n"
        (place / f"model_card.{language}.md").write_text(text, "utf-8")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = start_chromium(playwright)
        yield browser
        browser.close()


@BOTH
def test_a_coordinator_sees_the_week_at_a_glance(server, browser, language, size):
    with browsing(browser, server, language, viewport=size) as page:
        sign_in(page, "wang")
        expect(page).to_have_url(f"{server.address}/overview")
        check_page(page, "overview")
        assert page.locator(".heat .cell").count() == 6
        page.select_option("#show", "meals")
        page.locator("form.row button").click()
        expect(page.locator("#show")).to_have_value("meals")
        expect(page.locator(".heat .heat-5")).not_to_have_count(0)
        page.get_by_text({"zh": "每个走访人", "en": "Each worker"}[language]).click()
        progress = page.get_by_role("progressbar", name="m2")
        before = int(progress.get_attribute("value"))
        page.get_by_role("link", name={"zh": "走访", "en": "Visits"}[language], exact=True).click()
        check_page(page, "choice of lists")
        page.get_by_role("link", name={"zh": "网格 g0", "en": "Grid g0"}[language]).click()
        card = (
            page.locator(".card")
            .filter(has_text="m2")
            .filter(has_not=page.locator(".chip:visible, .all-done:visible"))
            .first
        )
        card.click()
        page.get_by_role("button", name={"zh": "不需要", "en": "not needed"}[language]).first.click()
        expect(page.locator(".when").first).to_have_text({"zh": "已发送", "en": "sent"}[language])
        page.goto("/overview")
        page.get_by_text({"zh": "每个走访人", "en": "Each worker"}[language]).click()
        assert int(progress.get_attribute("value")) == before + 1
        page.goto("/visits?coordinators=true")
        check_page(page, "the coordinators' list")
        expect(page.locator(".card[data-needs]")).not_to_have_count(0)


def test_tables_are_searched_sorted_and_saved(server, browser):
    with browsing(browser, server, viewport=DESKTOP, accept_downloads=True) as page:
        sign_in(page, "wang")
        page.get_by_role("link", name="近四周", exact=True).click()
        check_page(page, "month")
        picture(page, "service-month", height=900)
        table = page.get_by_role("region", name="各网格").locator("table")
        first = table.locator("tbody th").first
        assert first.inner_text() == "g0"
        head = table.get_by_role("button", name="网格")
        head.click()
        head.click()
        expect(first).to_have_text("g1")
        expect(table.locator("th[aria-sort=descending]")).to_have_count(1)
        with page.expect_download() as saved:
            page.get_by_role("button", name="存成表格：各网格").click()
        text = Path(saved.value.path()).read_text("utf-8-sig")
        assert saved.value.suggested_filename == "各网格.csv"
        assert text.splitlines()[0].startswith('"网格","能走访的户"') and text.splitlines()[1].startswith(
            '"g1"'
        )
        page.goto("/overview")
        picture(page, "service-overview", height=1560)
        page.get_by_text("每个走访人").click()
        progress = page.get_by_role("region", name="网格", exact=True).locator("table")
        for _ in range(2):
            progress.get_by_role("button", name="排了").click()
        assert progress.locator("tr").last.inner_text().startswith("合计"), "sums stay below what is sorted"
        region = page.get_by_role("searchbox").first
        region.fill("没有这样的字")
        expect(page.get_by_role("status").filter(has_text="0 行")).to_have_count(1)
        check_page(page, "overview with tools")


def test_files_of_a_week_open_in_any_browser(server, browser):
    week = server.workspace / "weeks" / date_of(AS_OF).isoformat()
    with browsing(browser, server, viewport=DESKTOP) as page:
        page.goto(f"file://{week}/overview.html")
        check_page(page, "printed overview")
        picture(page, "overview", height=1368)
        head = page.get_by_role("button", name="走访户数")
        head.click()
        assert page.locator("th[aria-sort=ascending]").inner_text().startswith("走访户数")
        page.goto(f"file://{week}/grid-g0.html")
        check_page(page, "printed list")
        picture(page, "grid-page", height=900)
    printed(week / "grid-g0.xlsx", "workbook-page")


def test_a_printed_page_of_a_list_carries_four_households(server, browser):
    known = make_known()
    with browsing(browser, server, viewport={"width": 718, "height": 1047}) as page:  # A4 within its margins
        page.emulate_media(media="print")
        page.set_content(
            grid_page("西山社区", script(known.community), told_at_length(known), date(2025, 9, 1))
        )
        heights = page.locator("article").evaluate_all("all => all.map(one => one.offsetHeight)")
        sizes = page.locator("article *").evaluate_all(
            "all => all.map(one => parseFloat(getComputedStyle(one).fontSize))"
        )
    assert len(heights) == 6 and max(heights) <= 1047 / 4
    assert min(sizes) >= 12  # pixels, 9 points


@BOTH
def test_data_staff_see_models_calibration_and_drift(server, browser, language, size):
    with browsing(browser, server, language, viewport=size) as page:
        sign_in(page, "chen")
        expect(page).to_have_url(f"{server.address}/models")
        expect(page.locator("main")).to_contain_text(
            {"zh": "回看 2024-09-02", "en": "Looking back 2024-09-02"}[language]
        )
        expect(page.locator("main")).to_contain_text("2024-08-26 08:00")
        check_page(page, "models")
        page.get_by_role("link", name="1", exact=True).click()
        expect(page.locator("figure img")).to_have_count(2)
        assert page.evaluate(
            "[...document.images].every(one => one.loading === 'lazy' || one.naturalWidth > 0)"
        )
        expect(page.locator("table").first).to_contain_text("25.0% (20.0%–30.0%)")
        page.locator("main summary").click()
        heading = page.get_by_role("heading", name={"zh": "模型卡", "en": "Model card"}[language])
        expect(heading).to_be_visible()
        assert page.title() != "x"
        check_page(page, "one model")
        page.goto("/visits")
        expect(page.get_by_role("heading", level=1)).to_have_text(
            {"zh": "没有权限", "en": "not allowed"}[language]
        )


@BOTH
def test_an_auditor_finds_who_looked_at_a_household(server, browser, language, size):
    with browsing(browser, server, language, viewport=size) as page:
        sign_in(page, "li")
        page.locator(".card a").first.click()
        home = page.locator("main .soft").nth(1).inner_text().split(" ")[0]
    with browsing(browser, server, language, viewport=size) as page:
        sign_in(page, "sun")
        page.get_by_role("link", name={"zh": "审计", "en": "Audit"}[language], exact=True).click()
        page.fill("#household_id", home)
        why, other = ("住户页", "household page") if language == "zh" else ("household page", "住户页")
        for _ in range(300):  # entries move into the database about once a second
            page.get_by_role("button", name={"zh": "查找", "en": "Find"}[language]).click()
            if page.locator("tbody tr").filter(has_text=why).count():
                break
            page.wait_for_timeout(200)
        row = page.locator("tbody tr").filter(has_text=why).first
        expect(row).to_contain_text("user:li")
        assert other not in page.inner_text("main")
        expect(row).to_contain_text({"zh": "看一户", "en": "read a household"}[language])
        told = datetime.fromisoformat(row.locator("td").nth(1).inner_text())
        assert abs(datetime.now(ZoneInfo("Asia/Shanghai")).replace(tzinfo=None) - told) < timedelta(
            minutes=30
        )
        assert "session.open" not in page.inner_text("main")
        check_page(page, "audit")
        page.get_by_role("button", name={"zh": "全部核对一遍", "en": "Verify all"}[language]).click()
        expect(
            page.get_by_role("status").filter(has_text={"zh": "完整", "en": "Whole"}[language])
        ).to_be_visible()
        page.goto("/overview")
        expect(page.get_by_role("heading", level=1)).to_have_text(
            {"zh": "没有权限", "en": "not allowed"}[language]
        )
