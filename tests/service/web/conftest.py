"""Passwords of these tests are hashed cheaply: hundreds are, and each costs a quarter of a second as offices have it."""

import pytest
from argon2 import PasswordHasher

from service.web.auth import tokens


@pytest.fixture(scope="session")
def production_hasher() -> PasswordHasher:
    """The hasher that offices use."""
    return tokens._hasher


@pytest.fixture(scope="package", autouse=True)
def _cheap_passwords(production_hasher: PasswordHasher):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield
