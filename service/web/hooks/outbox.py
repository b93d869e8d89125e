"""Events that wait to be told: a file each, so that none is lost when a process ends, sent again until it arrives."""

import asyncio
import base64
import fcntl
import hashlib
import hmac
import json
import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from features.atomic import read_json, write_atomically
from features.language import say
from service.web.hooks.subscribers import STANDARD, WEEK, Subscriber, read_subscribers

OUTBOX = "outbox"
WAITS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)  # seconds before each further attempt
PATIENCE, LONGEST_ANSWER = 15.0, 1 << 16  # seconds and bytes of an answer
log = logging.getLogger("xianying")


@dataclass(frozen=True)
class Message:
    """A request to send."""

    url: str
    headers: dict[str, str]
    body: bytes


def message(subscriber: Subscriber, event: dict[str, Any], now: int) -> Message:
    """Make the request that tells a subscriber of an event.

    ``event``: its id, type, timestamp and data. ``now``: seconds since 1970.
    """
    if subscriber.kind == STANDARD:
        content = {name: event[name] for name in ("type", "timestamp", "data")}
        body = json.dumps(content, ensure_ascii=False).encode()
        headers = {
            "webhook-id": event["id"],
            "webhook-timestamp": str(now),
            "webhook-signature": signature(subscriber.secret, event["id"], now, body),
        }
        return Message(subscriber.url, {"content-type": "application/json", **headers}, body)
    return _to_robot(subscriber, words(event), now)


def signature(secret: str, identifier: str, now: int, body: bytes) -> str:
    """Sign an event as Standard Webhooks does: ``v1,`` and the HMAC-SHA256 of ``id.timestamp.body`` in base64.

    ``secret``: whsec_ and base64. ``identifier``: of the event. ``now``: seconds since 1970. ``body``: as sent.
    """
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{identifier}.{now}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def words(event: dict[str, Any]) -> str:
    """Write an event in words that name no household, worker or need."""
    data = event["data"]
    if event["type"] == WEEK:
        return say(
            f"先应：{data['as_of']} 一周的走访名单已备好，请登录查看。",
            f"Xianying: the lists for the week of {data['as_of']} are ready; sign in to see them.",
        )
    count = len(data["alarms"])
    return say(
        f"先应：{data['as_of']} 的核对有 {count} 条警报，请数据员登录查看。",
        f"Xianying: the check of {data['as_of']} raised {count} alarms; data staff, please sign in.",
    )


def _to_robot(subscriber: Subscriber, text: str, now: int) -> Message:
    url, secret = subscriber.url, subscriber.secret
    content: dict[str, Any] = {"msgtype": "text", "text": {"content": text}}
    if subscriber.kind == "dingtalk" and secret:
        moment = str(now * 1000)
        sign = _hmac(secret.encode(), f"{moment}\n{secret}".encode())
        url += f"{'&' if '?' in url else '?'}timestamp={moment}&sign={quote(sign, safe='')}"
    if subscriber.kind == "feishu":
        content = {"msg_type": "text", "content": {"text": text}}
        if secret:
            content |= {"timestamp": str(now), "sign": _hmac(f"{now}\n{secret}".encode(), b"")}
    return Message(
        url, {"content-type": "application/json"}, json.dumps(content, ensure_ascii=False).encode()
    )


def _hmac(key: bytes, content: bytes) -> str:
    return base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def accepted(subscriber: Subscriber, status: int, body: bytes) -> bool:
    """Tell whether an answer means that the event arrived: robots answer 200 and say in the body whether it did."""
    if not 200 <= status < 300:
        return False
    if subscriber.kind == STANDARD:
        return True
    try:
        answer = json.loads(body)
        return answer.get("errcode", answer.get("code", answer.get("StatusCode", 1))) == 0
    except (ValueError, AttributeError, RecursionError):
        return False


def tell(workspace: Path, kind: str, data: dict[str, Any]) -> None:
    """Put an event into the outbox for everybody who is told of its kind.

    ``data`` must name no household, person or need. The same data are told once.
    """
    wanted = [subscriber for subscriber in read_subscribers(workspace) if kind in subscriber.events]
    path = workspace / OUTBOX / "told.json"
    before = read_json(path, {})
    if not wanted or before.get(kind) == data:
        return
    (workspace / OUTBOX).mkdir(exist_ok=True)
    moment, identifier = datetime.now(UTC).isoformat(timespec="seconds"), f"msg_{uuid4().hex}"
    for subscriber in wanted:
        waiting = {
            "id": identifier,
            "type": kind,
            "timestamp": moment,
            "data": data,
            "subscriber": subscriber.id,
            "attempts": 0,
            "due": 0,
        }
        _write(workspace / OUTBOX / f"{identifier}-{subscriber.id}.json", waiting)
    write_atomically(path, json.dumps({**before, kind: data}, ensure_ascii=False).encode())


def send_due(workspace: Path, now: float | None = None) -> list[str]:
    """Send what is due; return a line on each event that arrived, waits or was given up.

    ``now``: seconds since 1970. Only one process at a time sends; another one returns at once.
    """
    place, moment = workspace / OUTBOX, time.time() if now is None else now
    if not place.is_dir() or not any(place.glob("msg_*.json")):
        return []
    with (place / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return []
        known = {subscriber.id: subscriber for subscriber in read_subscribers(workspace)}
        lines = []
        for path in sorted(place.glob("msg_*.json")):
            waiting = read_json(path)
            subscriber = known.get(waiting["subscriber"])
            if subscriber is None:
                path.unlink()
            elif waiting["due"] <= moment or waiting["due"] > moment + WAITS[-1]:  # the clock was set back
                lines.append(_attempt(path, waiting, subscriber, moment))
        return lines


def _attempt(path: Path, waiting: dict[str, Any], subscriber: Subscriber, now: float) -> str:
    """Send one event, and remove it or set the time of the next attempt; return a line on it."""
    import httpx2  # takes a while, and most runs of a command send nothing

    try:
        status, body = asyncio.run(_answer(message(subscriber, waiting, int(now))))
        arrived, why = accepted(subscriber, status, body), str(status)
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, TimeoutError) as error:  # the others are told
        arrived, why = False, type(error).__name__
    about = f"{waiting['type']} → {subscriber.id}"
    if arrived:
        path.unlink()
        return say(f"{about}：已送达", f"{about}: delivered")
    if waiting["attempts"] == len(WAITS):
        path.unlink()
        log.error("%s given up after %d attempts: %s", about, len(WAITS) + 1, why)
        return say(f"{about}：{why}，多次未送达，不再重试", f"{about}: {why}, given up")
    wait = WAITS[waiting["attempts"]]
    _write(path, {**waiting, "attempts": waiting["attempts"] + 1, "due": now + wait})
    return say(f"{about}：{why}，{wait} 秒后再试", f"{about}: {why}, again in {wait} s")


async def _answer(sent: Message) -> tuple[int, bytes]:
    """Send a request; return the answer's status and its beginning.

    An answer that comes a byte at a time, or never ends, must not keep the others waiting. Raises TimeoutError.
    """
    import httpx2

    async with httpx2.AsyncClient(timeout=PATIENCE) as client:
        request = client.build_request("POST", sent.url, content=sent.body, headers=sent.headers)
        async with asyncio.timeout(PATIENCE):
            answer = await client.send(request, stream=True)
        body = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > LONGEST_ANSWER:
                        break
        await answer.aclose()
        return answer.status_code, body


def _write(path: Path, waiting: dict[str, Any]) -> None:
    write_atomically(path, json.dumps(waiting, ensure_ascii=False).encode())
