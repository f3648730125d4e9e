"""What people see of the page, in a browser: run by tests/page/run."""

import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote, urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from server import Server, customer, order

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]
SCRIPT = "<script>alert(1)</script>"
DESKTOP, PHONE = {"width": 1366, "height": 900}, {"width": 390, "height": 844}

# What can be reached with the Tab key, if it is shown.
CONTROLS = """() => [...document.querySelectorAll(
    'a[href], button, input, select, summary, [tabindex="0"]')]
  .filter((one) => !one.disabled && one.checkVisibility({visibilityProperty: true}))
  .map((one, n) => { one.dataset.tried ??= n; return one.dataset.tried; })"""
# What has the focus, and whether that is seen.
FOCUSED = """() => {
  const one = document.activeElement;
  const style = getComputedStyle(one);
  const seen = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1;
  const box = one.getBoundingClientRect();
  const inView = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  return [one.dataset.tried ?? one.tagName, seen && inView];
}"""


def grouped(amount):
    return f"{int(amount.split('.')[0]):,}.{amount.split('.')[1]}".replace("-", "\u2212")


class Visit:
    """One tab, and everything that went wrong in it."""

    def __init__(self, browser, server, scheme="light", size=DESKTOP):
        self.server = server
        self.context = browser.new_context(color_scheme=scheme, viewport=size, device_scale_factor=1)
        self.page = self.context.new_page()
        self.wrong = []
        self.page.on("console", self.console)
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("request", self.request)
        self.page.add_init_script(
            "addEventListener('securitypolicyviolation', (it) => "
            "console.error('policy: ' + it.violatedDirective + ' ' + it.blockedURI + it.sample))"
        )
        self.page.on("dialog", lambda dialog: (self.wrong.append("a script ran"), dialog.dismiss()))

    def __enter__(self):
        return self

    def __exit__(self, *failed):
        self.context.close()
        if failed[0] is None:
            assert not self.wrong, self.wrong

    def console(self, message):
        if message.type in ("error", "warning"):
            self.wrong.append(f"{message.type}: {message.text}")

    def request(self, request):
        if urlsplit(request.url).netloc != urlsplit(self.server.url).netloc:
            self.wrong.append(f"asked elsewhere: {request.url}")

    def open(self, path="/"):
        self.page.goto(self.server.url.rstrip("/") + path)
        return self.page

    def wait(self, text, selector, timeout=10_000):
        self.page.locator(selector).filter(has_text=text).first.wait_for(timeout=timeout)

    def axe(self):
        found = Axe().run(self.page)
        assert found.violations_count == 0, found.generate_report()

    def no_sideways(self):
        wider = "document.documentElement.scrollWidth - innerWidth"
        assert self.page.evaluate(wider) <= 0, "the page is wider than the screen"

    def shot(self, name, full=True):
        path = Path(sys.argv[3]) / f"{name}.png"
        # No animation is to be seen halfway.
        self.page.wait_for_timeout(400)
        self.page.screenshot(path=path, full_page=full)


def rows(page):
    texts = "(rows) => rows.map((row) => [...row.cells].map((cell) => cell.innerText.trim()))"
    return page.locator("#board tbody tr").evaluate_all(texts)


def ready(visit):
    visit.wait("Live", "#state")
    visit.page.wait_for_selector("#weeks-chart svg, #weeks-chart .blank:not(:text('Loading'))")
    visit.page.wait_for_selector("#distribution-chart svg, #distribution-chart .blank:not(:text('Loading'))")
    visit.page.wait_for_selector("#health div")


def leaderboard_is_the_answer(visit):
    top = visit.server.get("/v1/top?x=10")["customers"]
    shown = rows(visit.page)
    assert len(shown) == len(top) == 10
    for row, one in zip(shown, top):
        assert row[0] == str(one["rank"]), row
        assert one["customer_id"] in row[2] and (one["last_name"] or "") in row[2], row
        assert row[3] == grouped(one["ltv"]), row
        if visit.page.viewport_size["width"] > 640:
            assert row[4:7] == [grouped(one["revenue"]), f"{one['orders']:,}", f"{one['visits']:,}"], row


def every_control_is_reached_by_key(page):
    page.evaluate("document.activeElement.blur()")
    page.evaluate("scrollTo(0, 0)")
    wanted = set(page.evaluate(CONTROLS))
    assert len(wanted) >= 4
    reached = set()
    for _ in range(len(wanted) + 40):
        page.keyboard.press("Tab")
        which, is_seen = page.evaluate(FOCUSED)
        if which in wanted:
            assert is_seen, page.evaluate("document.activeElement.outerHTML")
            reached.add(which)
        if wanted == reached:
            return
    left = [page.locator(f"[data-tried='{one}']").evaluate("(it) => it.outerHTML") for one in wanted - reached]
    raise AssertionError(f"not reached: {left}")


def overview(browser, server):
    for scheme, size, name in [
        ("light", DESKTOP, "light"), ("dark", DESKTOP, "dark"), ("light", PHONE, "phone"), ("dark", PHONE, "phone-dark"),
    ]:
        with Visit(browser, server, scheme, size) as visit:
            visit.open()
            ready(visit)
            leaderboard_is_the_answer(visit)
            visit.no_sideways()
            visit.axe()
            visit.shot(name)
            every_control_is_reached_by_key(visit.page)
            for summary in visit.page.locator("summary:visible").all():
                summary.click()
            visit.axe()
            visit.no_sideways()
    print("page: the overview in light, dark and on a phone: the API's top 10, keys, axe: good")


def charts_say_what_they_show(browser, server):
    with Visit(browser, server) as visit:
        page = visit.open()
        ready(visit)
        weeks = server.get("/v1/weeks")["weeks"]
        page.locator("#weeks-chart summary").click()
        table = page.locator("#weeks-chart tbody tr")
        assert table.count() == len(weeks)
        newest = weeks[-1]
        expected = [newest["first_day"], grouped(newest["revenue"]), str(newest["orders"]), str(newest["visits"])]
        assert table.first.locator("td").all_inner_texts() == expected
        found = server.get("/v1/distribution")
        counted = found["negative"] + found["zero"] + sum(one["customers"] for one in found["bins"])
        assert counted == found["customers"] == server.get("/v1/status")["customers"]
        for chart in ["#weeks-chart", "#distribution-chart"]:
            assert page.locator(f"{chart} svg[role=img] > title").inner_html()
            assert page.locator(f"{chart} svg > desc").inner_html()
        assert not page.locator("[style]").count()
    print("page: charts have titles, descriptions and the same numbers as tables: good")


def an_append_is_seen_within_a_second(browser, server):
    with Visit(browser, server) as visit:
        page = visit.open()
        ready(visit)
        third = server.get("/v1/top?x=3")["customers"][2]
        first = server.get("/v1/top?x=1")["customers"][0]
        amount = f"{float(first['revenue']) + 100:.2f}"
        began = time.monotonic()
        server.post(order("rise", third["customer_id"], amount))
        page.wait_for_function(
            "(id) => document.querySelector('#board tbody tr').innerText.includes(id)",
            arg=third["customer_id"], polling=20, timeout=5_000,
        )
        took = time.monotonic() - began
        assert took < 1, took
        moved = page.locator("#board tbody tr").first.locator(".moved").inner_text()
        assert "\u25b2 2" in moved and "up from 3" in moved, moved
        down = page.locator("#board tbody tr").nth(1).locator(".moved").inner_text()
        assert "\u25bc 1" in down, down
        leaderboard_is_the_answer(visit)
        # Why, under the pointer and with the focus; Escape puts it away.
        tip, why = page.locator("#board .tip").first, page.locator("#board .why").first
        assert not tip.is_visible()
        page.evaluate("scrollTo(0, 0)")
        # Rows are still on their way.
        page.wait_for_timeout(400)
        box = why.bounding_box()
        page.mouse.move(box["x"] + 5, box["y"] + 5)
        assert tip.is_visible() and "rise" in tip.inner_text() and "ORDER NEW" in tip.inner_text()
        visit.shot("moves")
        page.mouse.move(5, 5)
        assert not tip.is_visible()
        why.focus()
        assert tip.is_visible()
        page.keyboard.press("Escape")
        assert not tip.is_visible()
        # Customers change places, and the focus stays with the one that had it.
        why.evaluate("(it) => it.dataset.mark = 'mine'")
        server.post(order("fall", third["customer_id"], "-1000000.00"))
        page.wait_for_function(
            "(id) => !document.querySelector('#board tbody tr').innerText.includes(id)", arg=third["customer_id"],
        )
    print(f"page: an append is on the leaderboard, with its reason, after {took:.2f} s: good")


def names_are_texts(browser, server):
    server.post("\n".join([
        customer("evil", last_name=SCRIPT, adr_city="<img src=x onerror=alert(1)>"),
        customer(SCRIPT, last_name="\"'&<b>"),
        order("<b>o</b>", "evil", "900000.00"), order("o&2", SCRIPT, "800000.00"),
    ]))
    with Visit(browser, server) as visit:
        page = visit.open()
        ready(visit)
        visit.wait(SCRIPT, "#board tbody tr:first-child a")
        assert SCRIPT in rows(page)[1][2]
        for id, name in [("evil", SCRIPT), (SCRIPT, "\"'&<b>")]:
            page.goto(f"{server.url.rstrip('/')}/#/customers/{quote(id, safe='')}")
            visit.wait(name, "#customer-name")
            page.wait_for_selector("#customer-weeks svg")
            assert page.locator("#customer-id").inner_text() == id
            titles = page.locator("#customer-weeks svg > title").text_content()
            assert titles == f"Revenue and visits of {id} by week"
        assert not page.locator("main script, main img").count()
    print("page: a name or an id that is a script is a text: good")


def a_customer_is_found(browser, server):
    top = server.get("/v1/top?x=10")["customers"]
    busiest = max(top, key=lambda one: one["orders"] + one["visits"])
    for scheme, size, name in [("light", DESKTOP, "customer"), ("dark", PHONE, "customer-phone")]:
        with Visit(browser, server, scheme, size) as visit:
            page = visit.open()
            ready(visit)
            page.get_by_label("Customer id").fill(busiest["customer_id"])
            page.keyboard.press("Enter")
            visit.wait(busiest["last_name"], "#customer-name")
            page.wait_for_selector("#customer-weeks svg")
            assert grouped(busiest["ltv"]) in page.locator("#customer-figures").inner_text()
            events = server.get(f"/v1/customers/{busiest['customer_id']}/events?limit=1000")["events"]
            while page.locator("#events-more").is_visible():
                shown = page.locator("#events tbody tr").count()
                page.locator("#events-more").click()
                page.wait_for_function(
                    "(n) => document.querySelectorAll('#events tbody tr').length > n", arg=shown)
            assert page.locator("#events tbody tr").count() == len(events)
            visit.no_sideways()
            visit.axe()
            page.evaluate("scrollTo(0, 0)")
            visit.shot(name, full=False)
            every_control_is_reached_by_key(page)
            page.go_back()
            page.wait_for_selector("#board tbody tr")
            assert page.locator("#customer").is_hidden()
    print("page: a customer is found by id, with all events: good")


def nobody_is_said_to_be_nobody(browser, server):
    with Visit(browser, server) as visit:
        page = visit.open("/#/customers/nobody%20%C3%A4%2F%3F")
        visit.wait("No customer has the id “nobody ä/?”", "#customer-note")
        visit.axe()
        # The browser itself says of a 404 that it came.
        visit.wrong = [one for one in visit.wrong if "404" not in one]
    print("page: an unknown id is said to be one: good")


def an_empty_log_says_so(browser, binary):
    with Server(binary) as server, Visit(browser, server) as visit:
        page = visit.open()
        ready(visit)
        visit.wait("No customer yet", "#board-empty")
        visit.wait("No customer yet", "#distribution-chart")
        visit.wait("No visit and no order yet", "#weeks-chart")
        visit.axe()
        visit.shot("empty")
        server.post(customer("first", last_name="First") + "\n" + order("o", "first", "5.00"))
        page.wait_for_selector("#board tbody tr", timeout=2_000)
    print("page: an empty log says so, and fills: good")


def a_server_that_went_comes_back(browser, server):
    with Visit(browser, server) as visit:
        page = visit.open()
        ready(visit)
        server.stop()
        visit.wait("No answer", "#state")
        visit.wait("does not answer", "#health-word")
        assert len(rows(page)) == 10
        visit.shot("away", full=False)
        server.start()
        visit.wait("Live", "#state", timeout=30_000)
        visit.wait("Takes events", "#health-word")
        server.post(customer("late", last_name="Late") + "\n" + order("late", "late", "5000000.00"))
        page.wait_for_function("() => document.querySelector('#board tbody tr').innerText.includes('late')")
        # That nobody answered is what the browser says itself.
        visit.wrong = [one for one in visit.wrong if "net::ERR" not in one]
    print("page: a server that went away and came back is followed again: good")


def a_token_is_asked_for(browser, binary, lines):
    tokens = "admin 0123456789abcdef0123\nappend fedcba98765432100123\n"
    with Server(binary, lines, tokens) as server, Visit(browser, server) as visit:
        page = visit.open()
        visit.wait("A token is needed", "h1")
        assert not page.locator("#home").is_visible()
        visit.axe()
        visit.shot("token", full=False)
        for bad, why in [("wrong", "not known here"), ("fedcba98765432100123", "good for something else")]:
            page.get_by_label("Token", exact=True).fill(bad)
            page.keyboard.press("Enter")
            visit.wait(why, "#entry-why")
        page.get_by_label("Token", exact=True).fill(server.token)
        page.keyboard.press("Enter")
        ready(visit)
        leaderboard_is_the_answer(visit)
        page.reload()
        ready(visit)
        assert page.evaluate("localStorage.length") == 0 and server.token not in page.url
        page.get_by_role("button", name="Forget token").click()
        visit.wait("A token is needed", "h1")
        assert not page.evaluate("sessionStorage.length") and not rows(page)
        visit.wrong = [one for one in visit.wrong if " 401 " not in one and " 403 " not in one]
    print("page: a token is asked for, kept in the tab alone, and forgotten: good")


def main():
    binary, chromium, out = sys.argv[1:]
    Path(out).mkdir(parents=True, exist_ok=True)
    command = [binary, "generate", "--events", "6000", "--customers", "500", "--seed", "7", "--updates", "5"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=ARGUMENTS)
        with Server(binary, lines) as server:
            overview(browser, server)
            charts_say_what_they_show(browser, server)
            a_customer_is_found(browser, server)
            nobody_is_said_to_be_nobody(browser, server)
            an_append_is_seen_within_a_second(browser, server)
            names_are_texts(browser, server)
            a_server_that_went_comes_back(browser, server)
        an_empty_log_says_so(browser, binary)
        a_token_is_asked_for(browser, binary, lines[:600])
        browser.close()


main()
