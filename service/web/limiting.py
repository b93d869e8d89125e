"""How many requests somebody may send: counted in each process."""

import time

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from features.language import say
from service.web.problems import Problem


class Limits:
    """Limits for one key or person, and for sign-ins from one address; in the notation of ``limits``."""

    def __init__(self, rate: str, sign_in_rate: str) -> None:
        self._rate, self._sign_in = parse(rate), parse(sign_in_rate)
        self._counter = FixedWindowRateLimiter(MemoryStorage())

    def count(self, who: str) -> None:
        """Count a request. Raises a 429 problem for one too many."""
        self._count(self._rate, who)

    def count_sign_in(self, address: str) -> None:
        """Count a sign-in, successful or not. Raises a 429 problem for one too many."""
        self._count(self._sign_in, f"sign-in {address}")

    def _count(self, rate: RateLimitItem, key: str) -> None:
        if not self._counter.hit(rate, key):
            wait = max(1, int(self._counter.get_window_stats(rate, key).reset_time - time.time()) + 1)
            raise Problem(
                429,
                "too-many",
                say(f"请求太多，请 {wait} 秒后再试", f"too many requests: try again in {wait} s"),
                headers={"Retry-After": str(wait)},
            )
