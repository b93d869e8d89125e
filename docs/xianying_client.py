"""A small client of Xianying's API: one file, Python 3.11 or later, nothing to install. Copy it into your system.

client = Xianying("https://xianying.example.org", key="xy_...", purpose="weekly visits")
for visit in client.visits(need="summer_childcare"):
    print(visit["visit_order"], visit["household_id"], visit["reason"])
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from hmac import compare_digest, new
from time import time
from typing import Any, TypedDict
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen
from uuid import uuid4


class Visit(TypedDict):
    """A household and a need to ask about; the fields that every key sees."""

    outreach_id: str
    as_of: str
    grid_id: str
    microgrid_id: str
    household_id: str
    need: str
    visit_order: int
    arm: str
    reason: str
    model_version: str


class Score(TypedDict):
    """A household's score for one need."""

    need: str
    p_request: float
    p_need: float
    rank: int


class Scores(TypedDict):
    """A household's scores of a week."""

    household_id: str
    as_of: str
    model_version: str
    scores: list[Score]


class XianyingError(Exception):
    """An answer that says what was wrong: ``status``, and the problem as the service tells it (RFC 9457)."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('title', '')} {problem.get('detail', '')}".strip())
        self.status, self.problem = status, dict(problem)


class Xianying:
    """The service at an address, with an API key; ``purpose`` is noted in its audit log."""

    def __init__(self, address: str, key: str, purpose: str = "", timeout: float = 30.0) -> None:
        self.address, self.timeout = address.rstrip("/"), timeout
        self.headers = {"Authorization": f"Bearer {key}", "Accept": "application/json"}
        if purpose:
            self.headers["X-Purpose"] = quote(purpose)

    def visits(self, as_of: str | None = None, **filters: str) -> Iterator[Visit]:
        """Give the week's visits in sight, page by page; ``filters``: grid_id, microgrid_id, need, arm, worker_id ..."""
        cursor: str | None = None
        while True:
            asked = {"as_of": as_of, "cursor": cursor, **filters}
            found = self.call("GET", "/v1/visits", {name: one for name, one in asked.items() if one})
            yield from found["visits"]
            cursor = found["next"]
            if not cursor:
                return

    def scores(self, household_id: str, as_of: str | None = None) -> Scores:
        """Return a household's stored scores of a week, by default the newest."""
        query = {"as_of": as_of} if as_of else {}
        return self.call("GET", f"/v1/households/{quote(household_id, safe='')}/scores", query)

    def live_scores(self, household: Mapping[str, Any], as_of: str | None = None) -> Scores:
        """Score records that the service does not have: household_id, households, residents, requests, outreach."""
        return self.call("POST", "/v1/live/scores", {"as_of": as_of} if as_of else {}, household)

    def report_outcome(self, outreach_id: str, outcome: str, key: str | None = None) -> dict[str, Any]:
        """Report what a visit found; sent again with the same ``key`` it counts once."""
        body = {"outreach_id": outreach_id, "outcome": outcome}
        return self.call("POST", "/v1/outcomes", {}, body, {"Idempotency-Key": key or uuid4().hex})

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send any request of the API and return the answer's JSON. Raises XianyingError."""
        address = f"{self.address}{path}" + (f"?{urlencode(query)}" if query else "")
        content = None if body is None else json.dumps(body).encode()
        given = {
            **self.headers,
            **(headers or {}),
            **({"Content-Type": "application/json"} if content else {}),
        }
        request = Request(address, content, given, method=method)
        try:
            with urlopen(request, timeout=self.timeout) as answer:
                return json.load(answer)
        except HTTPError as error:
            raise XianyingError(error.code, _problem(error.read())) from None


def _problem(content: bytes) -> dict[str, Any]:
    try:
        return json.loads(content)
    except ValueError:
        return {}


def verified(
    secret: str, headers: Mapping[str, str], body: bytes, tolerance: float = 300.0
) -> dict[str, Any]:
    """Return the event of a webhook, after checking its signature and that it is not old (Standard Webhooks).

    ``secret``: whsec_..., as ``xianying webhooks add`` showed it. ``headers``: of the request, with lower-case names.
    ``body``: as it came. ``tolerance``: seconds. Raises ValueError for one that is not genuine.
    """
    identifier, moment = headers["webhook-id"], headers["webhook-timestamp"]
    if abs(time() - int(moment)) > tolerance:
        raise ValueError("too old or too new")
    signed = f"{identifier}.{moment}.".encode() + body
    wanted = (
        "v1," + b64encode(new(b64decode(secret.removeprefix("whsec_")), signed, sha256).digest()).decode()
    )
    if not any(compare_digest(wanted, one) for one in headers["webhook-signature"].split(" ")):
        raise ValueError("wrong signature")
    return json.loads(body)
