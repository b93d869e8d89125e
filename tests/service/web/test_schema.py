"""Whatever OpenAPI allows, and what it does not: never an error of the server; on both databases."""

from contextlib import ExitStack, contextmanager

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from served_town import copy_workspace, machine, served
from service_database import KINDS, address_of

from service.web.base.access import Scope

EXAMPLES = 6  # of a route, in each mode


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory):
    """The same service on either database."""
    with ExitStack() as stack:
        found = []
        for kind in KINDS:
            workspace = copy_workspace(tmp_path_factory.mktemp(kind) / "workspace")
            url = stack.enter_context(contextmanager(address_of)(kind))
            service = served(workspace, database_url=url, sign_in_rate="100000/minute")
            found.append(stack.enter_context(service))
        yield found


@pytest.mark.filterwarnings("ignore")
def test_no_request_makes_the_server_fail(clients):
    keys = [machine(client, *(scope.value for scope in Scope)) for client in clients]
    description = clients[0].get("/v1/openapi.json").json()
    schema = schemathesis.openapi.from_dict(description)
    called = set()

    def check(case) -> None:
        for client, key in zip(clients, keys, strict=True):
            check_on(client, key, case)

    def check_on(client, key, case) -> None:
        if case.method == "DELETE" and "{household_id}" in case.path:
            case.path_parameters = {"household_id": "h59"}  # the others stay for the other routes
        sent = case.as_transport_kwargs(base_url="http://testserver", headers=key)
        wire = {
            name: sent[name] for name in ("method", "url", "params", "json") if sent.get(name) is not None
        }
        wire["headers"] = {name: _plain(value) for name, value in sent["headers"].items()}
        if isinstance(sent.get("data"), bytes | str):
            wire["content"] = sent["data"]
        answer = client.request(**wire)
        label = f"{case.method} {case.path}"
        called.add(label)
        assert answer.status_code < 500, (
            label,
            answer.status_code,
            answer.text[:300],
            case.as_curl_command(),
        )
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json", (label, answer.text[:300])
            assert answer.json()["status"] == answer.status_code

    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                cases = operation.as_strategy(generation_mode=mode)
                settings(
                    max_examples=EXAMPLES,
                    derandomize=True,
                    database=None,
                    phases=(Phase.explicit, Phase.generate),
                    suppress_health_check=list(HealthCheck),
                )(given(case=cases)(lambda case: check(case)))()
            except Unsatisfiable:  # nothing that this route could be given wrongly
                assert mode == GenerationMode.NEGATIVE
    assert set(description["paths"]) == {label.split(" ", 1)[1] for label in called}


def _plain(value: str) -> str:
    return value.encode("latin-1", "replace").decode("latin-1")


def test_every_route_is_summed_up_in_chinese_and_names_its_errors(clients):
    found = clients[0].get("/v1/openapi.json").json()
    for path, methods in found["paths"].items():
        for method, said in methods.items():
            assert any("一" <= letter <= "鿿" for letter in said["summary"]), (path, method)
            assert {"401", "503"} <= set(said["responses"]), (path, method)
            assert said.get("description"), (path, method)
