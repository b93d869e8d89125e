"""Texts come in with letters that can be stored, shown and printed; others are refused wherever they stand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from served_town import As, copy_workspace, served

from service.web.audit import log as audit
from service.web.base.middleware import acceptable_body

REFUSED = {"NUL": "\x00", "escape": "\x1b", "turned": "\u202e", "mark": "\u200f", "isolate": "\u2066"}
SAID = '{"household_id": "h04", "requested_at": "2024-08-30T10:00:00", "need": "meals", "text": "%s"}'


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with served(copy_workspace(tmp_path_factory.mktemp("alphabet") / "workspace")) as client:
        yield client


def quoted(letter: str) -> str:
    return "".join(f"%{byte:02x}" for byte in letter.encode())


def posted(client, text: str):
    return As(client, "li").send(
        "POST", "/v1/requests", content=SAID % text, headers={"Content-Type": "application/json"}
    )


@pytest.mark.parametrize("letter", REFUSED.values(), ids=list(REFUSED))
def test_a_refused_letter_is_refused_in_every_place(client, letter):
    li = As(client, "li")
    answers = [
        li.get("/v1/households/h04/scores", headers={"X-Purpose": f"a{quoted(letter)}b"}),
        li.get(f"/v1/households/h04{quoted(letter)}/scores"),
        li.get(f"/v1/visits?worker_id=a{quoted(letter)}"),
        li.post("/v1/requests", {"household_id": "h04", "text": f"a{letter}b", "requested_at": "2024-08-30"}),
        posted(client, f"a\\u{ord(letter):04x}b"),
        li.send(
            "POST", "/outcomes", data={"outreach_id": f"a{letter}", "outcome": "needed", "csrf": li.csrf}
        ),
    ]
    assert [answer.status_code for answer in answers] == [422] * len(answers)


def test_halves_of_letters_are_refused_and_whole_ones_taken(client):
    assert posted(client, r"\ud83d").status_code == 422
    assert As(client, "li").get("/v1/visits?worker_id=%ed%a0%bd").status_code == 422
    assert posted(client, r"\ud83d\ude00").status_code == 201
    assert posted(client, "谢谢😀\\n再见").status_code == 201


@pytest.mark.parametrize("depth", [300, 900])
def test_a_deeply_nested_text_is_refused_like_any_other_body(client, depth):
    for text in (r"a\nb", r"a\u202eb"):
        content = "[" * depth + f'"{text}"' + "]" * depth
        answer = client.post("/v1/session", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422


@pytest.mark.parametrize("escape", [r"\b", r"\f", r"\u202e"])
def test_no_way_of_writing_json_takes_a_refused_letter_past_the_check(client, escape):
    for content in ('{"x": NaN, ' + SAID[1:], "\ufeff" + SAID):
        answer = As(client, "li").send(
            "POST",
            "/v1/requests",
            content=content % f"a{escape}b",
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == 422


def test_what_was_refused_stops_no_entry_of_the_audit_log(client):
    database, drain = client.app.state.database, client.app.state.drain
    drain.everything(client.app.state.journal)
    before = audit.verify(database).entries
    li = As(client, "li")
    li.get("/v1/households/h04/scores", headers={"X-Purpose": "a%00b"})
    assert li.get("/v1/households/h04/scores", headers={"X-Purpose": "phone%20call"}).status_code == 200
    drain.everything(client.app.state.journal)
    after = audit.verify(database)
    assert after.entries == before + 1 and after.broken is None


def test_a_header_that_is_too_long_is_refused(client):
    assert As(client, "li").get("/v1/weeks", headers={"X-Purpose": "a" * 9000}).status_code == 422


@settings(max_examples=60)
@given(st.text(alphabet=st.characters(exclude_categories=("Cc", "Cf", "Cs"))))
def test_ordinary_text_passes_whichever_way_it_is_written(text):
    import json

    for ascii_only in (True, False):
        body = json.dumps({"note": text}, ensure_ascii=ascii_only).encode()
        assert acceptable_body(b"application/json", body)
