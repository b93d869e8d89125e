"""The workers' pages in a real Chromium: sign-in, list, household, outcome, undo, no connection; in both languages."""

import time
from collections.abc import Iterator

import pytest

pytest.importorskip("playwright.sync_api", reason="pages are not tried: pip install playwright")
from playwright.sync_api import Browser, Page, expect, sync_playwright
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
    sign_in,
    start_chromium,
    without_connection,
)
from served_town import copy_workspace

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT_CHROMIUM)
expect.set_options(timeout=SLOW)
WORDS = {
    "zh": {
        "wrong": "不对",
        "list": "网格 g0 走访",
        "needed": "需要",
        "undo": "撤销",
        "unsent": "待发送",
        "sent": "已发送",
    },
    "en": {
        "wrong": "wrong login",
        "list": "Visits, grid g0",
        "needed": "needed",
        "undo": "Undo",
        "unsent": "waiting to be sent",
        "sent": "sent",
    },
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(copy_workspace(tmp_path_factory.mktemp("pages") / "workspace"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def nothing_visited(server: Server) -> None:
    server.forget_outcomes()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = start_chromium(playwright)
        yield browser
        browser.close()


def cards(page: Page):
    return page.locator(".card[data-needs] a")


def open_household(page: Page, number: int) -> None:
    cards(page).nth(number).click()
    page.wait_for_selector(".visit")


@pytest.mark.parametrize(("language", "size", "number"), [("zh", PHONE, 0), ("en", DESKTOP, 1)])
def test_from_signing_in_to_an_outcome_in_two_taps_and_back(server, browser, language, size, number):
    words, before = WORDS[language], server.outcomes()
    with browsing(browser, server, language, viewport=size) as page:
        page.goto("/visits")
        assert "/sign-in?next=" in page.url
        check_page(page, "sign-in")
        sign_in(page, "li", "not the password")
        expect(page.get_by_role("alert")).to_contain_text(words["wrong"])
        sign_in(page, "li")
        expect(page.get_by_role("heading", level=1)).to_have_text(words["list"])
        check_page(page, "list")
        if language == "zh":
            picture(page, "visits-phone")
        open_household(page, number)  # the first tap
        check_page(page, "household")
        if language == "zh":
            picture(page, "household-phone")
        page.get_by_role("button", name=words["needed"], exact=True).first.click()  # the second
        recorded = page.locator(".recorded").first
        expect(recorded.locator(".when")).to_have_text(words["sent"])
        page.reload()
        expect(recorded).to_contain_text(words["needed"])
        assert server.outcomes() == [*before, ("user:li", "needed", False)]
        check_page(page, "household with an outcome")
        page.get_by_role("button", name=words["undo"]).first.click()
        expect(recorded).to_be_hidden()
        eventually(server, [*before, ("user:li", "needed", True)])
        page.reload()
        expect(recorded).to_be_hidden()


def test_after_too_many_wrong_passwords_the_page_says_how_long_to_wait(server, browser):
    with browsing(browser, server) as page:
        for _ in range(3):
            sign_in(page, "qian", "not the password")
            expect(page.get_by_role("alert")).to_be_visible()
        sign_in(page, "qian")
        expect(page.get_by_role("alert")).to_contain_text("秒后再试")
        assert page.url.endswith("/sign-in")


def test_without_a_connection_outcomes_wait_on_the_phone_and_are_sent_once(server, browser):
    words, before = WORDS["zh"], server.outcomes()
    with browsing(browser, server) as page:
        sign_in(page, "li")
        page.wait_for_selector("body[data-kept=yes]")
        assert page.evaluate("caches.match(document.querySelector('script').src).then(Boolean)")
        shown = page.locator(".chip:not([hidden])")
        others = shown.count()
        with without_connection(page, server):
            open_household(page, 2)  # never opened before: kept for this
            page.get_by_role("button", name=words["needed"], exact=True).first.click()
            expect(page.locator(".recorded").first).to_contain_text(words["unsent"])
            expect(page.locator("#queue")).to_contain_text("1 ")
            check_page(page, "household without a connection")
            page.goto("/visits")
            expect(page.locator(".chip.waiting")).to_have_count(1)
            assert server.outcomes() == before
        expect(page.locator("#queue")).to_be_hidden()
        expect(page.locator(".chip.waiting")).to_have_count(0)
        page.reload()
        expect(shown).to_have_count(others + 1)
        eventually(server, [*before, ("user:li", "needed", False)])


def test_an_answer_lost_on_its_way_back_does_not_count_twice(server, browser):
    before = server.outcomes()
    with browsing(browser, server) as page:
        sign_in(page, "li")
        open_household(page, 4)

        def lose(route) -> None:
            route.fetch()
            route.abort()

        page.route("**/v1/outcomes", lose)
        page.get_by_role("button", name="不需要", exact=True).first.click()
        expect(page.locator("#queue")).to_be_visible()
        eventually(server, [*before, ("user:li", "not_needed", False)])
        page.unroute("**/v1/outcomes")
        page.get_by_role("button", name="撤销").first.click()  # nobody knows yet that it arrived
        expect(page.locator(".recorded").first).to_be_hidden()
        eventually(server, [*before, ("user:li", "not_needed", True)])


def test_an_undo_while_the_answer_is_still_arriving_is_not_lost(server, browser):
    before = server.outcomes()
    with browsing(browser, server) as page:
        sign_in(page, "li")
        open_household(page, 4)
        page.evaluate(
            """() => {
                const json = Response.prototype.json, rest = new Promise(come => { window.restComes = come; });
                window.begun = new Promise(begin => {
                    Response.prototype.json = function () { begin(); return rest.then(() => json.call(this)); };
                });
            }"""
        )
        page.get_by_role("button", name="不需要", exact=True).first.click()
        page.evaluate("window.begun")
        page.get_by_role("button", name="撤销").first.click()
        page.evaluate("window.restComes()")
        eventually(server, [*before, ("user:li", "not_needed", True)])
        expect(page.locator(".recorded").first).to_be_hidden()


def test_what_was_written_while_the_service_was_down_arrives_when_it_is_back(server, browser):
    before = server.outcomes()
    with browsing(browser, server) as page:
        sign_in(page, "li")
        open_household(page, 4)
        server.stop()
        try:
            page.get_by_role("button", name="未遇见").first.click()
            expect(page.locator("#queue")).to_be_visible()
            page.get_by_role("button", name="撤销").first.click()
            page.get_by_role("button", name="婉拒").first.click()
            expect(page.locator(".recorded").first).to_contain_text("婉拒")
        finally:
            server.start()
        expect(page.locator(".when").first).to_have_text("已发送")
        expect(page.locator("#queue")).to_be_hidden()
        kept = [one for one in server.outcomes()[len(before) :] if not one[2]]
        assert kept == [("user:li", "declined", False)]


def test_what_still_waits_is_told_while_it_is_being_sent(server, browser):
    with browsing(browser, server) as page:
        sign_in(page, "li")
        open_household(page, 1)
        page.route("**/v1/outcomes", lambda route: route.abort())
        page.get_by_role("button", name="未遇见").first.click()
        page.get_by_role("button", name="撤销").first.click()
        page.get_by_role("button", name="婉拒").first.click()
        expect(page.locator("#queue")).to_contain_text("2 ")
        held = []
        page.unroute("**/v1/outcomes")
        page.route(
            "**/v1/outcomes", lambda route: held.append(route) if held else held.append(route.continue_())
        )
        expect(page.locator("#queue")).to_contain_text("1 ")
        expect(page.locator("#queue")).not_to_contain_text("没有网络")
        page.wait_for_function("document.querySelector('.waiting')")
        while len(held) < 2:  # the second outcome leaves once the first has its answer
            page.wait_for_timeout(20)
        held[1].continue_()
        expect(page.locator("#queue")).to_be_hidden()


def test_files_of_earlier_versions_go_once_no_kept_page_needs_them(server, browser):
    put = """async ([name, date]) => {
        const files = await caches.open("files"), script = document.querySelector("script").src;
        const content = await (await files.match(script)).text();
        const headers = {"Date": date, "Content-Type": "text/javascript"};
        await files.put(name ? new URL(name, script).href : script, new Response(content, { headers }));
    }"""
    there = "caches.match(new URL('/static/visits.js?v=earlier', location)).then(Boolean)"
    with browsing(browser, server) as page:
        sign_in(page, "li")
        page.wait_for_selector("body[data-kept=yes]")
        page.evaluate(put, ["/static/visits.js?v=earlier", "Mon, 01 Jan 2024 00:00:00 GMT"])
        page.reload()
        page.wait_for_selector("body[data-kept=yes]")
        assert page.evaluate(there)
        page.evaluate(put, ["", "Tue, 02 Jan 2024 00:00:00 GMT"])  # the version in force, kept for long
        page.evaluate("fetch(document.querySelector('script').src).then(answer => answer.text())")
        until = time.monotonic() + SLOW / 1000
        while page.evaluate(there) and time.monotonic() < until:
            page.wait_for_timeout(100)
        assert not page.evaluate(there)


def test_outcomes_wait_for_the_person_who_entered_them(server, browser):
    before = server.outcomes()
    with browsing(browser, server) as page:
        sign_in(page, "li")
        page.wait_for_selector("body[data-kept=yes]")
        open_household(page, 6)
        server.end_sessions("li")
        page.get_by_role("button", name="不需要", exact=True).first.click()
        expect(page.locator("#queue")).to_contain_text("登录过期了")
        sign_in(page, "wang")
        expect(page.get_by_role("link", name="概览")).to_be_visible()
        assert (
            page.evaluate("caches.open('pages').then(kept => kept.match('/visits')).then(Boolean)") is False
        )
        page.wait_for_timeout(500)
        assert server.outcomes() == before  # nobody sends what another has entered
        page.locator(".leave summary").click()
        page.get_by_role("button", name="退出这台设备").click()
        sign_in(page, "li")
        eventually(server, [*before, ("user:li", "not_needed", False)])


def kept_on_the_phone(page: Page) -> int:
    """How many pages and outcomes lie in the browser."""
    return page.evaluate("""async () => {
        const pages = await (await caches.open("pages")).keys();
        return pages.length + Object.keys(localStorage).filter((key) => key.startsWith("xianying.outcome.")).length;
    }""")


def test_signing_out_without_a_connection_leaves_nothing_on_the_phone(server, browser):
    before = server.outcomes()
    with browsing(browser, server) as page:
        sign_in(page, "li")
        page.wait_for_selector("body[data-kept=yes]")
        open_household(page, 4)
        page.get_by_role("button", name="需要", exact=True).first.click()
        eventually(server, [*before, ("user:li", "needed", False)])
        expect(page.locator(".recorded").first).to_contain_text("已发送")
        assert kept_on_the_phone(page) > 2
        with without_connection(page, server):
            page.locator(".leave summary").click()
            page.get_by_role("button", name="退出这台设备").click()
            expect(page.locator("body")).to_contain_text("已退出")
            assert kept_on_the_phone(page) == 0
            page.goto("/visits")
            expect(page.get_by_role("heading", name="没有网络")).to_be_visible()  # nothing is kept
        page.goto("/visits", wait_until="commit")
        page.wait_for_url("**/sign-in**")
        page.goto("/visits")
        assert "/sign-in" in page.url and kept_on_the_phone(page) == 0


def test_nothing_is_drawn_while_a_sign_out_waits_for_a_connection(server, browser):
    with browsing(browser, server, service_workers="block") as page:
        sign_in(page, "li")
        expect(page.locator(".card").first).to_be_visible()
        other = page.context.new_page()
        other.goto("/visits")
        expect(other.locator(".card").first).to_be_visible()
        with without_connection(page, server):
            page.locator(".leave summary").click()
            page.get_by_role("button", name="退出这台设备").click()
            expect(other.locator("body")).to_contain_text("已退出")
            expect(other.locator(".card")).to_have_count(0)
            other.close()
            page.context.route("**/static/visits.js*", lambda route: route.abort())  # it has yet to arrive
        page.goto("/visits")
        expect(page.locator(".card").first).to_be_attached()
        expect(page.locator(".card:visible")).to_have_count(0)
        assert page.evaluate("getComputedStyle(document.body, '::before').content").startswith('"已退出')
        page.context.unroute("**/static/visits.js*")
        page.reload(wait_until="commit")
        page.wait_for_url("**/sign-in**")
        expect(page.get_by_role("button", name="登录")).to_be_visible()
        sign_in(page, "zhao")
        expect(page.locator(".card").first).to_be_visible()


def test_whoever_signs_in_next_finds_nothing_of_the_one_before(server, browser):
    with browsing(browser, server) as page:
        sign_in(page, "li")
        page.wait_for_selector("body[data-kept=yes]")
        sent = '{"who": "user:li", "token": "t", "at": 0, "number": 1, "outreach": "o", "note": "own-note"}'
        page.evaluate(f"localStorage.setItem('xianying.outcome.t', JSON.stringify({sent}))")
        page.context.clear_cookies()  # the session ends without anybody signing out
        sign_in(page, "zhao")
        page.wait_for_selector("body[data-kept=yes]")
        assert page.evaluate("localStorage.getItem('xianying.outcome.t')") is None
        listed = page.evaluate(
            "caches.open('pages').then((one) => one.keys()).then((all) => all.map((x) => x.url))"
        )
        mine = page.locator(".card a").evaluate_all("(all) => all.map((one) => one.href)")
        assert set(listed) <= {page.url, *mine}


def test_everything_but_waiting_works_without_scripts(server, browser):
    before = server.outcomes()
    with browsing(browser, server, java_script_enabled=False) as page:
        sign_in(page, "li")
        open_household(page, 5)
        page.get_by_role("button", name="需要", exact=True).first.click()
        expect(page.locator(".recorded").first).to_contain_text("需要")
        page.get_by_role("button", name="撤销").first.click()
        expect(page.locator(".recorded").first).to_be_hidden()
        assert server.outcomes() == [*before, ("user:li", "needed", True)]
        page.click("#language")
        expect(page.get_by_role("button", name="needed", exact=True).first).to_be_visible()
        page.locator(".leave summary").click()
        page.get_by_role("button", name="Sign out here").click()
        assert page.url.endswith("/sign-in")
        page.goto("/visits")
        assert "/sign-in?next=" in page.url


def test_a_keyboard_is_enough_and_large_text_fits_the_phone(server, browser):
    before = server.outcomes()
    with browsing(browser, server) as page:
        page.goto("/sign-in")
        page.get_by_role("link", name="大字").click()
        press_to(page, "#login")
        page.keyboard.type("li")
        press_to(page, "#password")
        page.keyboard.type("correct horse")
        page.keyboard.press("Enter")
        page.wait_for_url("**/visits")
        check_page(page, "list in large text")
        press_to(page, ".card:nth-of-type(1) a")
        page.keyboard.press("Enter")
        page.wait_for_selector(".visit")
        check_page(page, "household in large text")
        assert page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") > 20
        press_to(page, ".choices .not_reached")
        page.keyboard.press("Enter")
        expect(page.locator(".recorded").first).to_be_visible()
        assert page.evaluate("document.activeElement.closest('.undo') !== null")
        page.keyboard.press("Enter")
        expect(page.locator(".recorded").first).to_be_hidden()
        page.goto("/visits")
        eventually(server, [*before, ("user:li", "not_reached", True)])


def eventually(server: Server, outcomes: list[tuple[str, str, bool]]) -> None:
    """What was pressed is shown at once and sent then."""
    until = time.monotonic() + SLOW / 1000
    while server.outcomes() != outcomes and time.monotonic() < until:
        time.sleep(0.1)
    assert server.outcomes() == outcomes


def press_to(page: Page, selector: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("chosen => document.activeElement.matches(chosen)", selector):
            return
    raise AssertionError(f"Tab does not reach {selector}")
