"""Make, hash and compare tokens, API keys and passwords."""

import hashlib
import hmac
import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

PREFIX = "xy"
FEWEST_CHARACTERS = 10
_hasher = PasswordHasher()


def new_token() -> str:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(32)


def new_key() -> tuple[str, str]:
    """Return the id and the whole text of a new API key, ``xy_ID_SECRET``."""
    identity = secrets.token_hex(6)
    return identity, f"{PREFIX}_{identity}_{new_token()}"


def hashed(token: str) -> str:
    """Return the hash under which a token or key is stored: plain SHA-256, as they are random."""
    return hashlib.sha256(token.encode()).hexdigest()


def hash_password(password: str) -> str:
    """Hash a password with Argon2id."""
    return _hasher.hash(password)


@cache
def _nobody() -> str:
    return hash_password(new_token())


def password_fits(password: str, stored: str | None) -> bool:
    """Tell whether a password is the stored one; without a stored one it takes as long."""
    try:
        return _hasher.verify(stored or _nobody(), password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def signed(secret: str, text: str) -> str:
    """Compute the signature of a text: HMAC-SHA256, hexadecimal."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def same(given: str, other: str) -> bool:
    """Tell whether two texts are equal, in constant time."""
    return hmac.compare_digest(given.encode(), other.encode())
