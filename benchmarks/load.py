"""A small load generator: keep-alive connections of one process, each sending the next request once it has its answer."""

import selectors
import socket
import statistics
import time
from dataclasses import dataclass, field


@dataclass
class Measured:
    """What one round gave."""

    seconds: float
    waits: list[float] = field(default_factory=list)  # seconds of each answer
    failed: int = 0  # answers other than 200
    processor: float = 0.0  # seconds of processor time that the server took, whatever else the machine did

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.waits) / self.seconds

    def quantile(self, share: float) -> float:
        """Milliseconds within which this share of the answers came."""
        ordered = sorted(self.waits)
        return 1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else float("nan")


class _Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.begin = 0.0

    def send(self, request: bytes) -> None:
        self.buffer, self.begin = b"", time.perf_counter()
        self.socket.sendall(request)

    def answered(self) -> bytes | None:
        """The status line's code once the whole answer is there."""
        chunk = self.socket.recv(65536)
        if not chunk:
            raise ConnectionError("closed")
        self.buffer += chunk
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return None
        lower = head.lower()
        place = lower.index(b"content-length:") + 15
        length = int(lower[place:].split(b"\r\n", 1)[0])
        return head[9:12] if len(body) >= length else None


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """A request as bytes."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: localhost",
        *(f"{name}: {one}" for name, one in headers.items()),
    ]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def measure(port: int, requests: list[bytes], connections: int, seconds: float) -> Measured:
    """Send ``requests`` in turn over ``connections`` for so many seconds."""
    selector = selectors.DefaultSelector()
    number = 0
    for _ in range(connections):
        one = _Connection(port)
        selector.register(one.socket, selectors.EVENT_READ, one)
        one.send(requests[number % len(requests)])
        number += 1
    begin = time.perf_counter()
    found = Measured(seconds)
    while (now := time.perf_counter()) - begin < seconds:
        for key, _ in selector.select(timeout=1):
            connection: _Connection = key.data
            status = connection.answered()
            if status is None:
                continue
            found.waits.append(time.perf_counter() - connection.begin)
            found.failed += status != b"200"
            connection.send(requests[number % len(requests)])
            number += 1
    found.seconds = now - begin
    for key in list(selector.get_map().values()):
        key.data.socket.close()
    return found


def together(rounds: list[Measured]) -> dict[str, float]:
    """Median and best rate over the rounds, the quantiles of all answers, and microseconds of processor time for each."""
    waits = Measured(1.0, [wait for one in rounds for wait in one.waits])
    return {
        "rate": statistics.median(one.rate for one in rounds),
        "best": max(one.rate for one in rounds),  # the round that other programs disturbed least
        "p50": waits.quantile(0.5),
        "p99": waits.quantile(0.99),
        "processor": 1e6 * sum(one.processor for one in rounds) / max(len(waits.waits), 1),
        "failed": float(sum(one.failed for one in rounds)),
    }
