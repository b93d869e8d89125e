"""Limits on requests, counted in each process, in windows of the rate's length."""

import time

from limits import parse

from service.web.base.problems import Problem

MOST_COUNTED = 50_000


class Limits:
    """Limits for each key or person, and for sign-ins from each source, in the notation of ``limits``.

    Counting is one look into a dictionary: the library's own store starts a thread to sweep, which costs more
    than the fastest answers.
    """

    def __init__(self, rate: str, sign_in_rate: str) -> None:
        self._rate, self._sign_in = _parsed(rate), _parsed(sign_in_rate)
        self._counts: dict[tuple[str, int], int] = {}  # by who, and the second in which the window ends

    def count(self, who: str) -> None:
        """Count a request. Raises a 429 problem when it is one too many."""
        self._count(self._rate, who)

    def count_sign_in(self, address: str) -> None:
        """Count a sign-in, successful or not. Raises a 429 problem when it is one too many."""
        self._count(self._sign_in, f"sign-in {address}")

    def _forget(self, now: float) -> None:
        """Drop windows that have ended. If many remain, drop the half with the fewest requests.

        Whoever has sent most stays limited while many others ask.
        """
        counts = {key: seen for key, seen in self._counts.items() if key[1] > now}
        if len(counts) > MOST_COUNTED // 2:
            counts = dict(sorted(counts.items(), key=lambda entry: entry[1])[-MOST_COUNTED // 2 :])
        self._counts = counts

    def _count(self, rate: tuple[int, int], key: str) -> None:
        """Count towards ``rate``: how many in how many seconds."""
        now, (most, length) = time.time(), rate
        end = int(now // length + 1) * length
        seen = self._counts.get((key, end), 0) + 1
        if seen == 1 and len(self._counts) >= MOST_COUNTED:
            self._forget(now)
        self._counts[key, end] = seen
        if seen > most:
            wait = int(end - now) + 1
            raise Problem(
                429,
                "too-many",
                f"请求太多，请 {wait} 秒后再试",
                f"too many requests: try again in {wait} s",
                headers={"Retry-After": str(wait)},
            )


def _parsed(rate: str) -> tuple[int, int]:
    """Read a rate: how many requests in how many seconds.

    >>> _parsed("30/minute")
    (30, 60)
    """
    item = parse(rate)
    return item.amount, item.get_expiry()
