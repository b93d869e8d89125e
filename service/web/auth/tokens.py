"""Tokens, API keys and passwords: made, hashed and compared."""

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
    """256 random bits as text."""
    return secrets.token_urlsafe(32)


def new_key() -> tuple[str, str]:
    """Id and whole text of a new API key: ``xy_ID_SECRET``."""
    identity = secrets.token_hex(6)
    return identity, f"{PREFIX}_{identity}_{new_token()}"


def hashed(token: str) -> str:
    """What is stored of a token or key. They are random, so a plain hash cannot be guessed back."""
    return hashlib.sha256(token.encode()).hexdigest()


def hash_password(password: str) -> str:
    """Argon2id."""
    return _hasher.hash(password)


@cache
def _nobody() -> str:
    return hash_password(new_token())


def password_fits(password: str, stored: str | None) -> bool:
    """Whether a password is the stored one; takes as long where there is none."""
    try:
        return _hasher.verify(stored or _nobody(), password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def signed(secret: str, text: str) -> str:
    """A signature of ``text``."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def same(one: str, other: str) -> bool:
    """Whether two texts are equal, in a time that tells nothing."""
    return hmac.compare_digest(one.encode(), other.encode())
