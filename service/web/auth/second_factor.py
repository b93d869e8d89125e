"""A second factor: six digits from an app on the person's phone that change every half minute (TOTP, RFC 6238)."""

import base64
import hmac
import secrets
from typing import NamedTuple

import pyotp
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import delete
from sqlalchemy.orm import Session

from features.workspace_secret import keyed_hash
from service.web.database.tables import UsedCode, User, now

ISSUER = "先应 Xianying"
STEPS = (-1, 0, 1)  # of half a minute by which a phone's clock may differ
USE = "second factor"
NONCE = 12


class SecondFactor(NamedTuple):
    """A new second factor for the person's app: a key to type in, or an address to scan as a QR code."""

    key: str
    address: str


def new_second_factor(session: Session, user: User, secret: bytes) -> SecondFactor:
    """Give a person a new key in place of the old one, stored encrypted with the workspace's ``secret``."""
    key = pyotp.random_base32()
    nonce = secrets.token_bytes(NONCE)
    sealed = nonce + _cipher(secret).encrypt(nonce, key.encode(), user.login.encode())
    user.second_factor, user.second_factor_step = base64.b64encode(sealed).decode(), 0
    session.execute(delete(UsedCode).where(UsedCode.user_id == user.id))
    return SecondFactor(key, pyotp.TOTP(key).provisioning_uri(name=user.login, issuer_name=ISSUER))


def code_fits(session: Session, user: User, code: str, secret: bytes) -> bool:
    """Tell whether a code is the person's current one and has not been used before; mark it as used.

    Every code used is remembered: the clock may be set back, so that it would be current again. For a person without a
    second factor every code fits. ``secret``: the workspace's.
    """
    if user.second_factor is None:
        return True
    try:
        sealed = base64.b64decode(user.second_factor)
        key = _cipher(secret).decrypt(sealed[:NONCE], sealed[NONCE:], user.login.encode()).decode()
    except (InvalidTag, ValueError):  # another secret than when the key was made, or damage
        return False
    totp = pyotp.TOTP(key)
    this, last = int(now().timestamp()) // totp.interval, user.second_factor_step or 0
    last = last if last <= this + max(STEPS) else 0  # beyond: the clock was set back since
    for step in (this + step for step in STEPS):
        same = hmac.compare_digest(totp.generate_otp(step).encode(), code.strip().encode())
        if same and step > last and session.get(UsedCode, (user.id, step)) is None:
            session.add(UsedCode(user_id=user.id, step=step))
            user.second_factor_step = step
            return True
    return False


def _cipher(secret: bytes) -> AESGCM:
    return AESGCM(bytes.fromhex(keyed_hash(secret, USE, "")))
