"""The credit report: everything about me in one signed file. One thing to know: the signature proves it, the pages are
its picture, and only a hash stays here."""

from __future__ import annotations

import asyncio
import stat
from base64 import b64decode
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from factories import NOON, PEOPLE, City, resident_id
from published import PENALTY, PROMISED, deliver
from sqlalchemy import insert, update

from cli.main import run
from core.audit import audit_entries
from core.keys import Keys, load_keys
from core.settings import Settings
from core.signing import SignatureInvalid, sign
from partners.credit_report import AUDIENCE, check_report
from partners.tables import access_events, mandates
from scoring.report.page import ReportUnreadable, read_signed
from scoring.tables import consents, credit_records, credit_reports

EXPORT = """mutation ($input: ExportMineInput!) { exportMine(input: $input) { __typename
  ... on ExportedReport { id madeAt sha256 content signed } ... on Problem { code } } }"""
CHECK = "query ($id: ID!, $sha256: String!) { checkReport(id: $id, sha256: $sha256) { genuine madeAt } }"


async def export(city: City, person: str = "good", *, written: str = "JSON") -> dict[str, Any]:
    return await city.do(EXPORT, by=person, format=written)


async def report_of(city: City, person: str = "good") -> dict[str, Any]:
    file = b64decode((await export(city, person))["content"])
    return dict(orjson.loads(file)["report"])


async def live(city: City) -> None:
    """Let «good» be seen, refused, represented and asked."""
    await deliver(
        city, 1, "p1", "administrative-penalty", PENALTY, receivers=["测试接收单位"], occurred_on=date(2020, 1, 1)
    )
    code = await city.code("good")
    answer = await city.verify(code)
    await city.verify(code)
    await city.redeem(answer["id"])
    consent = {
        "purpose": "collect",
        "purpose_version": "2026-11",
        "recipient": "测试协会",
        "scope": ["volunteer-service"],
    }
    consent |= {"id": UUID(int=1), "state": "ACTIVE", "requested_by": "good", "frequency": "once"}
    dates = {"requested_at": NOON, "ends_on": date(2026, 11, 20), "erase_by": date(2027, 2, 1)}
    mandate = {"id": UUID(int=2), "kind": "family", "holder": "plain", "account": "mandate-1", "evidence": "委托书"}
    mandate |= {"granted_by": "good", "granted_at": NOON, "ends_on": date(2027, 1, 1)}
    await city.write(
        insert(consents).values(subject_id=1, **consent, **dates), insert(mandates).values(subject_id=1, **mandate)
    )


async def test_a_report_holds_everything_about_its_subject(city: City) -> None:
    await live(city)
    found = await report_of(city)
    number = resident_id(PEOPLE["good"]["birth"], 1)
    assert found["subject"] == {
        "kind": "PERSON",
        "display_name": "测*",
        "number_masked": f"{number[:3]}{'*' * 13}{number[-2:]}",
        "place": "hunan-shaoyang",
    }
    (score,) = found["scores"]
    assert (score["model_id"], score["points"], score["grade"]) == ("xiangxinfen", "660", "A 级")
    assert sum(float(line["points"]) for line in score["lines"]) == 660
    assert [record["id"] for record in found["records"]] == ["r0", "p1"]
    penalty = found["records"][1]
    assert penalty["fields"]["行政处罚决定文书号"] == "邵市监罚〔2026〕7号"
    assert penalty["receivers"] == [{"to": "测试接收单位", "at": "2026-11-20T12:00:00+08:00"}]
    assert penalty["history"] == [{"at": "2026-11-20T12:00:00+08:00", "change": "归集", "by": "信用信息提供单位",
                                   "reason": None}]  # fmt: skip
    assert [(one["by"], one["outcome"]) for one in found["access"]] == [
        ("测试scenic", "未办理(CODE_REPLAYED)"),
        ("测试scenic", "适用优惠"),
    ]
    assert [(one["partner"], one["what"]) for one in found["used"]] == [("测试scenic", "测试优惠")]
    assert [(one["partner"], one["state"]) for one in found["consents"]] == [("测试协会", "已到期")]
    assert [(one["kind"], one["state"]) for one in found["mandates"]] == [("家庭成员", "有效")]
    assert {"text", "source"} == set(found["rights"][0])
    assert "《中华人民共和国个人信息保护法》第四十五条" in [right["source"] for right in found["rights"]]
    assert found["participation"][0]["left_at"] is None
    assert found["cases"] == found["facts"] == found["pushed"] == found["changes"] == []


async def test_no_report_says_a_whole_identity_number(city: City) -> None:
    await live(city)
    text = orjson.dumps(await report_of(city)).decode()
    assert resident_id(PEOPLE["good"]["birth"], 1) not in text


async def test_an_enterprise_that_has_joined_and_one_that_has_not_get_theirs(city: City) -> None:
    await deliver(city, 8, "c1", "credit-commitment", PROMISED)
    found = await report_of(city, "firm")
    assert found["subject"]["kind"] == "ENTERPRISE"
    assert [record["label"] for record in found["records"]] == ["信用承诺"]
    assert (await report_of(city, "stranger"))["scores"] == []


async def test_both_formats_carry_the_same_sort_of_signed_text_and_only_a_hash_stays(city: City) -> None:
    for written in ("JSON", "PDF"):
        made = await export(city, written=written)
        file = b64decode(made["content"])
        claims, digest = check_report(city.keys, file)
        assert (claims["id"], digest) == (made["id"], made["sha256"])
        assert sha256(made["signed"].encode()).hexdigest() == digest
        assert (read_signed(file) if written == "PDF" else orjson.loads(file)["signed"]) == made["signed"]
        assert made["madeAt"] == NOON.isoformat()
        assert (await city.ask(CHECK, {"id": made["id"], "sha256": digest}))["data"]["checkReport"] == {
            "genuine": True,
            "madeAt": NOON.isoformat(),
        }
    rows = await city.rows(credit_reports)
    assert [row.made_by for row in rows] == ["good", "good"]
    entries = [row for row in await city.rows(audit_entries) if row.action == "exportMine"]
    assert [orjson.loads(row.content)["sha256"] for row in entries] == [row.sha256 for row in rows]


async def test_a_check_says_nothing_but_yes_or_no_and_when(city: City) -> None:
    made = await export(city)
    other = await export(city, "plain")
    no = {"genuine": False, "madeAt": None}
    for number, digest in (
        (made["id"], other["sha256"]),
        (other["id"], made["sha256"]),
        (made["id"], made["sha256"][:-1]),
        ("nothing", made["sha256"]),
        (made["id"], "×" * 64),
        ("", ""),
    ):
        assert (await city.ask(CHECK, {"id": number, "sha256": digest}))["data"]["checkReport"] == no
    page = await city.client.get(f"/reports/{made['id']}/{made['sha256']}")
    assert (page.status_code, "2026-11-20 12:00" in page.text, "测" in page.text) == (200, True, False)
    assert (await city.client.get(f"/reports/{made['id']}/{'0' * 64}")).status_code == 404
    assert (await city.client.get("/reports/x/y")).status_code == 404


async def test_a_changed_file_is_found_out(city: City) -> None:
    file = b64decode((await export(city))["content"])
    content = orjson.loads(file)
    content["report"]["scores"][0]["points"] = "999"
    with pytest.raises(ReportUnreadable, match="被改动过"):
        check_report(city.keys, orjson.dumps(content))
    head, body, end = content["signed"].split(".")
    for changed in (f"{head}.{body[:-4]}AAAA.{end}", f"{head}.{body}.{end[:-4]}AAAA", f"{head}.{body}"):
        with pytest.raises(SignatureInvalid):
            check_report(city.keys, orjson.dumps({"report": {}, "signed": changed}))
    for broken in (b"", b"{}", b"[]", b"%PDF-1.7", b'{"signed": 1, "report": {}}', b"\xff"):
        with pytest.raises(ReportUnreadable):
            check_report(city.keys, broken)


async def test_what_was_signed_for_another_purpose_is_no_report(city: City) -> None:
    claims = {"aud": AUDIENCE, "report": {}}
    for signed in (sign(city.keys, "consent", claims), sign(city.keys, "report", claims | {"aud": "other"})):
        with pytest.raises(SignatureInvalid):
            check_report(city.keys, orjson.dumps({"report": {}, "signed": signed}))


async def test_a_subject_whose_data_was_changed_by_hand_gets_no_report_and_none_is_noted(city: City) -> None:
    before = await city.tally()
    await city.write(update(credit_records).where(credit_records.c.subject_id == 1).values(source="别处"), by_hand=True)
    assert await export(city) == {"__typename": "Problem", "code": "UNDER_REVIEW"}
    assert await city.tally() == before


@pytest.fixture
def commands(city: City, keys_file: Path, monkeypatch: pytest.MonkeyPatch) -> Keys:
    """The command line over the city's database, with its keys."""
    settings = Settings(environment="demo", database_url=city.settings.database_url, keys_file=keys_file)
    monkeypatch.setattr("cli.report.deployment", lambda _: settings)
    return load_keys(keys_file)


async def test_the_command_line_makes_a_report_and_checks_it_without_a_server(
    city: City, commands: Keys, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("mine.pdf", "mine.json"):
        out = tmp_path / name
        assert await asyncio.to_thread(run, ["report", "make", "--as", "good", "--out", str(out)]) == 0
        assert stat.S_IMODE(out.stat().st_mode) == 0o600
        capsys.readouterr()
        assert run(["report", "verify", str(out)]) == 0
        told = orjson.loads(capsys.readouterr().out)
        assert told["subject"]["display_name"] == "测*"
        (row,) = [one for one in await city.rows(credit_reports) if str(one.id) == told["id"]]
        assert row.sha256 == told["sha256"]
    events = [(row.subject_id, row.reader_role, row.action) for row in await city.rows(access_events)]
    assert events == [(1, "command line", "report make")] * 2
    out.write_bytes(out.read_bytes().replace(b"xiangxinfen", b"xiangxinfem"))
    assert run(["report", "verify", str(out)]) == 1
    assert "REPORT_UNREADABLE" in capsys.readouterr().err


async def test_wrong_use_of_the_command_line_is_said_in_one_line(
    city: City, commands: Keys, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, code, said in (
        (["make", "--as", "good", "--out", str(tmp_path / "mine.txt")], 2, "USAGE"),
        (["make", "--as", "operator", "--out", str(tmp_path / "mine.pdf")], 1, "NO_REPORT"),
        (["make", "--as", "nobody", "--out", str(tmp_path / "mine.pdf")], 1, "NO_REPORT"),
        (["verify", str(tmp_path / "nothing")], 1, "UNREADABLE"),
    ):
        assert await asyncio.to_thread(run, ["report", *arguments]) == code
        told = capsys.readouterr()
        assert (said in told.err, told.err.count("\n"), told.out) == (True, 1, "")
