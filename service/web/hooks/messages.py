"""What is sent to each kind of address: signed events for other systems, and short texts without names for robots.

Other systems get the form of Standard Webhooks (https://www.standardwebhooks.com): headers webhook-id,
webhook-timestamp and webhook-signature. The robots of WeCom, DingTalk and Feishu take a text; the last two sign in ways
of their own.
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from features.language import say
from service.web.hooks.subscribers import STANDARD, WEEK, Subscriber


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
