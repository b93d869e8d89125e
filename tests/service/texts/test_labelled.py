"""Which texts of a workspace wait for a need, and which are known."""

from tiny_town import TinyTown, requests

from service.texts.labelled import known_texts, open_texts


def test_a_text_waits_for_a_need_as_it_stands_now(tiny_town: TinyTown) -> None:
    asked = requests()[4] | {"need": "", "text": "楼道灯坏了"}
    for text, need, waiting, known in (
        ("楼道灯坏了", "", ["楼道灯坏了"], []),
        ("楼道灯不亮", "", ["楼道灯不亮"], []),  # corrected by the next export
        ("楼道灯不亮", "meals", [], [["楼道灯不亮", "meals"]]),
    ):
        tiny_town.write("requests", [asked | {"text": text, "need": need}])
        tiny_town.ingest()
        assert open_texts(tiny_town.workspace).tolist() == waiting
        assert known_texts(tiny_town.workspace).to_numpy().tolist() == known
