"""Which version is in force after promotions and rollbacks, whenever one of them is cut off."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from models.registry.registry import registry_client
from models.registry.versions import (
    CHAMPION,
    NAME,
    PREVIOUS,
    end_rollback,
    put_back,
    put_in_force,
    version_called,
)

WRITES = (
    "set_registered_model_alias",
    "delete_registered_model_alias",
    "set_registered_model_tag",
    "delete_registered_model_tag",
)


class Killed(Exception):
    """The process ended here."""


class KilledClient:
    """A client whose process ends just before one of its writes."""

    def __init__(self, client: MlflowClient, write: int) -> None:
        self.client, self.left = client, write

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)
        return self.cut_off(method) if name in WRITES else method

    def cut_off(self, method: Callable[..., Any]) -> Callable[..., None]:
        def call(*values: Any) -> None:
            self.left -= 1
            if not self.left:
                raise Killed
            method(*values)

        return call


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with three versions, each of which was in force."""
    place = tmp_path_factory.mktemp("registered")
    with registry_client(place) as client:
        client.create_registered_model(NAME)
        for number in (1, 2, 3):
            client.create_model_version(NAME, f"runs:/r-{number}")
            put_in_force(client, number)
    return place


@pytest.fixture
def workspace(registered: Path, tmp_path: Path) -> Path:
    return shutil.copytree(registered, tmp_path / "workspace")


def roll_back(client: Any) -> int | None:
    version = put_back(client)
    end_rollback(client)
    return version


@pytest.mark.parametrize("write", range(1, 6))
def test_a_rollback_that_is_killed_and_run_again_goes_back_once(workspace: Path, write: int) -> None:
    with registry_client(workspace) as client:
        with pytest.raises(Killed):
            roll_back(KilledClient(client, write))
        assert roll_back(client) == 2
        assert version_called(client, CHAMPION) == 2
        assert version_called(client, PREVIOUS) == 1
        assert roll_back(client) == 1
        assert roll_back(client) is None


@pytest.mark.parametrize("write", range(1, 4))
def test_a_promotion_that_is_killed_and_run_again_is_remembered_once(workspace: Path, write: int) -> None:
    with registry_client(workspace) as client:
        with pytest.raises(Killed):
            put_in_force(KilledClient(client, write), 1)
        put_in_force(client, 1)
        assert (version_called(client, CHAMPION), version_called(client, PREVIOUS)) == (1, 3)
        assert [roll_back(client) for _ in range(3)] == [3, 2, 1]


def test_a_promotion_gives_up_a_rollback_that_was_cut_off(workspace: Path) -> None:
    with registry_client(workspace) as client:
        assert put_back(client) == 2  # and killed before it ended
        put_in_force(client, 3)
        assert roll_back(client) == 2
        assert roll_back(client) == 1
