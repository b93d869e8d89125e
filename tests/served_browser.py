"""A real service in a process of its own and a real Chromium, for tests of the pages."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from axe_core_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Playwright
from served_town import PASSWORD, add_people, settings_for
from sqlalchemy import select

from service.web.auth import people
from service.web.database.engine import Database, open_database
from service.web.database.tables import Outcome

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
SLOW = 20_000  # ms: a busy machine is not an error


class Server:
    """``xianying serve`` on a workspace; can be cut off and come back at the same address."""

    def __init__(self, workspace: Path) -> None:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        self.workspace, self.process = workspace, None
        self.address = f"http://127.0.0.1:{self.port}"
        self.database: Database = open_database(settings_for(workspace))
        add_people(self.database)

    def start(self) -> None:
        """Serve, and wait until it answers."""
        environment = {
            **os.environ,
            "XIANYING_ENVIRONMENT": "development",
            "XIANYING_PORT": str(self.port),
            "XIANYING_ATTEMPTS": "3",
            "XIANYING_IDENTITY_SECONDS": "0",
            "XIANYING_SIGN_IN_RATE": "1000/minute",
        }
        environment.pop("XIANYING_LANGUAGE", None)
        command = [
            sys.executable,
            "-c",
            "from service.cli.commands import main; main()",
            "--workspace",
            str(self.workspace),
            "serve",
        ]
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        for _ in range(600):
            try:
                urlopen(f"{self.address}/v1/health", timeout=5).close()
                return
            except OSError:
                assert self.process.poll() is None, "the service did not start"
                time.sleep(0.1)
        raise AssertionError("the service did not answer")

    def stop(self) -> None:
        """The connection is gone."""
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end_sessions(self, login: str) -> None:
        """Whatever sessions this person has end."""
        people.set_password(self.database, login, PASSWORD)

    def outcomes(self) -> list[tuple[str, str, bool]]:
        """Who, outcome and whether it was undone, of every outcome that is stored, the oldest first."""
        with self.database.reading() as session:
            rows = session.scalars(select(Outcome).order_by(Outcome.id))
            return [(one.by, one.outcome, one.undone_at is not None) for one in rows]


def start_chromium(playwright: Playwright) -> Browser:
    """The system's Chromium, without a window."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))


@contextmanager
def browsing(browser: Browser, server: Server, language: str = "zh", **more: Any) -> Iterator[Page]:
    """A page in a browser of its own: no cookies, nothing stored but the language."""
    context = browser.new_context(base_url=server.address, viewport=more.pop("viewport", PHONE), **more)
    context.set_default_timeout(SLOW)
    if language != "zh":
        context.add_cookies([{"name": "xianying_language", "value": language, "url": server.address}])
    wrong: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if "Content Security" in line.text else None)
    try:
        yield page
        assert not wrong
    finally:
        context.close()


@contextmanager
def without_connection(page: Page, server: Server) -> Iterator[None]:
    """The browser is offline, and nothing that it sends arrives.

    A page that is left hears from Chromium that it is online, a moment before it is gone; what it sends then passes
    the emulation (and a route of Playwright's as well).
    """
    assert server.process
    page.context.set_offline(True)
    server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)
    page.context.set_offline(False)


def sign_in(page: Page, login: str, password: str = PASSWORD) -> None:
    """Sign in by the form."""
    page.goto("/sign-in")
    page.fill("#login", login)
    page.fill("#password", password)
    page.click("main button")


def check_page(page: Page, where: str) -> None:
    """Nothing that axe-core finds wrong by WCAG 2.1 AA (contrast, names, order …), and nothing to scroll sideways."""
    rules = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
    found = Axe().run(page, options={"runOnly": rules})["violations"]
    assert not [(where, one["id"], [node["html"] for node in one["nodes"]]) for one in found]
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1], f"{where} is wider than the screen"
