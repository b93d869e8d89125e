"""Events that wait to be told: a file each, so that none is lost when a process ends, sent again until it arrives."""

import asyncio
import fcntl
import json
import logging
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from features.atomic import read_json, write_atomically
from features.language import say
from service.web.hooks.messages import Message, accepted, message
from service.web.hooks.subscribers import Subscriber, read_subscribers

OUTBOX = "outbox"
WAITS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)  # seconds before each further attempt
PATIENCE, LONGEST_ANSWER = 15.0, 1 << 16  # seconds and bytes of an answer
log = logging.getLogger("xianying")


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
