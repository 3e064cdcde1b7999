"""Open data in bulk for credit service agencies: `GET /open-data` and `GET /open-data/{list}.jsonl`. One thing to know:
what is sent is what the public look-up shows, enterprise by enterprise, and nothing else; each download is on the audit
trail (《黑龙江省社会信用条例》第二十三条第一款、第二款第(一)项).

A list is an item of the catalogue that is open to everybody. The first line of a file says which list, which day and on
what terms; the last says how many records there were, so a file that broke off is known by its end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from hashlib import sha256
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from api.context import State
from api.downloads import NoSuchFile
from core import audit
from core.clock import day_of
from partners.accounts import Principal, Role
from partners.rulebook import Rulebook
from scoring.publication import PublicRecord, list_fingerprint, opened_items, public_list

READERS = (Role.AGENCY,)
PAGE = 500
LICENCE = (
    "内容为依法公示的企业公共信用信息,以本文件所示日期为准;转载应注明来源和日期,不得改变原意,不得与个人信息比对;"
    "公示期满、修复或更正的信息,收到新文件后应即停止使用。"
)


async def fetch_index(state: State, request: Request, principal: Principal) -> Response:
    """`GET /open-data`: the lists there are, and the terms."""
    names = sorted({code for place in state.rulebook.served for code in opened_items(state.rulebook.catalogues[place])})
    lists = [{"list": name, "path": f"/open-data/{name}.jsonl"} for name in names]
    return JSONResponse({"on": day_of(state.clock()).isoformat(), "licence": LICENCE, "lists": lists})


async def fetch_list(state: State, request: Request, principal: Principal) -> Response:
    """`GET /open-data/{list}.jsonl`, of `?place=` alone where given; 304 where nothing has changed since `etag`."""
    rulebook, now = state.rulebook, state.clock()
    item, _, form = request.path_params["name"].rpartition(".")
    places = _places(rulebook, request.query_params.get("place"), item)
    if form != "jsonl" or not places:
        raise NoSuchFile("没有这份开放清单。请先取 /open-data 查看有哪些清单;place 须为本平台服务的地方。")
    on = day_of(now)
    async with state.database.reading() as connection:
        found = await list_fingerprint(connection, item=item, places=places, catalogues=rulebook.catalogues, on=on)
    etag = f'"{sha256(f"{on}/{item}/{places}/{found}/{LICENCE}".encode()).hexdigest()[:32]}"'
    headers = {"etag": etag, "cache-control": "private, no-cache"}
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    is_known = etag in known or "*" in known
    async with state.database.transaction() as connection:
        content = {"list": item, "places": list(places), "on": on.isoformat(), "etag": etag, "sent": not is_known}
        await audit.record(connection, at=now, actor=principal.account, action="openData", content=content)
    if is_known:
        return Response(status_code=304, headers=headers)
    head = {"list": item, "on": on.isoformat(), "places": list(places), "licence": LICENCE, "source": "信易+"}
    disposition = {"content-disposition": f'attachment; filename="{item}-{on}.jsonl"'}
    return StreamingResponse(
        _lines(state, head, item, places, on), media_type="application/jsonl", headers=headers | disposition
    )


def _places(rulebook: Rulebook, place: str | None, item: str) -> tuple[str, ...]:
    """The places served whose catalogue opens the item, those below `place` alone where given."""
    return tuple(
        code
        for code in rulebook.served
        if (place is None or place in rulebook.places[code].lineage) and item in opened_items(rulebook.catalogues[code])
    )


async def _lines(state: State, head: dict[str, Any], item: str, places: Sequence[str], on: Any) -> AsyncIterator[bytes]:
    yield orjson.dumps(head) + b"\n"
    after: tuple[int, str] | None = None
    count, more = 0, True
    while more:
        # A connection for each page: a slow reader holds none.
        async with state.database.reading() as connection:
            page = await public_list(
                connection,
                item=item,
                places=places,
                catalogues=state.rulebook.catalogues,
                on=on,
                after=after,
                most=PAGE,
            )
        count, more = count + len(page.records), page.more
        if page.records:
            after = (page.records[-1].subject_id, page.records[-1].id)
            yield b"".join(orjson.dumps(_line(one)) + b"\n" for one in page.records)
        elif more:
            return  # a whole page changed by hand: without its last line the file is known to be broken off
    yield orjson.dumps({"records": count, "end": True}) + b"\n"


def _line(record: PublicRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "uscc": record.uscc,
        "place": record.place,
        "item": record.item,
        "label": record.label,
        "nature": record.nature,
        "documentNumber": record.document_number,
        "authority": record.authority,
        "decidedOn": record.decided_on,
        "publishedUntil": record.last_day,
        "fields": {field.label: field.value for field in record.fields},
    }
