"""Registered versions: which there are, which one is in force, and which were before it.

Three aliases of the registered model say what versions are for: ``champion`` is in force, ``challenger`` is the newest
that is not and waits for a decision, ``previous`` is the one that ``rollback`` puts back. All champions before stand in
one of its tags.
"""

import json
from typing import Any

NAME = "xianying"  # of the experiment and of the registered model
CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
MEANING = (
    "Probability that a household asks for a need within its window (p_request), calibrated. Aliases: champion is in"
    " force, challenger waits for a decision, previous was in force before. Load one with"
    f" mlflow.pyfunc.load_model('models:/{NAME}@{CHAMPION}'); its files bring the code that reads them."
)
_LONGEST_TAG = 4900  # characters
_HISTORY = "past_champions"  # tag: JSON list of versions, the latest last
_BEGUN = "rollback_to"  # tag: the version that a rollback puts in force, until all that it does is done


def registered_model(client: Any) -> Any | None:
    """Return MLflow's registered model, or None before the first version. ``client`` is an MlflowClient."""
    return client.get_registered_model(NAME) if client.search_registered_models(f"name = '{NAME}'") else None


def version_called(client: Any, alias: str) -> int | None:
    """Return the version that an alias names, or None."""
    registered = registered_model(client)
    version = registered.aliases.get(alias) if registered else None
    return None if version is None else int(version)


def all_versions(client: Any) -> list[int]:
    """List every version that is not deleted, oldest first."""
    return sorted(int(version.version) for version in client.search_model_versions(f"name = '{NAME}'"))


def _past_champions(client: Any) -> list[int]:
    registered = registered_model(client)
    return json.loads(registered.tags.get(_HISTORY, "[]")) if registered else []


def put_in_force(client: Any, version: int) -> None:
    """Make a version the champion and remember the one before it; a rollback that was cut off is given up."""
    end_rollback(client)
    current, past = version_called(client, CHAMPION), _past_champions(client)
    if current is not None and current != version and past[-1:] != [current]:
        past = [*past, current]
        client.set_registered_model_tag(NAME, _HISTORY, json.dumps(past))
    client.set_registered_model_alias(NAME, CHAMPION, str(version))
    if version_called(client, CHALLENGER) == version:
        client.delete_registered_model_alias(NAME, CHALLENGER)
    _name_previous(client, past)


def put_back(client: Any) -> int | None:
    """Make the champion before the present one the champion again, and return it; None if there is none left.

    Until ``end_rollback`` it is the same version again, so that a rollback that was killed and is run again does not go
    further back.
    """
    past, version = _past_champions(client), _begun(client)
    if version is None:
        current, existing = version_called(client, CHAMPION), all_versions(client)
        while past and (past[-1] == current or past[-1] not in existing):
            past.pop()
        if not past:
            return None
        version = past[-1]
        client.set_registered_model_tag(NAME, _BEGUN, str(version))
    left = past[:-1] if past[-1:] == [version] else past
    client.set_registered_model_alias(NAME, CHAMPION, str(version))
    client.set_registered_model_tag(NAME, _HISTORY, json.dumps(left))
    _name_previous(client, left)
    return version


def end_rollback(client: Any) -> None:
    """Note that everything that follows a rollback is done, so that the next one goes further back."""
    if _begun(client) is not None:
        client.delete_registered_model_tag(NAME, _BEGUN)


def _begun(client: Any) -> int | None:
    """Return the version that a rollback began to put in force and did not end with, or None."""
    registered = registered_model(client)
    version = int(registered.tags.get(_BEGUN, 0)) if registered else 0
    return version if version in all_versions(client) else None


def _name_previous(client: Any, past: list[int]) -> None:
    """Let the alias ``previous`` name the version that ``put_back`` would put in force, or none."""
    current, existing = version_called(client, CHAMPION), all_versions(client)
    left = [version for version in past if version != current and version in existing]
    if left:
        client.set_registered_model_alias(NAME, PREVIOUS, str(left[-1]))
    elif version_called(client, PREVIOUS) is not None:
        client.delete_registered_model_alias(NAME, PREVIOUS)


def gate_tags(allowed: bool, reasons: list[str]) -> dict[str, str]:
    """Return tags of a version that say what the gate decided on it, and why."""
    return {"gate": "allowed" if allowed else "refused", "gate_reason": "; ".join(reasons)[:_LONGEST_TAG]}
