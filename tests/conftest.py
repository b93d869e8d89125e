"""Fixtures for every test."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tiny_town import TinyTown, make_tiny_town

from features.language import set_language

# A busy machine is not an error, and the same code gives the same result every time.
settings.register_profile(
    "anywhere", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("anywhere")


@pytest.fixture(scope="module", autouse=True)
def _chinese_for_a_module() -> None:
    """What a module prepares for its tests is Chinese too, whatever another module chose."""
    set_language("zh")


@pytest.fixture(autouse=True)
def _chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts are Chinese unless a test chooses otherwise."""
    monkeypatch.delenv("XIANYING_LANGUAGE", raising=False)
    set_language("zh")


@pytest.fixture
def tiny_town(tmp_path: Path) -> TinyTown:
    """A dozen households as a directory of the contract, and an empty workspace beside it."""
    return make_tiny_town(tmp_path / "export", tmp_path / "workspace")
