"""Slow and many connections end; the reverse proxy of the documentation passes requests on as they are."""

import re
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import httpx2
import pytest
import uvicorn
from running_service import free_port, service
from served_town import copy_workspace

from service.web.run import BoundedConnection, bounds

ROOT = Path(__file__).parents[3]
HALVES = {
    "nothing": b"",
    "half a head": b"GET /v1/health HTTP/1.1\r\nHost: x\r\nX-A: ",
    "half a body": b"POST /v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 90\r\n\r\n{",
    "a body of a reading request": b"GET /v1/health HTTP/1.1\r\nHost: x\r\nContent-Length: 90\r\n\r\n{",
}


def connected(address: str) -> socket.socket:
    host, port = address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def read_to_the_end(one: socket.socket) -> bytes:
    content = b""
    try:
        while piece := one.recv(65536):
            content += piece
    except ConnectionResetError:
        pass
    return content


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    workspace = copy_workspace(tmp_path_factory.mktemp("connections") / "workspace")
    with service(workspace, XIANYING_REQUEST_SECONDS="1", XIANYING_CONNECTIONS="20") as (_, address):
        yield address


@pytest.mark.parametrize("sent", HALVES.values(), ids=HALVES)
def test_a_request_that_never_ends_is_ended(address, sent):
    with connected(address) as one:
        one.sendall(sent)
        read_to_the_end(one)  # would wait for ever
    assert httpx2.get(f"{address}/v1/health").status_code == 200


def test_a_request_that_comes_letter_by_letter_is_ended(address):
    with connected(address) as one, pytest.raises(OSError, match=r"reset|pipe"):
        one.sendall(b"GET /v1/health HTTP/1.1\r\nX: ")
        for _ in range(600):
            one.sendall(b"a")
            time.sleep(0.05)
    assert httpx2.get(f"{address}/v1/health").status_code == 200


def test_a_head_without_end_is_ended(address):
    with connected(address) as one:
        one.sendall(b"GET /v1/health HTTP/1.1\r\n")
        with pytest.raises(OSError, match=r"reset|pipe"):
            for _ in range(10_000):
                one.sendall(b"X-A: " + b"a" * 1000 + b"\r\n")


def test_more_connections_than_allowed_are_turned_away_and_the_service_goes_on(address):
    for _ in range(10):  # a busy machine may let the first end before the last has come
        held = [connected(address) for _ in range(30)]
        turned_away = httpx2.get(f"{address}/v1/health").status_code == 503
        for one in held:
            read_to_the_end(one)
            one.close()
        if turned_away:
            break
    assert turned_away
    assert httpx2.get(f"{address}/v1/health").status_code == 200


def test_connections_that_ask_again_stay(address):
    with connected(address) as one:
        for _ in range(3):
            one.sendall(b"GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = one.recv(65536)
            while b'"ok"' not in answer:  # head and body may come one after the other
                answer += one.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200")
            time.sleep(0.7)  # together longer than one request may take


@pytest.mark.parametrize("head", [b"Connection: close\r\n", b""], ids=["last", "idle"])
def test_an_answer_that_is_never_read_to_its_end_keeps_no_connection(head, monkeypatch):
    async def app(scope, receive, send):
        length = [
            (b"content-length", b"50000")
        ]  # less than what uvicorn waits for, more than the sockets hold
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": b"x" * 50_000})

    monkeypatch.setattr(BoundedConnection, "seconds", 0.2)
    configuration = uvicorn.Config(app, lifespan="off", log_level="error", **bounds(9))
    configuration.timeout_keep_alive = 0.2
    server = uvicorn.Server(configuration)
    listening, client = socket.socket(), socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listening.bind(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    with listening, client:
        while not server.started:
            time.sleep(0.01)
        client.connect(listening.getsockname())
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n")
        while not server.server_state.total_requests:
            time.sleep(0.01)
        waited = time.monotonic() + 20
        while server.server_state.connections and time.monotonic() < waited:
            time.sleep(0.01)
        ended = not server.server_state.connections
    server.should_exit = True
    thread.join()
    assert ended


def certificate(place: Path) -> None:
    options = [
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=localhost",
    ]
    subprocess.run(
        ["openssl", "req", *options, "-keyout", str(place / "key"), "-out", str(place / "crt")],
        check=True,
        capture_output=True,
    )


@pytest.mark.skipif(
    not shutil.which("nginx") or not shutil.which("openssl"), reason="nginx or openssl is not here"
)
def test_the_example_of_a_reverse_proxy_works(tmp_path):
    certificate(tmp_path)
    workspace = copy_workspace(tmp_path / "workspace")
    secure, plain = free_port(), free_port()
    with service(workspace, XIANYING_ENVIRONMENT="production", XIANYING_SECRET="x" * 32) as (_, address):
        example = (ROOT / "docs" / "deployment" / "nginx.conf").read_text("utf-8")
        for pattern, value in {
            r"/etc/ssl/xianying\.crt": str(tmp_path / "crt"),
            r"/etc/ssl/private/xianying\.key": str(tmp_path / "key"),
            r"127\.0\.0\.1:8000": address.removeprefix("http://"),
            r"listen 443 ssl": f"listen 127.0.0.1:{secure} ssl",
            r"listen 80;": f"listen 127.0.0.1:{plain};",
        }.items():
            example, count = re.subn(pattern, value, example)
            assert count == 1, pattern
        temporary = "".join(
            f"{kind}_temp_path {tmp_path}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        whole = f"daemon off; pid {tmp_path}/pid; error_log stderr; events {{}} http {{ {temporary}\n{example}\n}}"
        (tmp_path / "nginx.conf").write_text(whole, "utf-8")
        command = ["nginx", "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)]
        tested = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
        assert tested.returncode == 0, tested.stderr
        proxy = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            with httpx2.Client(base_url=f"https://127.0.0.1:{secure}", verify=False) as client:
                for _ in range(300):
                    try:
                        client.get("/v1/health")
                        break
                    except httpx2.ConnectError:
                        time.sleep(0.1)
                page = client.get("/sign-in")
                assert page.status_code == 200 and "secure" in page.headers["set-cookie"].lower()
                assert client.get("/metrics").status_code == 404
                given = {"login": "nobody", "password": "wrong password"}
                for number in range(9):  # the address is the client's own, whatever it claims
                    claimed = {"X-Forwarded-For": f"192.0.2.{number}"}
                    answer = client.post("/v1/session", json=given, headers=claimed)
                assert answer.status_code == 429
                assert client.post("/v1/session", content=b"x" * 3_000_000).status_code == 413
        finally:
            proxy.terminate()
            proxy.wait()
