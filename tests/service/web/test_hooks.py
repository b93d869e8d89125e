"""Webhooks: signed, sent until they arrive, and without names."""

import hmac
import json
import socket
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from served_town import NEWEST, copy_workspace, publish_week, served
from small_client import small_client
from small_town import AS_OF

from features.language import UserError
from service.cli.commands import commands
from service.console.terminal import run
from service.web.hooks import outbox
from service.web.hooks.outbox import WAITS, send_due, tell
from service.web.hooks.subscribers import (
    ALARM,
    FILE,
    WEEK,
    add_subscriber,
    read_subscribers,
    remove_subscriber,
)
from service.web.rights.rights import refuse

DATA = {"as_of": "2024-09-02", "households": 8, "visits": 9, "model_version": "1"}


class Listener:
    """A server of this machine that keeps what it gets, and answers as it is told to."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.status, self.answer = 204, b""
        self.asked, self.before = threading.Event(), lambda: None  # done before it answers
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.got.append((self.path, headers, body))
                outer.asked.set()
                outer.before()
                self.send_response(outer.status)
                self.end_headers()
                self.wfile.write(outer.answer)

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def listener() -> Iterator[Listener]:
    found = Listener()
    yield found
    found.server.shutdown()
    found.server.server_close()


def test_a_new_week_is_told_once_signed_and_without_a_household(tmp_path: Path, listener: Listener) -> None:
    workspace = copy_workspace(tmp_path / "workspace")
    secret = add_subscriber(workspace, listener.url, events=(WEEK,)).secret
    publish_week(workspace, AS_OF)
    publish_week(workspace, AS_OF)
    assert len(send_due(workspace)) == 1 and send_due(workspace) == []
    ((_, headers, body),) = listener.got
    event = small_client().verified(secret, headers, body)
    assert event["type"] == WEEK and event["data"]["as_of"] == NEWEST and event["data"]["households"] > 0
    assert b"h0" not in body and (workspace / FILE).stat().st_mode & 0o077 == 0
    with pytest.raises(ValueError, match="signature"):
        small_client().verified(secret, headers, body + b" ")


def test_what_does_not_arrive_is_sent_again_until_it_is_given_up(tmp_path: Path, listener: Listener) -> None:
    add_subscriber(tmp_path, listener.url)
    listener.status = 500
    tell(tmp_path, WEEK, DATA)
    now = 1_800_000_000.0
    assert "5 秒后再试" in send_due(tmp_path, now)[0] and send_due(tmp_path, now + 1) == []
    for wait in WAITS:
        now += wait
        lines = send_due(tmp_path, now)
    assert "不再重试" in lines[0] and send_due(tmp_path, now + 1e6) == []
    assert len(listener.got) == len(WAITS) + 1
    assert len({headers["webhook-id"] for _, headers, _ in listener.got}) == 1
    tell(tmp_path, WEEK, DATA | {"visits": 10})
    assert "再试" in send_due(tmp_path, now)[0]
    listener.status = 200
    assert "已送达" in send_due(tmp_path, now - 3e7)[0], "the clock was set back by a year"


def test_an_address_that_cannot_be_called_does_not_keep_the_others_waiting(
    tmp_path: Path, listener: Listener
) -> None:
    for address in ("https://host:x/", "https://[::1/", "https://a\x00b/", "https:///x", "ftp://a/"):
        with pytest.raises(UserError, match="地址"):
            add_subscriber(tmp_path, address)
    with pytest.raises(UserError, match="base64"):
        add_subscriber(tmp_path, listener.url, secret="no secret")
    (tmp_path / FILE).write_text(  # as an earlier version took it
        json.dumps([{"id": "a", "url": "https://h:x/", "kind": "wecom", "secret": "", "events": [WEEK]}])
    )
    add_subscriber(tmp_path, listener.url)
    tell(tmp_path, WEEK, DATA)
    assert sorted("再试" in line for line in send_due(tmp_path)) == [False, True]


@pytest.mark.parametrize("content", ["{", "[null]", '[{"id": "a", "x": 1}]', "5"])
def test_a_damaged_list_of_addresses_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(UserError, match="webhooks"):
        read_subscribers(tmp_path)


def test_an_answer_without_end_is_cut_off(tmp_path: Path, listener: Listener) -> None:
    add_subscriber(tmp_path, listener.url, "wecom")
    listener.status, listener.answer = 200, b"x" * 10_000_000
    tell(tmp_path, WEEK, DATA)
    assert "再试" in send_due(tmp_path)[0]


@pytest.mark.parametrize("piece", [b"x", b"HTTP/1.1 100 Continue\r\n\r\n"], ids=["head", "informational"])
def test_a_head_without_end_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: bytes) -> None:
    monkeypatch.setattr(outbox, "PATIENCE", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer_for_ever() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.sendall(b"" if piece.startswith(b"HTTP") else b"HTTP/1.1 200 OK\r\nX: ")
                while True:
                    connection.sendall(piece)
                    time.sleep(0.1)

        threading.Thread(target=answer_for_ever, daemon=True).start()
        add_subscriber(tmp_path, f"http://127.0.0.1:{server.getsockname()[1]}/")
        tell(tmp_path, WEEK, DATA)
        lines: list[str] = []
        sending = threading.Thread(target=lambda: lines.extend(send_due(tmp_path)), daemon=True)
        sending.start()
        sending.join(20)
        assert not sending.is_alive() and "TimeoutError" in lines[0]


def test_a_slow_address_keeps_no_refusal_waiting(tmp_path: Path, listener: Listener) -> None:
    workspace = copy_workspace(tmp_path / "workspace")
    answered = threading.Event()
    listener.before = lambda: answered.wait(20)
    add_subscriber(workspace, listener.url)
    tell(workspace, WEEK, DATA)
    with served(workspace, refresh_seconds=0.1) as client:
        assert listener.asked.wait(20)
        refuse(client.app.state.database, "command:li", "h04", date(2024, 9, 2))
        end = time.monotonic() + 10
        while "h04" not in client.app.state.restrictions.refusing and time.monotonic() < end:
            time.sleep(0.05)
        assert "h04" in client.app.state.restrictions.refusing
        answered.set()


@pytest.mark.parametrize("kind", ["wecom", "dingtalk", "feishu"])
def test_a_robot_gets_a_line_without_names(kind: str, tmp_path: Path, listener: Listener) -> None:
    add_subscriber(tmp_path, f"{listener.url}?key=abc", kind, "" if kind == "wecom" else "SEC1")
    tell(tmp_path, WEEK, DATA)
    listener.status, listener.answer = 200, b'{"errcode":93000,"code":93000}'
    assert "再试" in send_due(tmp_path, 1_800_000_000)[0], "a robot says in the body that it refused"
    listener.answer = b'{"errcode":0,"code":0}'
    assert "已送达" in send_due(tmp_path, 1_800_000_010)[0]
    path, _, body = listener.got[-1]
    content = json.loads(body)
    text = content["content"]["text"] if kind == "feishu" else content["text"]["content"]
    assert text == "先应：2024-09-02 一周的走访名单已备好，请登录查看。"
    query = parse_qs(urlsplit(path).query)
    assert query["key"] == ["abc"]
    if kind == "dingtalk":
        signed = hmac.new(b"SEC1", f"{query['timestamp'][0]}\nSEC1".encode(), sha256).digest()
        assert b64decode(query["sign"][0]) == signed
    if kind == "feishu":
        signed = hmac.new(f"{content['timestamp']}\nSEC1".encode(), b"", sha256).digest()
        assert content["sign"] == b64encode(signed).decode()


def test_addresses_are_added_listed_and_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def xianying(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = run(lambda: commands(["--workspace", str(tmp_path), *arguments], standalone_mode=False))
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    assert "https://" in xianying("webhooks", "add", "http://example.org/x")[1]
    code, told = xianying("webhooks", "add", "https://example.org/token-1", "--event", ALARM)
    assert code == 0 and "whsec_" in told
    (added,) = read_subscribers(tmp_path)
    listed = xianying("webhooks", "list")[1]
    assert added.id in listed and "example.org" in listed and "token-1" not in listed
    assert added.secret not in listed
    tell(tmp_path, WEEK, DATA)
    assert send_due(tmp_path) == [], "it asked for alarms only"
    assert xianying("webhooks", "remove", added.id)[0] == 0 and read_subscribers(tmp_path) == []
    with pytest.raises(UserError, match="没有"):
        remove_subscriber(tmp_path, added.id)
