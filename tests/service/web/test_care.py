"""Backup and restore, the register of fields."""

import hashlib
import io
import json
import os
import re
import shutil
import signal
import tarfile
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from ready_process import run_to_end
from served_town import As, copy_workspace, served, settings_for
from service_database import address_of, database_url  # noqa: F401
from sqlalchemy import func, select

from features.ingest.erasure import erase_household
from features.language import UserError
from features.store.reader import read_records
from service.cli.commands import commands
from service.web.audit import log as audit
from service.web.auth import people
from service.web.database.engine import open_database
from service.web.database.tables import Entry, Outcome
from service.web.rights import backup as backup_module
from service.web.rights.backup import back_up, signature
from service.web.rights.restore import Restoring, restore
from service.web.rights.sealing import CIPHERS, PIECE, SM4GCM, TAG, open_sealed, sealing


def xianying(workspace: Path, *args: str, code: int = 0, given: str = "") -> str:
    found = CliRunner().invoke(commands, ["--workspace", str(workspace), *args], input=given)
    if isinstance(found.exception, UserError):
        assert code == 1, found.exception
        return str(found.exception)
    assert found.exit_code == code, found.output
    return found.output


def test_a_backup_brings_everything_back_on_either_database(tmp_path, database_url):  # noqa: F811
    workspace, file = copy_workspace(tmp_path / "workspace"), tmp_path / "backup.tar.gz"
    with served(workspace) as client:
        li = As(client, "li")
        visits = {one["household_id"]: one for one in li.get("/v1/visits").json()["visits"]}
        for visit in list(visits.values())[:2]:
            li.post("/v1/outcomes", {"outreach_id": visit["outreach_id"], "outcome": "needed"})
        assert back_up(workspace, client.app.state.database, file) > 10  # while it serves
        gone, kept = list(visits)[:2]
    erase_household(workspace, gone)  # after the backup was made
    other = tmp_path / "other"
    other.mkdir()
    database = open_database(settings_for(other, database_url=database_url))
    how = Restoring(workspace / "tombstones.json", workspace / "secret.key")
    lines = restore(file, other, database, how)
    assert "再次删除 1 户" in lines[-1]
    assert {one.login for one in people.users(database)} >= {"li", "wang"}
    with database.reading() as session:
        assert list(session.scalars(select(Outcome.household_id))) == [kept]
        assert session.scalar(select(func.count()).select_from(Entry))
    assert audit.verify(database).broken is None
    people.add_user(database, "new", "auditor", "correct horse")  # numbers go on after those restored
    assert len(read_records(other).household_ids) == 59 and gone not in read_records(other).household_ids
    with pytest.raises(UserError, match="空目录"):
        restore(file, other, database, how)
    database.engine.dispose()
    with served(other, database_url=database_url) as client:
        wang = As(client, "wang")
        assert wang.get(f"/v1/households/{kept}/scores").status_code == 200
        assert wang.get(f"/v1/households/{gone}/scores").status_code == 404


KILLED = """
import os, signal, sys
from service.cli.commands import commands

seen, last = 0, int(sys.argv[1])

def count(frame, event, called):
    global seen
    if event == "c_call" and called.__name__ in ("execute", "executemany", "commit", "replace", "unlink"):
        seen += 1
        if seen == last:
            os.kill(os.getpid(), signal.SIGKILL)

sys.setprofile(count)
commands(sys.argv[2:], standalone_mode=False)
sys.setprofile(None)
print(seen)
"""


def test_a_restore_killed_at_any_moment_is_completed_by_the_next(tmp_path):
    workspace, file, earlier = (
        copy_workspace(tmp_path / "workspace"),
        tmp_path / "b.tar.gz",
        tmp_path / "a.tar.gz",
    )
    xianying(workspace, "backup", str(earlier))
    xianying(workspace, "keys", "create", "other", "--scope", "scores:read")
    xianying(workspace, "backup", str(file))
    erase_household(workspace, "h04")
    new = tmp_path / "new"
    secret = ["--secret", str(workspace / "secret.key")]
    args = ["restore", str(file), "--tombstones", str(workspace / "tombstones.json"), *secret]

    def run(last):
        return run_to_end(KILLED, last, "--workspace", new, *args)

    def there():
        return {path.name for path in new.iterdir() if not path.name.startswith("service.db-")}

    moments = int(run(0)[1].split()[-1])
    files, told = there(), xianying(new, "keys", "list")
    halves = 0
    for share in (0.5, 0.99):
        shutil.rmtree(new)
        assert run(round(share * moments))[0] == -signal.SIGKILL
        if (new / ".restore-begun").exists():
            halves += 1
            assert "另一个备份" in xianying(new, "restore", str(earlier), *secret, code=1)
        assert "再次删除" in xianying(new, *args)
        assert there() == files
        assert xianying(new, "keys", "list") == told
        assert "h04" not in read_records(new).household_ids
    assert halves
    assert "空目录" in xianying(new, *args, code=1)


def test_a_damaged_backup_is_refused_before_anything_is_written(tmp_path):
    workspace, file = copy_workspace(tmp_path / "workspace"), tmp_path / "backup.tar.gz"
    xianying(workspace, "backup", str(file))
    half = tmp_path / "half.tar.gz"
    half.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    forged = tmp_path / "forged.tar.gz"
    with tarfile.open(file) as source, tarfile.open(forged, "w:gz") as target:
        for member in source:
            content = source.extractfile(member)
            if member.name == "community.yaml":
                changed = tmp_path / "changed.yaml"
                changed.write_text("community: {name: x}", "utf-8")
                target.add(changed, member.name)
            else:
                target.addfile(member, content)
    for broken, word in ((half, "不是完整的备份"), (forged, "community.yaml")):
        assert word in xianying(tmp_path / "new", "restore", str(broken), code=1)
    (tmp_path / "new" / "records.duckdb").write_bytes(b"")  # records of others are not overwritten
    assert "空目录" in xianying(tmp_path / "new", "restore", str(file), "--foreign", code=1)
    (tmp_path / "new" / "records.duckdb").unlink()
    assert "已恢复" in xianying(tmp_path / "new", "restore", str(file), "--foreign")
    assert "有效" not in xianying(tmp_path / "new", "keys", "list")


def packed_again(file: Path, target: Path, change) -> Path:
    """A backup whose files, by name, ``change`` altered in place; sums and manifest fit unless it altered them too."""
    with tarfile.open(file) as source:
        files = {one.name: source.extractfile(one).read() for one in source}
    manifest = json.loads(files.pop("manifest.json"))
    change(files, manifest)
    listed = manifest.pop(
        "sums", {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    )
    files["manifest.json"] = json.dumps({**manifest, "files": listed}).encode()
    with tarfile.open(target, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return target


ROWS_OF_NO_BACKUP = (
    b"{",
    b"[1]",
    b"null",
    b"\xff",
    b'{"table": "nothing", "row": {}}',
    b'{"table": "users", "row": "x"}',
    b'{"table": "users", "row": {"id": 99}}',
    b'{"table": "users", "row": {"id": 99, "login": "x", "role": "auditor", "created_at": "tomorrow"}}',
)


def test_rows_and_lists_of_files_that_are_none_are_refused_before_anything_is_written(tmp_path):
    workspace, file = copy_workspace(tmp_path / "workspace"), tmp_path / "backup.tar.gz"
    xianying(workspace, "backup", str(file))
    changes = [
        lambda files, manifest, row=row: files.update({"service.jsonl": files["service.jsonl"] + row})
        for row in ROWS_OF_NO_BACKUP
    ] + [
        lambda files, manifest, sums=sums: manifest.update(sums=sums)
        for sums in ([1], {"/dev/zero": "0"}, {"../../etc/passwd": "0"}, {"community.yaml": None})
    ]
    for change in changes:
        broken = packed_again(file, tmp_path / "broken.tar.gz", change)
        said = xianying(tmp_path / "new", "restore", str(broken), "--foreign", code=1)
        assert len(said.strip().splitlines()) == 1 and not (tmp_path / "new" / "community.yaml").exists()
    assert "已恢复" in xianying(tmp_path / "new", "restore", str(file), "--foreign")


def test_an_archive_does_not_vouch_for_itself(tmp_path):
    workspace, file = copy_workspace(tmp_path / "workspace"), tmp_path / "backup.tar.gz"
    xianying(workspace, "backup", str(file))

    def bring_own_secret(files, manifest):
        files["secret.key"] = b"11" * 32
        sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        manifest |= {
            "sums": sums,
            "signature": signature({**manifest, "files": sums}, bytes.fromhex("11" * 32)),
        }

    forged = packed_again(file, tmp_path / "forged.tar.gz", bring_own_secret)
    said = xianying(tmp_path / "new", "restore", str(forged), code=1)
    assert "--foreign" in said and not (tmp_path / "new" / "community.yaml").exists()


def test_a_backup_that_would_fill_the_disk_is_refused_before_it_does(tmp_path, monkeypatch):
    workspace, file = copy_workspace(tmp_path / "workspace"), tmp_path / "backup.tar.gz"
    xianying(workspace, "backup", str(file))
    room = shutil.disk_usage(tmp_path)._replace(total=10**9, free=5 * 10**7 + 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: room)
    said = xianying(tmp_path / "new", "restore", str(file), "--foreign", code=1)
    assert "磁盘放不下" in said and not (tmp_path / "new" / "community.yaml").exists()


def test_a_backup_in_the_workspace_holds_no_earlier_backup(tmp_path):
    workspace = copy_workspace(tmp_path / "workspace")
    for name in ("first.tar.gz", "second.tar.gz", "second.tar.gz", "copy", "copy"):
        xianying(workspace, "backup", str(workspace / name))
    for name in ("second.tar.gz", "copy"):
        with tarfile.open(workspace / name) as archive:
            assert "community.yaml" in archive.getnames()
            assert not {"first.tar.gz", "second.tar.gz", "copy"} & {*archive.getnames()}


def test_a_backup_of_unknown_origin_is_told_and_one_with_a_smuggled_file_refused(tmp_path):
    workspace, file = copy_workspace(tmp_path / "workspace"), tmp_path / "backup.tar.gz"
    os.link(workspace / "community.yaml", workspace / "shared.yaml")  # as weeks share files
    xianying(workspace, "backup", str(file))
    with tarfile.open(file) as archive:
        assert "secret.key" not in archive.getnames()
    other = tmp_path / "other.key"
    other.write_text("00" * 32, "ascii")
    for args in ([], ["--secret", str(other)], ["--secret", str(tmp_path / "none")]):
        said = xianying(tmp_path / "new", "restore", str(file), *args, code=1)
        assert "--foreign" in said and not (tmp_path / "new" / "community.yaml").exists()
    smuggled = tmp_path / "smuggled.tar.gz"
    with tarfile.open(file) as source, tarfile.open(smuggled, "w:gz") as target:
        for member in source:
            target.addfile(member, source.extractfile(member))
        target.add(other, "served/2024-09-02-x/town.pickle")
    said = xianying(
        tmp_path / "new", "restore", str(smuggled), "--secret", str(workspace / "secret.key"), code=1
    )
    assert "town.pickle" in said and not (tmp_path / "new" / "community.yaml").exists()
    for name, kind in (
        ("../outside", tarfile.REGTYPE),
        ("link", tarfile.SYMTYPE),
        ("hard", tarfile.LNKTYPE),
    ):
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/etc/passwd"
        with tarfile.open(smuggled, "w:gz") as target:
            target.addfile(member)
        said = xianying(tmp_path / "new", "restore", str(smuggled), "--foreign", code=1)
        assert "不是完整的备份" in said and not (tmp_path / "new" / "outside").exists()
    xianying(tmp_path / "new", "restore", str(file), "--secret", str(workspace / "secret.key"))
    assert (tmp_path / "new" / "secret.key").read_text() == (workspace / "secret.key").read_text()
    assert (tmp_path / "new" / "shared.yaml").samefile(tmp_path / "new" / "community.yaml")


@pytest.mark.parametrize("cipher", [(), ("--cipher", "sm4-gcm")])
def test_an_encrypted_backup_opens_with_its_passphrase_only(tmp_path, cipher):
    workspace, file = copy_workspace(tmp_path / "workspace"), tmp_path / "backup.sealed"
    assert "12" in xianying(workspace, "backup", str(file), "--encrypt", given="short\n", code=1)
    assert "--encrypt" in xianying(workspace, "backup", str(file), "--with-secret", code=1)
    assert "--encrypt" in xianying(workspace, "backup", str(file), "--cipher", "sm4-gcm", code=1)
    assert not file.exists()
    words = "correct horse battery\n"
    xianying(workspace, "backup", str(file), "--encrypt", *cipher, "--with-secret", given=words)
    content = file.read_bytes()
    assert b"community.yaml" not in content and not tarfile.is_tarfile(file)
    assert "口令不对" in xianying(
        tmp_path / "new", "restore", str(file), given="another passphrase\n", code=1
    )
    flipped, short = bytearray(content), content[: len(content) // 2]
    flipped[len(content) // 2] ^= 1
    for damaged in (bytes(flipped), short, content[:-1], content[:30]):
        (tmp_path / "damaged").write_bytes(damaged)
        assert "损坏" in xianying(tmp_path / "new", "restore", str(tmp_path / "damaged"), given=words, code=1)
    assert not (tmp_path / "new" / "community.yaml").exists()
    xianying(tmp_path / "new", "restore", str(file), given=words)
    assert (tmp_path / "new" / "secret.key").read_text() == (workspace / "secret.key").read_text()
    assert len(read_records(tmp_path / "new").household_ids) == 60


def test_sm4_gcm_is_that_of_the_standard():
    """The example of RFC 8998, appendix A.1."""
    key, nonce = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"), bytes.fromhex("00001234567800000000ABCD")
    data = b"".join(bytes([byte]) * 8 for byte in (0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF, 0xEE, 0xAA))
    also = bytes.fromhex("FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2")
    sealed = SM4GCM(key).encrypt(nonce, data, also)
    assert sealed.hex().upper() == (
        "17F399F08C67D5EE19D0DC9969C4BB7D5FD46FD3756489069157B282BB200735"
        "D82710CA5C22F0CCFA7CBF93D496AC15A56834CBCF98C397B4024A2691233B8D"
        "83DE3541E4C2B58177E065A9BF7B62EC"
    )
    assert SM4GCM(key).decrypt(nonce, sealed, also) == data


@pytest.mark.parametrize("cipher", CIPHERS)
def test_pieces_of_a_sealed_file_cannot_be_left_out_or_moved(tmp_path, cipher):
    content = os.urandom(3 * PIECE + 5)
    plain, target = tmp_path / "sealed", tmp_path / "opened"
    with plain.open("wb") as file, sealing(file, "a passphrase", cipher) as sealer:
        for begin in range(0, len(content), 70_000):
            sealer.write(content[begin : begin + 70_000])
    open_sealed(plain, target, "a passphrase")
    assert target.read_bytes() == content
    whole, size = plain.read_bytes(), PIECE + TAG
    begin = len(whole) - 3 * size - TAG - 5
    pieces = [whole[begin + at * size : begin + (at + 1) * size] for at in range(4)]
    for changed in ([0, 1, 2], [1, 0, 2, 3], [0, 2, 3], [0, 1, 2, 3, 3], [0]):
        plain.write_bytes(whole[:begin] + b"".join(pieces[at] for at in changed))
        with pytest.raises(UserError, match="损坏"):
            open_sealed(plain, target, "a passphrase")


def test_an_older_backups_columns_that_are_gone_are_left_out(tmp_path, monkeypatch):
    workspace, file = copy_workspace(tmp_path / "workspace"), tmp_path / "backup.tar.gz"
    with served(workspace) as client:
        assert people.users(client.app.state.database)
    dumps = json.dumps

    def of_before(said, **more):
        if isinstance(said, dict) and said.get("table") == "users":
            said = {**said, "row": {**said["row"], "failures": 0, "locked_until": None}}
        return dumps(said, **more)

    monkeypatch.setattr(backup_module.json, "dumps", of_before)
    xianying(workspace, "backup", str(file))
    monkeypatch.setattr(backup_module.json, "dumps", dumps)
    xianying(tmp_path / "new", "restore", str(file), "--secret", str(workspace / "secret.key"))
    database = open_database(settings_for(tmp_path / "new"))
    assert {one.login for one in people.users(database)} >= {"li", "wang"}
    database.engine.dispose()


def test_what_is_no_list_of_deleted_households_is_refused_before_anything_is_restored(tmp_path):
    workspace, file = copy_workspace(tmp_path / "workspace"), tmp_path / "backup.tar.gz"
    xianying(workspace, "backup", str(file))
    other = tmp_path / "other.json"
    nested, nothing = tmp_path / "nested.json", tmp_path / "null.json"
    for path, content in ((other, "{}"), (nested, "[" * 100_000), (nothing, "null")):
        path.write_text(content, "utf-8")
    cases = dict.fromkeys((other, nested, nothing), "没有恢复任何内容")
    cases[tmp_path / "none.json"] = "没有这个文件"
    for tombstones, word in cases.items():
        said = xianying(tmp_path / "new", "restore", str(file), "--tombstones", str(tombstones), code=1)
        assert word in said
        assert not (tmp_path / "new" / "community.yaml").exists()
    assert "已恢复" in xianying(tmp_path / "new", "restore", str(file), "--foreign")


def test_a_mistyped_workspace_or_file_is_told(tmp_path):
    nowhere, workspace = tmp_path / "nowhere", copy_workspace(tmp_path / "workspace")
    assert "没有这个工作区" in xianying(nowhere, "backup", str(tmp_path / "backup.tar.gz"), code=1)
    assert "没有这个文件" in xianying(nowhere, "restore", str(tmp_path / "none.tar.gz"), code=1)
    for command in (["resident", "why", "h04"], ["fields", "draft"], ["fields", "check"]):
        assert "还没有数据" in xianying(nowhere, *command, code=1)
    assert not nowhere.exists()
    assert not (tmp_path / "backup.tar.gz").exists()
    assert "没有这个目录" in xianying(workspace, "backup", str(nowhere / "backup.tar.gz"), code=1)


def test_every_field_must_be_registered_with_a_ground_that_carries_it(tmp_path):
    workspace = copy_workspace(tmp_path / "workspace")
    assert "households.children：没有登记" in xianying(workspace, "fields", "check", code=1)
    xianying(workspace, "fields", "draft")
    path = workspace / "fields.yaml"
    assert "households.children：basis, purpose, retention_months" in xianying(
        workspace, "fields", "check", code=1
    )
    register = yaml.safe_load(path.read_text("utf-8"))["fields"]
    filled = {"purpose": "安排走访", "basis": "statutory_duty", "sensitive": False, "retention_months": 240}
    path.write_text(yaml.safe_dump({"fields": dict.fromkeys(register, filled)}, allow_unicode=True), "utf-8")
    assert "字段登记齐全" in xianying(workspace, "fields", "check")
    entries = {name: dict(filled) for name in register}
    entries["households.income"] |= {"sensitive": True, "basis": "consent"}
    entries["requests.requested_at"] |= {"retention_months": 1}
    entries["households.gone"] = filled
    path.write_text(yaml.safe_dump({"fields": entries}, allow_unicode=True), "utf-8")
    said = xianying(workspace, "fields", "check", code=1)
    for words in (
        "income：敏感个人信息",
        "income：敏感且模型在用",
        "gone：数据里没有这一列",
        "requests：",
        "保存期限",
    ):
        assert words in said
    xianying(workspace, "fields", "draft")  # keeps what was filled in
    assert yaml.safe_load(path.read_text("utf-8"))["fields"]["households.income"]["basis"] == "consent"


def test_keys_and_people_by_command(tmp_path):
    workspace = copy_workspace(tmp_path / "workspace")
    add = ["users", "add", "lin", "--role", "grid_worker", "--grid", "g0"]
    found = CliRunner().invoke(commands, ["--workspace", str(workspace), *add], input="correct horse\n")
    assert found.exit_code == 0, found.output
    assert "注意" not in found.output
    assert "lin\tgrid_worker\tg0" in xianying(workspace, "users", "list")
    elsewhere = ["users", "add", "mo", "--role", "grid_worker", "--grid", "g99"]
    found = CliRunner().invoke(commands, ["--workspace", str(workspace), *elsewhere], input="correct horse\n")
    assert (found.exit_code, found.stdout) == (0, "已新增 mo（grid_worker）\n")
    assert "没有住户在 g99" in found.stderr
    key = xianying(workspace, "keys", "create", "hotline", "--scope", "requests:write").strip()
    wrong = xianying(workspace, "keys", "create", "other", "--scope", "requests", code=1)
    assert "没有权限 requests，只有 audit:read、" in wrong
    assert key.startswith("xy_")
    listed = xianying(workspace, "keys", "list")
    assert "hotline" in listed and key not in listed
    xianying(workspace, "keys", "revoke", key.split("_")[1])
    assert "已吊销" in xianying(workspace, "keys", "list")
    xianying(workspace, "users", "block", "lin")
    assert "停用" in xianying(workspace, "users", "list")
    assert re.search(r"^5:[0-9a-f]{64}$", xianying(workspace, "audit", "verify"), re.M)
