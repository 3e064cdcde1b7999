"""Results that come from elsewhere: applied as pushed, whole or not at all, and gone again when they end."""

from __future__ import annotations

import asyncio
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from factories import ENTERPRISES, NOON, PEOPLE, City, resident_id
from sqlalchemy import delete, select

from cli.main import run
from core.audit import audit_entries
from core.errors import ExpectedError
from core.keys import load_keys, load_public_keys, new_key_file
from core.signing import sign
from partners.tables import accounts
from scoring.issuers import Issuer, Push, load_issuers, open_push
from scoring.results import receive_results, withdraw_batch
from scoring.tables import enrollments, outbox, pushed_results, result_batches, score_inputs, scores

PUSH = """mutation ($input: PushResultsInput!) { pushResults(input: $input) { __typename
  ... on PushedResults { rows applied repeated notApplied { row code } } ... on Problem { code message } } }"""
CORRECT = """mutation ($input: CorrectResultInput!) { correctResult(input: $input) { __typename
  ... on CorrectedResult { id correctedAt } ... on Problem { code message } } }"""
MINE = """{ me { scores { model { id } points grade { code } origin issuer resultOn validUntil headlines
  lines { rule points basis } history { edges { node { fromDay origin changes } } } } } }"""
NUMBERS = {name: resident_id(person["birth"], number) for number, (name, person) in enumerate(PEOPLE.items(), 1)}
ELSEWHERE = list(PEOPLE).index("elsewhere") + 1
PROVINCE = "https://province.example"
TODAY = str(NOON.date())


def row(person: str, **given: Any) -> dict[str, Any]:
    return {"subject": NUMBERS.get(person, person), "grade": "A+", "resultOn": TODAY} | given


async def push(city: City, *rows: dict[str, Any], **given: Any) -> dict[str, Any]:
    asked = {"requestId": city.next_request(), "model": "xiangxinfen", "results": list(rows)} | given
    return await city.do(PUSH, by="provider", **asked)


async def mine(city: City, by: str, model: str = "xiangxinfen") -> Any:
    body = await city.ask(MINE, by=by)
    assert "errors" not in body, body
    return next(one for one in body["data"]["me"]["scores"] if one["model"]["id"] == model)


async def outcome(city: City, person: str) -> str:
    return str((await city.verify(await city.code(person)))["outcome"])


async def test_a_pushed_result_takes_precedence_until_it_ends_and_the_computed_one_returns_by_itself(
    city: City,
) -> None:
    assert await outcome(city, "poor") == "STANDARD_SERVICE"
    until = NOON.date() + timedelta(days=5)
    answer = await push(city, row("poor", points="712.5", validUntil=str(until), reference="省信用办〔2026〕9号"))
    assert answer == {
        "__typename": "PushedResults",
        "rows": 1,
        "applied": 1,
        "repeated": False,
        "notApplied": [],
    }
    score = await mine(city, "poor")
    assert (float(score["points"]), score["grade"], score["origin"]) == (712.5, {"code": "A+"}, "PUSHED")
    assert (score["resultOn"], score["validUntil"]) == (TODAY, str(until))
    assert [(line["rule"], float(line["points"])) for line in score["lines"]] == [("pushed", 712.5)]
    assert score["lines"][0]["basis"] == f"{score['issuer']} {TODAY} 的结果(省信用办〔2026〕9号)"
    assert score["headlines"][0] == f"采用{score['lines'][0]['basis']}。"
    assert await outcome(city, "poor") == "BENEFIT_APPLIES"
    city.now = NOON.replace(hour=15, minute=59, second=59) + timedelta(days=4)
    assert (await mine(city, "poor"))["origin"] == "PUSHED"
    city.wait(seconds=1)
    # Nothing has run: reading alone finds that the result has ended, and so does deciding.
    assert (await mine(city, "poor"))["origin"] == "COMPUTED"
    assert await outcome(city, "poor") == "STANDARD_SERVICE"
    entries = [edge["node"] for edge in (await mine(city, "poor"))["history"]["edges"]]
    assert [(one["fromDay"], one["origin"]) for one in entries] == [(str(until), "COMPUTED"), (TODAY, "PUSHED")]
    assert entries[0]["changes"][0] == "推送的结果已到期或撤回,改用本地计算的结果。"


async def test_of_several_results_the_newest_in_force_holds_and_one_to_come_waits_for_its_day(city: City) -> None:
    await push(city, row("good", grade="B", resultOn="2026-11-01"))
    await push(city, row("good", grade="C", resultOn="2026-10-01"))
    await push(city, row("good", grade="A", resultOn="2026-11-25"))
    score = await mine(city, "good")
    assert (score["points"], score["grade"]["code"], score["validUntil"]) == (None, "B", "2026-11-25")
    city.wait(days=5)
    assert (await mine(city, "good"))["grade"]["code"] == "A"
    assert await outcome(city, "good") == "BENEFIT_APPLIES"


async def test_points_alone_take_the_grade_of_the_ladder(city: City) -> None:
    await push(city, row("plain", grade=None, points=640))
    assert (await mine(city, "plain"))["grade"]["code"] == "A"


async def test_the_same_request_again_changes_nothing_and_another_content_is_a_conflict(city: City) -> None:
    first = await push(city, row("good"), row("nobody"), requestId="one")
    before = await city.tally()
    assert await push(city, row("good"), row("nobody"), requestId="one") == first | {"repeated": True}
    assert (await push(city, row("good", grade="B"), requestId="one"))["code"] == "REQUEST_CONFLICT"
    assert await city.tally() == before


async def test_rows_about_nobody_here_are_told_by_number_alone_and_the_others_applied(city: City) -> None:
    unknown = resident_id(date(1960, 6, 6), 77)
    # Whoever lives elsewhere gets it too: that place recognises results of this model.
    rows = [row("nonsense"), row(unknown), row("good"), row("minor"), row("stranger"), row("elsewhere")]
    answer = await push(city, *rows)
    assert (answer["rows"], answer["applied"]) == (6, 2)
    assert [(one["row"], one["code"]) for one in answer["notApplied"]] == [
        (1, "BAD_IDENTITY"),
        (2, "NOT_APPLIED"),
        (4, "NOT_APPLIED"),
        (5, "NOT_APPLIED"),
    ]
    assert sorted(one.subject_id for one in await city.rows(pushed_results)) == [1, ELSEWHERE]
    assert (await city.ask(MINE, by="minor"))["data"]["me"]["scores"] == []
    (entry,) = [one for one in await city.rows(audit_entries) if one.action == "pushResults"]
    assert not any(number in entry.content for number in NUMBERS.values())


REFUSED: dict[str, tuple[list[dict[str, Any]], str]] = {
    "a grade that is none": ([row("good"), row("poor", grade="Z")], "第 2 行:grade 不在"),
    "points beyond the model's": ([row("good", points=1000.01)], "第 1 行:points 应在 0 至 1000 之间"),
    "neither points nor grade": ([row("good", grade=None)], "points 与 grade 至少写一个"),
    "an end before its beginning": ([row("good", validUntil=TODAY)], "validUntil 应晚于 resultOn"),
    "one subject twice": ([row("good"), row("poor"), row("good")], "第 1 行与第 3 行是同一主体"),
}


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("what", REFUSED)
async def test_a_batch_of_a_wrong_shape_is_refused_whole(city: City, what: str) -> None:
    rows, sentence = REFUSED[what]
    before = await city.tally()
    answer = await push(city, *rows)
    assert answer["code"] == "RESULTS_REFUSED"
    assert sentence in answer["message"]
    assert not any(number in answer["message"] for number in NUMBERS.values())
    assert await city.tally() == before


async def test_an_enterprise_is_found_by_its_uscc_and_a_model_without_points_takes_none(city: City) -> None:
    firm = {"subject": ENTERPRISES["firm"]["uscc"], "grade": "B", "resultOn": TODAY, "points": 77}
    assert (await push(city, firm, model="hunan-comprehensive"))["applied"] == 1
    assert (await mine(city, "firm", "hunan-comprehensive"))["grade"]["code"] == "B"
    answer = await push(city, firm, model="hebei-enterprise")
    assert "没有分数,points 应为空" in answer["message"]
    assert (await push(city, firm, model="no-such-model"))["code"] == "MODEL_NOT_ISSUERS"


async def test_two_pushes_at_once_of_one_batch_apply_it_once(city: City) -> None:
    answers = await asyncio.gather(*(push(city, row("good"), row("poor"), requestId="one") for _ in range(4)))
    assert sorted(answer["repeated"] for answer in answers) == [False, True, True, True]
    assert len(await city.rows(pushed_results)) == 2
    assert len(await city.rows(result_batches)) == 1


async def test_a_correction_wins_at_once_and_is_on_its_way_up(city: City) -> None:
    await push(city, row("poor", points=400, grade="C", validUntil="2027-01-01"))
    subject = (await city.ask("{ me { id } }", by="poor"))["data"]["me"]["id"]
    asked = {"subjectId": subject, "model": "xiangxinfen", "points": "650", "reason": "异议成立,按更正后的资料重算"}
    answer = await city.do(CORRECT, by="reviewer", requestId="one", **asked)
    assert answer["__typename"] == "CorrectedResult"
    score = await mine(city, "poor")
    assert (float(score["points"]), score["grade"]["code"], score["origin"]) == (650, "A", "CORRECTED")
    assert score["validUntil"] == "2027-01-01", "it ends with what it corrects"
    assert await outcome(city, "poor") == "BENEFIT_APPLIES"
    before = await city.tally()
    assert await city.do(CORRECT, by="reviewer", requestId="one", **asked) == answer
    conflict = await city.do(CORRECT, by="reviewer", requestId="one", **asked | {"points": "651"})
    assert conflict["code"] == "REQUEST_CONFLICT"
    assert await city.tally() == before
    (waiting,) = await city.rows(outbox)
    assert (waiting.topic, waiting.attempts, waiting.delivered_at) == ("corrected-result", 0, None)
    assert NUMBERS["poor"].encode() not in waiting.payload_sealed
    await push(city, row("poor", grade="B", resultOn="2026-11-10"))
    assert (await mine(city, "poor"))["origin"] == "CORRECTED", "an older result does not undo it"
    city.wait(days=1)
    await push(city, row("poor", grade="B", resultOn="2026-11-21"))
    assert (await mine(city, "poor"))["origin"] == "PUSHED"


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
async def test_nobodys_result_cannot_be_corrected(city: City) -> None:
    before = await city.tally()
    for person, model in (("minor", "xiangxinfen"), ("stranger", "xiangxinfen"), ("good", "huixinma-person")):
        subject = (await city.ask("{ me { id } }", by=person))["data"]["me"]["id"]
        answer = await city.do(CORRECT, by="reviewer", subjectId=subject, model=model, grade="A", reason="更正")
        assert answer["code"] == "NOT_CORRECTABLE"
    assert await city.tally() == before


async def test_a_withdrawn_batch_brings_the_computed_scores_back(city: City) -> None:
    await push(city, row("good", grade="C"), row("poor"), requestId="one")
    async with city.state.database.transaction() as connection:
        count = await withdraw_batch(
            connection,
            issuer="account:provider",
            batch="one",
            models=city.state.rulebook.models,
            actor="cli",
            now=city.now,
        )
    assert count == 2
    assert {row_.origin for row_ in await city.rows(scores)} == {"computed"}
    assert await outcome(city, "good") == "BENEFIT_APPLIES"
    assert await outcome(city, "poor") == "STANDARD_SERVICE"


async def test_a_thousand_results_are_applied_in_seconds(city: City) -> None:
    await city.move_in(800)
    numbers = [resident_id(date(1991, 1, 1), 100 + n) for n in range(1, 801)]
    began = time.perf_counter()
    answer = await push(city, *(row(number, points=700) for number in numbers))
    assert time.perf_counter() - began < 15
    assert answer["applied"] == 800
    assert {one.points for one in await city.rows(scores)} == {70000}
    assert len(await city.rows(score_inputs)) == 800


# The signed file.


def province(folder: Path, **entry: Any) -> tuple[Path, Path]:
    """The list of issuers with one province in it, and the province's own keys."""
    new_key_file(folder / "province.json", demo=True)
    (folder / "jwks.json").write_bytes(orjson.dumps(load_keys(folder / "province.json").jwks()))
    known = {"name": "省平台", "jwks": "jwks.json", "models": ["xiangxinfen"], "places": ["hunan-shaoyang"]} | entry
    (folder / "issuers.json").write_bytes(orjson.dumps({PROVINCE: known}))
    return folder / "issuers.json", folder / "province.json"


def claims(*rows: Any, **given: Any) -> dict[str, Any]:
    at = int(NOON.timestamp())
    return {"iss": PROVINCE, "iat": at, "jti": "b-1", "aud": "https://xinyi.example", "model": "xiangxinfen"} | {
        "results": list(rows),
        **given,
    }


def opened(folder: Path, said: dict[str, Any], **entry: Any) -> Push:
    issuers, keys = province(folder, **entry)
    token = sign(load_keys(keys), "results", said)
    return open_push(token, load_issuers(issuers), audience="https://xinyi.example", now=NOON)


async def test_a_signed_file_is_applied_in_its_issuers_name(city: City, tmp_path: Path) -> None:
    given = opened(tmp_path, claims(row("poor", points=712.55), row("elsewhere")))
    async with city.state.database.transaction() as connection:
        receipt = await receive_results(
            connection, given, models=city.state.rulebook.models, keys=city.keys, actor="cli", now=city.now
        )
    assert (receipt.rows, receipt.applied) == (2, 1)
    score = await mine(city, "poor")
    assert (score["points"], score["issuer"]) == ("712.55", "省平台")


BAD_FILES: dict[str, tuple[dict[str, Any], str]] = {
    "from nobody we know": ({"iss": "https://other.example"}, "ISSUER_UNKNOWN"),
    "for somebody else": ({"aud": "https://other.example"}, "SIGNATURE_INVALID"),
    "from the future": ({"iat": int(NOON.timestamp()) + 3600}, "SIGNATURE_INVALID"),
    "without a batch id": ({"jti": None}, "RESULTS_REFUSED"),
    "without results": ({"results": None}, "RESULTS_REFUSED"),
    "a row that is no object": ({"results": [7]}, "RESULTS_REFUSED"),
    "a row without a day": ({"results": [{"subject": "x", "grade": "A"}]}, "RESULTS_REFUSED"),
    "points as text": ({"results": [row("good", points="7")]}, "RESULTS_REFUSED"),
    "points with three decimals": ({"results": [row("good", points=7.001)]}, "RESULTS_REFUSED"),
}


@pytest.mark.parametrize("what", BAD_FILES)
def test_a_file_that_is_not_right_is_refused_with_its_code(tmp_path: Path, what: str) -> None:
    given, code = BAD_FILES[what]
    with pytest.raises(ExpectedError) as raised:
        opened(tmp_path, claims(row("good"), **given))
    assert raised.value.code == code
    assert not any(number in raised.value.message for number in NUMBERS.values())


def test_a_file_changed_or_signed_by_another_is_refused(tmp_path: Path) -> None:
    issuers, keys = province(tmp_path)
    known = load_issuers(issuers)
    token = sign(load_keys(keys), "results", claims(row("good")))
    (tmp_path / "other").mkdir()
    _, others = province(tmp_path / "other")
    forged = sign(load_keys(others), "results", claims(row("good")))
    head, body, signature = token.split(".")
    other_end = "BA" if signature.endswith("AA") else "AA"
    for wrong in (forged, f"{head}.{forged.split('.')[1]}.{signature[:-2]}{other_end}", f"{head}.{body}", token + "="):
        with pytest.raises(ExpectedError) as raised:
            open_push(wrong, known, audience="https://xinyi.example", now=NOON)
        assert raised.value.code == "SIGNATURE_INVALID"
    trusted = load_public_keys(tmp_path / "other" / "jwks.json")
    with pytest.raises(ExpectedError) as raised:
        open_push(token, known, audience="https://xinyi.example", now=NOON, keys=trusted)
    assert raised.value.code == "SIGNATURE_INVALID"


async def test_an_issuer_pushes_its_own_models_alone(city: City, tmp_path: Path) -> None:
    given = opened(tmp_path, claims(row("good")), models=["hunan-comprehensive"])
    async with city.state.database.transaction() as connection:
        with pytest.raises(ExpectedError) as raised:
            await receive_results(
                connection, given, models=city.state.rulebook.models, keys=city.keys, actor="cli", now=city.now
            )
    assert raised.value.code == "MODEL_NOT_ISSUERS"


def test_a_broken_list_of_issuers_stops_the_start_and_is_named(tmp_path: Path) -> None:
    path = tmp_path / "issuers.json"
    for content in (b"", b"[]", b'{"a": 1}', b'{"a": {"name": "x"}}'):
        path.write_bytes(content)
        with pytest.raises(ExpectedError, match=r"issuers\.json"):
            load_issuers(path)
    with pytest.raises(ExpectedError, match="none"):
        load_issuers(tmp_path / "none.json")


def test_an_account_pushes_in_the_name_it_is_listed_under(tmp_path: Path) -> None:
    from scoring.issuers import issuer_of_account

    issuers = load_issuers(province(tmp_path, accounts=["provider-7"])[0])
    found: Issuer = issuer_of_account(issuers, "provider-7")
    assert (found.id, found.name) == (PROVINCE, "省平台")
    with pytest.raises(ExpectedError) as raised:
        issuer_of_account(issuers, "provider-8")
    assert raised.value.code == "ISSUER_UNKNOWN"


def test_the_command_signs_pushes_and_says_when_a_batch_came_before(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data, file = ["--data", str(tmp_path / "city")], str(tmp_path / "results.jws")
    assert run(["results", "sign", "--out", file, *data]) == 0
    assert run(["results", "push", file, *data]) == 0
    out, err = capfd.readouterr()
    assert orjson.loads(out) == {"rows": 1, "applied": 1, "repeated": False, "not_applied": []}
    assert run(["results", "push", file, *data]) == 0
    out, err = capfd.readouterr()
    assert orjson.loads(out)["repeated"] is True
    assert "没有作任何改动" in err
    text = Path(file).read_text()
    Path(file).write_text(text[:-6] + "AAAAA\n")
    assert run(["results", "push", file, *data]) == 1
    assert capfd.readouterr().err.startswith("SIGNATURE_INVALID: ")
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"subject": "110101196001010011", "grade": "A", "resultOn": "2026-01-01"}\n')
    assert run(["results", "sign", str(rows), "--out", file, *data]) == 0
    assert run(["results", "push", file, *data]) == 1
    out, err = capfd.readouterr()
    assert orjson.loads(out)["not_applied"][0]["row"] == 1
    assert err.startswith("ROWS_NOT_APPLIED: ")


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
async def test_leaving_and_ended_accounts_push_nothing(city: City) -> None:
    await city.write(delete(enrollments).where(enrollments.c.subject_id == 1))
    assert (await push(city, row("good")))["applied"] == 0
    await city.end_account("provider")
    body = await city.ask(PUSH, {"input": {"requestId": "x", "model": "m", "results": [row("good")]}}, by="provider")
    assert body["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    async with city.state.database.reading() as connection:
        assert await connection.scalar(select(accounts.c.role).where(accounts.c.id == "provider")) == "provider"
