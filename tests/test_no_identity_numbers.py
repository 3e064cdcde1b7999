"""No person's identity number is anywhere but sealed. One thing to know: what a feature does belongs into `ACTIONS`;
every text that any mutation takes is tried without being named here.

After a working day of a small city its database, byte by byte, its log at the most talkative level and all that it
answered are searched for the number of everybody who came near it. A USCC is public and may stand anywhere.
"""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from factories import ISSUE, PEOPLE, VERIFY, City, offer_id, open_city, resident_id
from graphql import GraphQLInputObjectType, GraphQLObjectType, get_named_type
from owed_and_lent import file_orders_and_loans
from sqlalchemy import text
from test_authorisation import GROUPS, TABLE, given
from test_results import CORRECT, PUSH
from webhook_receivers import file_webhooks

from api.schema import SCHEMA
from api.transport.server import QUIET, MaskingFormatter, configure_logging
from core.identifiers import holds_resident_id
from core.sealing import unseal
from scoring.tables import subjects

NUMBERS = [resident_id(person["birth"], number) for number, person in enumerate(PEOPLE.values(), 1)]
STRANGER = resident_id(date(1964, 12, 31), 641)
"""Of somebody who is no subject here."""
GOOD = NUMBERS[0]


def old(number: str) -> str:
    """The number as it was before 2013, with 15 digits."""
    return number[:6] + number[8:17]


def spellings(number: str) -> set[bytes]:
    """What a number could be found by: as it is, in other digits, in parts, in hexadecimal and in base64."""
    wide = number.translate({ord(digit): ord(digit) + 0xFEE0 for digit in "0123456789"})
    parts = f"{number[:6]} {number[6:14]} {number[14:]}", f"{number[:6]}-{number[6:14]}-{number[14:]}"
    plain = {one.encode() for one in (number, number.lower(), old(number), wide, *parts)}
    # Wherever it begins in a longer text, 15 of its digits stand in 20 letters of base64 that are always the same.
    coded = {b64encode(bytes(before) + number.encode())[4 if before else 0 :][:20] for before in range(3)}
    return plain | coded | {number.encode().hex().encode()}


SOUGHT = {spelling for number in [*NUMBERS, STRANGER] for spelling in spellings(number)}


def found_in(content: bytes) -> list[bytes]:
    """The spellings that stand in it, with what stands around them."""
    places = ((content.find(one), one) for one in SOUGHT)
    return [content[max(0, place - 60) : place + len(one) + 20] for place, one in places if place >= 0]


Action = Callable[[City], Awaitable[None]]
ACTIONS: list[Action] = []
"""A working day. What is added here is searched for numbers with the rest."""


def action(does: Action) -> Action:
    """Have it done in the course of the day."""
    ACTIONS.append(does)
    return does


@action
async def people_take_part_and_use_benefits(city: City) -> None:
    notice = city.state.rulebook.notice.version
    await city.do(
        "mutation ($input: EnrollInput!) { enroll(input: $input) { __typename } }", by="stranger", noticeVersion=notice
    )
    for person in PEOPLE:
        await city.verify(await city.code(person))
    decided = await city.verify(await city.code("good"), "tower")
    redeemed = await city.redeem(decided["id"])
    await city.reverse(redeemed["id"])
    for person in PEOPLE:
        await city.ask(
            "{ me { displayName scores { grade { code } } benefits { edges { node { available } } } } }", by=person
        )
        await city.log(person)


@action
async def results_are_pushed_and_corrected(city: City) -> None:
    good = [{"subject": number, "grade": "A", "resultOn": "2026-11-01"} for number in NUMBERS]
    forms = [STRANGER, old(STRANGER), STRANGER.lower(), f" {STRANGER} ", STRANGER[:-1] + "Q", f"{STRANGER}0"]
    bad = [{"subject": form, "grade": "A", "resultOn": "2026-11-01"} for form in forms]
    for results in (good, bad, good + good, [good[0] | {"points": "1e99"}], [good[0] | {"validUntil": "2020-01-01"}]):
        asked = {"requestId": city.next_request(), "model": "xiangxinfen", "results": results}
        await city.ask(PUSH, {"input": asked}, by="provider")
    asked = {"requestId": city.next_request(), "model": "xiangxinfen", "results": [{"subject": int(GOOD[:17])}]}
    await city.ask(PUSH, {"input": asked}, by="provider")
    await city.do(CORRECT, by="reviewer", **await given(city, "correctResult", "reviewer"))


@action
async def something_of_every_sort_is_on_file(city: City) -> None:
    await file_orders_and_loans(city)
    await file_webhooks(city)


@action
async def people_sign_in_and_numbers_come_with_them(city: City) -> None:
    told = {"user-agent": f"{GOOD} Firefox {STRANGER}", "accept": "text/html"}
    for number in (GOOD, old(GOOD), STRANGER):
        for path in ("session", "refresh", "end", "demo", "wechat", f"{number}/callback", number):
            body = {"code": number, "refresh_token": number, "role": number, "n": int(number[:15])}
            await city.client.post(f"/sign-in/{path}", json=body, headers=told)
            await city.client.get(f"/sign-in/{path}", params={"state": number, "return_to": number}, headers=told)
    await city.client.post("/sign-in/demo", json={"role": "citizen"}, headers=told)


@action
async def numbers_come_where_none_belongs(city: City) -> None:
    for number in (GOOD, old(GOOD), STRANGER):
        for body in (
            {"query": f"{{ n{number} }}"},
            {"query": f"{{ n{number}: node(id: 7.5) {{ id }} }}"},
            {
                "query": ISSUE.replace("issueCreditCode(", f"n{number}: issueCreditCode("),
                "variables": {"input": {"offerId": "?"}},
            },
            {"query": f'{{ node(id: "{number}") {{ id }} }}'},
            {"query": f"{{ offers(first: {number}) {{ edges {{ cursor }} }} }}"},
            {"query": f'{{ offers(after: "{number}") {{ edges {{ cursor }} }} }}'},
            {"query": f'{{ offers(kind: "{number}") {{ edges {{ cursor }} }} }}'},
            {"query": "{ me { id } }", "operationName": number},
            {"query": number},
            {"query": ISSUE, "variables": {"input": {number: number}}},
            {"query": ISSUE, "variables": {"input": number}},
            {"query": ISSUE, "variables": {number: {}}},
            {"query": ISSUE, "variables": {"input": {"offerId": number}}},
            {number: number},
        ):
            for account in ("good", "scenic", "operator"):
                await city.client.post(
                    "/graphql", json=body, headers={"authorization": f"Bearer {city.token(account)}"}
                )
        await city.client.post("/graphql", content=f'{{"query": "{number}'.encode())
        await city.client.post(
            "/graphql", json={"query": "{ me { id } }"}, headers={"authorization": f"Bearer {number}"}
        )
        await city.client.get("/graphql", params={"query": f"{{ n{number} }}"})
        await city.client.get(f"/{number}")
        await city.client.get(
            "/graphql", headers={"accept": "application/json", "x-request-id": number, "cookie": number}
        )


def texts_of(kind: GraphQLInputObjectType, value: Any) -> Iterator[tuple[Any, ...]]:
    """The path of every text in a good input; those left out included."""
    for name, field in kind.fields.items():
        inner = get_named_type(field.type)
        if isinstance(inner, GraphQLInputObjectType):
            for place, each in (
                enumerate(value.get(name) or ()) if isinstance(value.get(name), list) else ((None, value.get(name)),)
            ):
                if each is not None:
                    yield from ((name, *([] if place is None else [place]), *path) for path in texts_of(inner, each))
        elif inner.name in {"String", "ID"}:
            yield (name, 0) if isinstance(value.get(name), list) and value[name] else (name,)


def put(value: Any, path: tuple[Any, ...], what: str) -> Any:
    """A copy with something else at that place."""
    copy = deepcopy(value)
    place = copy
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = [what] if path[-1] != 0 and isinstance(place.get(path[-1]), list) else what
    return copy


MUTATIONS = SCHEMA._schema.type_map["Mutation"]
assert isinstance(MUTATIONS, GraphQLObjectType)
FIELDS = MUTATIONS.fields


@action
async def every_text_of_every_mutation_is_a_number_once(city: City) -> None:
    for name, field in FIELDS.items():
        kind = get_named_type(field.args["input"].type)
        assert isinstance(kind, GraphQLInputObjectType)
        actor = next(one for one in GROUPS[TABLE["types"]["Mutation"]["fields"][name]] if one != "anonymous")
        shown = "{ __typename ... on Problem { code message } }"
        query = f"mutation ($input: {kind.name}!) {{ {name}(input: $input) {shown} }}"
        for path in texts_of(kind, await given(city, name, actor)):
            tried = [GOOD, f"证件 {GOOD[:6]} {GOOD[6:14]} {GOOD[14:]}"]
            tried += [] if path == ("requestId",) else [f"旧证{old(GOOD)}号"]
            for what in tried:
                await city.ask(query, {"input": put(await given(city, name, actor), path, what)}, by=actor)


@action
async def something_breaks(city: City) -> None:
    # Our own bug, with a number in the message of the exception and in what it was called with.
    def broken(number: str) -> None:
        raise RuntimeError(f"no such subject: {number}")

    try:
        broken(GOOD)
    except RuntimeError:
        logging.getLogger("xinyi.test").exception("bug about %s", GOOD, extra={"subject": STRANGER, "old": old(GOOD)})


@contextmanager
def talkative() -> Iterator[list[str]]:
    """All that is logged, at the most talkative level, but for what the asking client says of itself."""
    lines: list[str] = []
    net = MaskingFormatter("{levelname}{name}{message}", style="{")
    seen = logging.Formatter()

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            ours = record.name == "xinyi.test"  # only what breaks on purpose needs the net
            lines.append(net.format(record) if ours else f"{seen.format(record)} {record.__dict__}")

    root, handler = logging.getLogger(), Kept()
    handler.addFilter(lambda record: not record.name.startswith(("httpx", "httpcore", *QUIET)))
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


TIMESTAMP, ORDER = "20261120111215123", "202611201112151234"  # on the 20th, the hour reads as a year


def test_a_number_is_seen_however_it_is_written_and_nothing_else_is() -> None:
    wide = GOOD.translate({ord(digit): ord(digit) + 0xFEE0 for digit in "0123456789"})
    parts = f"{GOOD[:6]} {GOOD[6:14]}-{GOOD[14:]}"
    for one in (GOOD, f"证件{GOOD}号", wide, parts, old(GOOD), *NUMBERS):
        assert holds_resident_id(one)
    for one in ("", "东门", TIMESTAMP, ORDER, f"9{GOOD}", f"{GOOD}1", "91430502MA7YK0003R", GOOD[:17], "4" * 18):
        assert not holds_resident_id(one)
    assert not holds_resident_id(old(GOOD), even_old=False)


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
async def test_a_label_with_a_number_is_refused_and_a_long_request_id_is_not(town: City) -> None:
    before = await town.tally()
    for given_ in ({"site": f"东门 {GOOD}"}, {"clerk": old(GOOD)}, {"requestId": GOOD}):
        asked = {"requestId": "r", "code": "x", "offerId": offer_id("museum")} | given_
        [error] = (await town.ask(VERIFY, {"input": asked}, by="scenic"))["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert found_in(str(error).encode()) == []
    assert await town.tally() == before
    for request_id in (TIMESTAMP, ORDER, old(GOOD)):
        assert (await town.verify(await town.code("good"), requestId=request_id))["outcome"] == "BENEFIT_APPLIES"


def test_the_log_masks_what_should_never_have_reached_it(capfd: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        configure_logging("DEBUG")
        logging.getLogger("x").warning("about %s", GOOD, extra={"one": STRANGER, "two": {"old": old(GOOD)}})
        with suppress(RuntimeError):
            try:
                raise RuntimeError(GOOD)
            except RuntimeError:
                logging.getLogger("x").exception("bug")
                raise
        assert all(not logging.getLogger(name).isEnabledFor(logging.DEBUG) for name in QUIET)
    finally:
        root.handlers[:] = before[0]
        root.setLevel(before[1])
        for name in (*QUIET, "uvicorn.access"):
            logging.getLogger(name).setLevel(logging.NOTSET)
            logging.getLogger(name).disabled = False
    said = capfd.readouterr().err
    assert found_in(said.encode()) == []
    first, second = (orjson.loads(line) for line in said.splitlines())
    assert (first["message"], first["one"][:3], first["two"]["old"][-2:]) == (f"about 430{'*' * 13}11", "430", "01")
    assert "RuntimeError: 430***" in second["exc_info"]


async def dump(city: City) -> bytes:
    """All bytes of the database: SQLite's files, or every row of every PostgreSQL table as text."""
    database = city.state.database
    if database.is_sqlite:
        path = Path(str(database.url.database))
        return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))
    written = []
    async with database.reading() as connection:
        tables = (
            "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"
        )
        for name in (await connection.scalars(text(tables))).all():
            rows = (await connection.scalars(text(f"SELECT t::text FROM {name} t"))).all()
            written += [f"{name} {row}\n".encode() for row in rows]
    return b"".join(written)


@pytest.fixture
async def town(city_url: str, keys_file: Path) -> AsyncIterator[City]:
    """The small city, without a limit of requests."""
    limits = {"rate_per_second": 10_000, "rate_burst": 1_000_000}
    async with open_city(database_url=city_url, keys_file=keys_file, **limits) as opened:
        if not opened.state.database.is_sqlite:
            # The small city numbers its rows itself; what is added to it counts on from there.
            async with opened.state.database.transaction() as connection:
                for name in ("offers", "partners", "subjects"):
                    await connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), 10000)"))
        yield opened


async def test_after_a_working_day_no_number_is_in_database_log_or_answer(town: City) -> None:
    answers: list[bytes] = []

    async def keep(response: httpx.Response) -> None:
        answers.append(await response.aread())

    town.client.event_hooks["response"].append(keep)
    with talkative() as lines:
        for does in ACTIONS:
            await does(town)
    assert len(answers) > 200
    assert found_in(b"\n".join(answers)) == []
    assert found_in("\n".join(lines).encode()) == []
    content = await dump(town)
    assert found_in(content) == []
    # The search does see what is there, and the numbers are there, sealed.
    assert town.state.rulebook.notice.version.encode() in content
    sealed = [row.identity_sealed for row in await town.rows(subjects)]
    assert {*NUMBERS} <= {(unseal(town.keys, "seal", one) or b"").decode() for one in sealed}
