"""A worker's phone in a stairwell: links as a thumb follows them, refusals and other needs that wait, sizes to press."""

import time
from collections.abc import Iterator

import pytest

pytest.importorskip("playwright.sync_api", reason="pages are not tried: pip install playwright")
from playwright.sync_api import Browser, Page, expect, sync_playwright
from served_browser import (
    CHROMIUM,
    SLOW,
    WITHOUT_CHROMIUM,
    Server,
    browsing,
    check_page,
    sign_in,
    start_chromium,
    without_connection,
)
from served_town import copy_workspace
from sqlalchemy import select

from service.web.database.tables import NewRequest, Reassignment, Refusal, Remark, User

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT_CHROMIUM)
expect.set_options(timeout=SLOW)
TARGETS = "main a, main button, main summary, .top a, .top summary, main textarea"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = start_chromium(playwright)
        yield browser
        browser.close()


@pytest.fixture
def server(tmp_path) -> Iterator[Server]:
    server = Server(copy_workspace(tmp_path / "workspace"))
    server.start()
    yield server
    server.stop()


def kept_list(page: Page) -> None:
    sign_in(page, "li")
    page.wait_for_selector("body[data-kept=yes]")


def open_household(page: Page, number: int) -> str:
    card = page.locator(".card[data-household]").nth(number)
    household = card.get_attribute("data-household")
    card.locator("a").click()
    page.wait_for_selector(".visit")
    return household


def stored(server: Server, table: type) -> list:
    with server.database.reading() as session:
        return [
            (one.household_id, getattr(one, "text", ""))
            for one in session.scalars(select(table).order_by(table.id))
        ]


def eventually(server: Server, table: type, expected: list) -> None:
    until = time.monotonic() + SLOW / 1000
    while stored(server, table) != expected and time.monotonic() < until:
        time.sleep(0.1)
    assert stored(server, table) == expected


def test_the_way_back_and_large_text_work_without_a_connection(server, browser):
    with browsing(browser, server) as page:
        kept_list(page)
        with without_connection(page, server):
            open_household(page, 0)
            page.get_by_role("link", name="下一户").click()
            page.wait_for_selector(".visit")
            page.get_by_role("link", name="名单").click()
            expect(page.locator(".card[data-household]").first).to_be_visible()
            before = page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)")
            page.get_by_role("link", name="大字").click()
            assert page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") > before
            open_household(page, 0)
            assert page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") > before
            page.get_by_role("link", name="标准字").click()
            assert page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") == before
            page.locator("#language").click()  # not kept: said in words, with a way back
            expect(page.get_by_role("heading", name="没有网络")).to_be_visible()
            page.get_by_role("link", name="回到名单").click()
            expect(page.locator(".card[data-household]").first).to_be_visible()


def test_refusals_and_other_needs_wait_on_the_phone_and_are_sent_once(server, browser):
    with browsing(browser, server) as page:
        kept_list(page)
        with without_connection(page, server):
            other = open_household(page, 0)
            page.get_by_text("居民还提到别的需要").click()
            page.locator("#mentioned").fill("楼道灯坏了")
            page.get_by_role("button", name="记下").click()
            expect(page.locator(".mentioned li")).to_contain_text("待发送")
            page.get_by_role("link", name="名单").click()
            household = open_household(page, 2)
            page.get_by_text("居民说以后不要再来").click()
            page.get_by_role("button", name="登记：不要再来").click()
            page.wait_for_selector(".card[data-household]")
            expect(page.locator(f'.card[data-household="{household}"]')).to_be_hidden()
            assert stored(server, Refusal) == stored(server, NewRequest) == []
        eventually(server, Refusal, [(household, "")])
        eventually(server, NewRequest, [(other, "楼道灯坏了")])
        page.reload()
        expect(page.locator(f'.card[data-household="{household}"]')).to_have_count(0)


def test_what_is_said_and_a_visit_for_a_colleague_wait_on_the_phone(server, browser):
    with server.database.writing() as session:
        session.add(User(login="deng", name="邓红", role="grid_worker", grid_id="g0", worker_id="w0"))
    with browsing(browser, server) as page:
        kept_list(page)
        with without_connection(page, server):
            said = open_household(page, 0)
            page.locator(".remark summary").first.click()
            page.get_by_role("button", name="人不对").first.click()
            page.locator(".said [value='4']").first.click()
            page.locator("[name=next_visit]").first.fill("2024-09-16")
            page.get_by_role("button", name="记下这天").first.click()
            expect(page.locator(".remarks").first).to_contain_text("满意度 4（待发送）")
            page.get_by_role("link", name="名单").click()
            expect(page.locator(f'.card[data-household="{said}"] .chip.waiting')).to_have_count(1)
            given = open_household(page, 2)
            page.get_by_text("这户转给同事走访").click()
            page.get_by_role("button", name="转交").click()
            page.wait_for_selector(".card[data-household]")
            expect(page.locator(f'.card[data-household="{given}"]')).to_be_hidden()
            assert stored(server, Remark) == stored(server, Reassignment) == []
        eventually(server, Remark, [(said, "")] * 3)
        eventually(server, Reassignment, [(given, "")])
        page.wait_for_load_state("networkidle")  # the page loads again once all is sent
        page.goto("/visits")
        expect(page.get_by_role("heading", name="邓红")).to_be_visible()
        page.goto(f"/visits/{said}")
        expect(page.locator(".remarks").first).to_contain_text("✓ 人不对 ✓ 满意度 4 ✓ 09-16 再来")


def test_a_visit_given_to_a_colleague_says_so_on_both_phones_and_can_be_taken_back(server, browser):
    with server.database.writing() as session:
        li = session.scalar(select(User).where(User.login == "li"))
        deng = {"login": "deng", "name": "邓红", "grid_id": "g0", "worker_id": "w0"}
        session.add(User(**deng, role="grid_worker", password_hash=li.password_hash))
    with browsing(browser, server) as page, browsing(browser, server) as other:
        kept_list(page)
        order = page.locator(".card[data-household] .order").all_inner_texts()
        given = open_household(page, 1)
        page.get_by_text("这户转给同事走访").click()
        page.locator("#colleague").select_option(label="邓红")
        page.get_by_role("button", name="转交").click()
        told = page.locator(f'[data-given="{given}"]')
        expect(told).to_contain_text("邓红")
        sign_in(other, "deng")
        expect(other.locator(f'.card[data-household="{given}"]')).to_contain_text("转来")
        open_household(other, 0)
        expect(other.locator("main")).to_contain_text("转来")
        page.wait_for_selector("body[data-kept=yes]")
        check_page(page, "a list with a visit that was given away")
        with without_connection(page, server):
            told.get_by_role("button", name="收回").click()
            expect(page.locator(".given")).to_contain_text("收回（待发送）")
        expect(page.locator(f'.card[data-household="{given}"]')).to_be_visible()
        expect(page.locator(".given")).to_be_hidden()
        assert page.locator(".card[data-household] .order").all_inner_texts() == order  # as on paper
        with without_connection(page, server):
            open_household(page, 0)
            page.get_by_text("这户转给同事走访").click()
            page.get_by_role("button", name="转交").click()
            expect(page.locator(".given")).to_contain_text("转交 邓红（待发送）")
        expect(page.locator("[data-given]")).to_have_count(1)
        other.goto("/visits")
        expect(other.locator(".card[data-household]")).to_have_count(1)


def test_one_tap_says_that_nobody_was_home(server, browser):
    with browsing(browser, server) as page:
        kept_list(page)
        household = open_household(page, 0)
        needs = page.locator(".visit").count()
        page.get_by_role("button", name="家里没人").click()
        expect(page.locator(".recorded:not([hidden])")).to_have_count(needs)
        until = time.monotonic() + SLOW / 1000
        while len(server.outcomes()) < needs and time.monotonic() < until:
            time.sleep(0.1)
        assert {outcome for _, outcome, _ in server.outcomes()} == {"not_reached"}
        page.get_by_role("link", name="名单").click()
        expect(page.locator(f'.card[data-household="{household}"] .all-done')).to_be_visible()


def test_a_neighbour_who_looks_at_the_list_learns_nothing(server, browser):
    with browsing(browser, server) as page:
        kept_list(page)
        shown = page.locator("main").inner_text()
        open_household(page, 0)
        for need in page.locator(".need h2").all_inner_texts():
            assert need not in shown
        why = page.locator(".why p").first
        expect(why).to_be_hidden()
        page.locator(".why summary").first.click()
        expect(why).to_be_visible()
        assert why.inner_text().strip() not in shown
        assert "邻居" not in shown and "申请" not in shown


def test_a_page_that_is_printed_leaves_out_what_stands_behind_a_tap(server, browser):
    with browsing(browser, server) as page:
        kept_list(page)
        open_household(page, 0)
        page.get_by_text("为什么来问").first.click()
        expect(page.locator(".why p").first).to_be_visible()
        page.emulate_media(media="print")
        expect(page.locator(".why p").first).to_be_hidden()
        expect(page.locator("h1")).to_be_visible()


def test_everything_can_be_read_and_pressed_with_a_thumb(server, browser):
    with browsing(browser, server) as page:
        kept_list(page)
        for where in ("list", "household"):
            if where == "household":
                open_household(page, 0)
                page.evaluate("for (const one of document.querySelectorAll('main details')) one.open = true")
            check_page(page, where)
            small = page.evaluate(
                """chosen => [...document.querySelectorAll(chosen)].filter((one) => one.checkVisibility())
                .map((one) => [one.outerHTML.slice(0, 80), one.getBoundingClientRect()])
                .filter(([, box]) => box.height < 48 || box.width < 48).map(([html]) => html)""",
                TARGETS,
            )
            assert small == [], where
            letters = page.evaluate(
                """[...document.querySelectorAll("body *")].filter((one) => one.checkVisibility() &&
                [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()))
                .filter((one) => parseFloat(getComputedStyle(one).fontSize) < 17)
                .map((one) => one.outerHTML.slice(0, 80))"""
            )
            assert letters == [], where


# what stands on several lines of a page, of its dates and of its numbers with what they count
BROKEN = r"""() => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const dates = /\d{4}-\d\d-\d\d|\d+月\d+日|\d+ ?[户次岁件条人个]/g;
    let all = "", at = [];
    while (texts.nextNode()) {
        const text = texts.currentNode;
        for (let place = 0; place < text.data.length; place++) at.push([text, place]);
        all += text.data;
    }
    return [...all.matchAll(dates)].filter(({ 0: words, index }) => {
        const range = document.createRange(), [first, last] = [at[index], at[index + words.length - 1]];
        range.setStart(...first);
        range.setEnd(last[0], last[1] + 1);
        const boxes = [...range.getClientRects()].filter((box) => box.width > 1);
        return boxes.some((box) => box.top > boxes[0].bottom - 1);
    }).map(({ 0: words }) => words);
}"""


# what a button says that lays its words out itself
CALLED = """() => {
    const link = Object.assign(document.createElement("a"), { className: "button", textContent: "打电话 13800000000" });
    const again = Object.assign(document.createElement("script"), { src: document.querySelector("[src*=whole]").src });
    document.querySelector("main").append(link);
    document.head.append(again);
    return new Promise((done) => { again.onload = () => done(link.innerText); });
}"""


def test_dates_and_numbers_with_what_they_count_stay_on_one_line(server, browser):
    week = next(path for path in sorted((server.workspace / "weeks").iterdir()) if path.is_dir())
    with browsing(browser, server) as page:
        kept_list(page)
        list_page = page.url
        open_household(page, 0)
        household = page.url
        assert page.evaluate(CALLED) == "打电话 13800000000"
        page.goto("/settings?text=large&next=/visits")
        seen = 0
        for address in (list_page, household, f"file://{week}/grid-g0.html"):
            page.goto(address)
            page.evaluate("for (const one of document.querySelectorAll('main details')) one.open = true")
            seen += page.locator("body").inner_text().count("户") + page.locator("body").inner_text().count(
                "-"
            )
            for width in range(320, 400, 8):
                page.set_viewport_size({"width": width, "height": 640})
                assert page.evaluate(BROKEN) == [], (address, width)
                assert (
                    page.evaluate("document.documentElement.scrollWidth <= innerWidth") or "file:" in address
                )
        assert seen > 20


def test_signing_out_is_asked_twice(server, browser):
    with browsing(browser, server) as page:
        kept_list(page)
        expect(page.get_by_role("button", name="退出这台设备")).to_be_hidden()
        page.locator(".leave summary").click()
        check_page(page, "signing out")
        page.get_by_role("button", name="退出这台设备").click()
        page.wait_for_url("**/sign-in")
