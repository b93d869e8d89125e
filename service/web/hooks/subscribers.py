"""Addresses that are told of a new week and of alarms, kept in one file that only the service's account can read."""

import base64
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from features.atomic import read_json, write_atomically
from features.language import UserError

FILE = "webhooks.json"
WEEK, ALARM = "week.published", "alarm.raised"
EVENTS = (WEEK, ALARM)
STANDARD = "standard"
KINDS = (STANDARD, "wecom", "dingtalk", "feishu")
LOCAL = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Subscriber:
    """An address: of another system (``standard``), or of a group's robot; with its secret and the events it is told."""

    id: str
    url: str
    kind: str
    secret: str
    events: tuple[str, ...]


def read_subscribers(workspace: Path) -> list[Subscriber]:
    """Read the addresses, in the order in which they were added. Raises UserError where the file is damaged."""
    path = workspace / FILE
    try:
        kept = read_json(path, [])
        return [Subscriber(**{**row, "events": tuple(row["events"])}) for row in kept]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UserError(
            f"{path}：读不了，请从备份放回，或删除后重新添加",
            f"{path}: cannot be read; put it back, or delete it and add anew",
        ) from error


def add_subscriber(
    workspace: Path, url: str, kind: str = STANDARD, secret: str = "", events: tuple[str, ...] = EVENTS
) -> Subscriber:
    """Add an address.

    workspace: that tells.
    url: an https address; http on this machine only.
    kind: one of ``KINDS``.
    secret: of a robot, the one that it signs with ("" for none); other systems get a new one.
    events: some of ``EVENTS``.

    Raises UserError for an address that is not safe.
    """
    if not _safe(url):
        raise UserError(
            "地址要以 https:// 开头，写法完整", "the address must begin with https:// and be complete"
        )
    if kind == STANDARD and secret and not _is_key(secret):
        raise UserError("签名密钥要是 whsec_ 加 base64", "the signing secret must be whsec_ and base64")
    if kind == STANDARD and not secret:
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    added = Subscriber(secrets.token_hex(4), url, kind, secret, events)
    _write(workspace, [*read_subscribers(workspace), added])
    return added


def _safe(url: str) -> bool:
    """Tell whether an address can be called: by https, or by http on this machine."""
    import httpx2  # takes a while

    try:
        parts = httpx2.URL(url)
    except (httpx2.InvalidURL, UnicodeError):
        return False
    return (parts.scheme == "https" and bool(parts.host)) or (parts.scheme == "http" and parts.host in LOCAL)


def _is_key(secret: str) -> bool:
    try:
        return bool(base64.b64decode(secret.removeprefix("whsec_"), validate=True))
    except ValueError:
        return False


def remove_subscriber(workspace: Path, identifier: str) -> None:
    """Remove an address. Raises UserError where there is none of this id."""
    kept = read_subscribers(workspace)
    rest = [subscriber for subscriber in kept if subscriber.id != identifier]
    if len(rest) == len(kept):
        raise UserError(f"没有 {identifier}", f"there is no {identifier}")
    _write(workspace, rest)


def _write(workspace: Path, subscribers: list[Subscriber]) -> None:
    write_atomically(
        workspace / FILE, json.dumps([asdict(subscriber) for subscriber in subscribers], indent=1).encode()
    )
