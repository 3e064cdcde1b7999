"""Files that two bodies of the demo city delivered. One thing to know: they are written as departments write them,
faults included, and go through the intake that every file goes through; what was sent back can be fetched."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import select

from core.clock import day_of
from core.identifiers import new_id
from demo.city import BODIES
from demo.people import FOREMOST, PERSONS
from demo.underway.town import HUIZHOU, SHAOYANG, Story, Telling, Town
from scoring.intake.load import Body, catalogued, keep_quarantine, load_file
from scoring.registry.subjects import key_number_of, name_of
from scoring.tables import subjects

Line = dict[str, str]
OFFENCES = (
    ("使用未经检定的计量器具", "《中华人民共和国计量法》第二十五条", "罚款", "0.5"),
    ("未按规定明码标价", "《中华人民共和国价格法》第四十二条", "罚款", "0.3"),
    ("未按规定公示年度报告", "《企业信息公示暂行条例》第十七条", "警告", ""),
    ("占用消防通道", "《中华人民共和国消防法》第六十条", "罚款", "1,2"),
)
"""Offence, basis, category and fine in 万元 of one penalty after another; the last fine is written wrongly."""


async def _firms(town: Town, place: str, skip: int, count: int) -> list[tuple[str, str]]:
    """Names and USCCs of enterprises of the place that are not among the foremost."""
    wanted = select(subjects).where(
        subjects.c.place == place, subjects.c.kind == "enterprise", subjects.c.id > PERSONS + FOREMOST
    )
    async with town.database.reading() as connection:
        rows = (await connection.execute(wanted.order_by(subjects.c.id).offset(skip).limit(count))).all()
    return [(name_of(town.keys, row.name_sealed), key_number_of(town.keys, row).text) for row in rows]


async def _deliver(town: Town, lines: Sequence[Line], at: datetime, *, account: str, place: str, code: str) -> None:
    """Hand in a file, as `POST /intake` takes it."""
    item, batch_id, body = catalogued(town.rulebook.catalogues[place], code), new_id(), Body(*BODIES[account])
    with TemporaryDirectory(prefix="xinyi-") as folder:
        path, back = Path(folder) / "delivery.csv", Path(folder) / "quarantine.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, lines[0].keys())
            writer.writeheader()
            writer.writerows(lines)
        summary = await load_file(
            town.database, path, item=item, place=place, actor=account, quarantine=back, now=at, body=body,
            models_of=partial(town.rulebook.models_for, on=day_of(at)), batch_id=batch_id,
        )  # fmt: skip
        if summary.quarantined:
            await keep_quarantine(town.database, town.files, batch_id, back)


def _of_body(account: str, name: str) -> Line:
    """The columns that say where a row comes from."""
    body, code = BODIES[account]
    said = {f"{name}机关": body, f"{name}机关统一社会信用代码": code}
    return said | {"数据来源单位": body, "数据来源单位统一社会信用代码": code, "备注": ""}


def _penalty(firm: tuple[str, str], number: int, decided_at: datetime) -> Line:
    on = day_of(decided_at)
    offence, basis, category, fine = OFFENCES[number % len(OFFENCES)]
    return {
        "行政相对人名称": firm[0],
        "行政相对人类别": "法人及非法人组织",
        "行政相对人代码_1(统一社会信用代码)": firm[1],
        "行政处罚决定文书号": f"演示罚〔{on.year}〕{1000 + number}号",
        "违法行为类型": offence,
        "违法事实": offence,
        "处罚依据": basis,
        "处罚类别": category,
        "处罚内容": f"{category}{fine and f'{fine}万元'}",
        "罚款金额(万元)": fine,
        "处罚决定日期": on.isoformat(),
        **_of_body("provider-2", "处罚"),
    }


def _permit(firm: tuple[str, str], number: int, decided_at: datetime) -> Line:
    on = day_of(decided_at)
    return {
        "行政相对人名称": firm[0],
        "行政相对人类别": "法人及非法人组织",
        "行政相对人代码_1(统一社会信用代码)": firm[1],
        "行政许可决定文书名称": "准予行政许可决定书",
        "行政许可决定文书号": f"演示许准〔{on.year}〕{1000 + number}号",
        "许可类别": "普通",
        "许可证书名称": "食品经营许可证",
        "许可编号": f"演示{number:06d}",
        "许可内容": "热食类食品制售",
        "许可决定日期": on.isoformat(),
        "有效期自": on.isoformat(),
        "有效期至": (on + timedelta(days=5 * 365)).isoformat(),
        "当前状态": "有效",
        **_of_body("provider-3", "许可"),
    }


async def penalties(town: Town) -> Story:
    """Two deliveries of penalties: one in order, and one with many faults that brings some of the first again."""
    firms = await _firms(town, SHAOYANG, 0, 24)
    first = [_penalty(firm, n, town.before(24 - n % 3)) for n, firm in enumerate(firms[:12]) if n % 4 < 3 or n == 3]
    yield (at := town.before(19, 10, 20))
    await _deliver(town, first, at, account="provider-2", place=SHAOYANG, code="administrative-penalty")
    second = [_penalty(firm, 12 + n, town.before(5)) for n, firm in enumerate(firms[12:]) if n % 4 < 3]
    code = "行政相对人代码_1(统一社会信用代码)"
    second[1] |= {code: f"{second[1][code][:9]}O{second[1][code][10:]}"}
    second[3] |= {"处罚决定日期": f"{town.on.year}年2月30日"}
    second[5] |= {"行政相对人名称": ""}
    second[6] |= {"罚款金额(万元)": "五千元"}
    second[7] |= {"数据来源单位": BODIES["provider-3"][0], "数据来源单位统一社会信用代码": BODIES["provider-3"][1]}
    second[8] |= {"备注": "适用简易程序当场处罚"}
    corrected = first[0] | {"处罚内容": "罚款0.4万元", "罚款金额(万元)": "0.4"}
    yield (at := town.before(3, 9, 40))
    lines = [*second, corrected, *first[1:3]]
    await _deliver(town, lines, at, account="provider-2", place=SHAOYANG, code="administrative-penalty")


async def listing(town: Town) -> Story:
    """An enterprise is listed as seriously dishonest, with reason, basis, term, way out and remedies."""
    [firm] = await _firms(town, SHAOYANG, 40, 1)
    yield (at := town.before(4, 10, 10))
    on = day_of(town.before(6))
    line = {
        "行政相对人名称": firm[0],
        "行政相对人代码_1(统一社会信用代码)": firm[1],
        "文书号": f"演示列严〔{on.year}〕3号",
        "列入理由": "提交虚假材料取得许可(演示)",
        "列入依据": "《市场监督管理严重违法失信名单管理办法》第八条",
        "决定日期": on.isoformat(),
        "列入期限至": on.replace(year=on.year + 3, day=1).isoformat(),
        "移出条件": "列入满一年、已改正违法行为并作出信用承诺的,可以申请提前移出。",
        "救济途径": "可以在收到决定之日起六十日内申请行政复议,或者六个月内提起行政诉讼。",
        **_of_body("provider-2", "认定"),
    }
    await _deliver(town, [line], at, account="provider-2", place=SHAOYANG, code="serious-list")


async def permits(town: Town) -> Story:
    """Two deliveries of permissions: the first in good time and order, the second late."""
    firms = await _firms(town, HUIZHOU, 0, 40)
    yield (at := town.before(12, 15, 30))
    good = [_permit(firm, n, town.before(13 + n % 4)) for n, firm in enumerate(firms[:22])]
    good[9] |= {"许可决定日期": "43982"}
    await _deliver(town, good, at, account="provider-3", place=HUIZHOU, code="administrative-permit")
    yield (at := town.before(1, 16, 10))
    late = [_permit(firm, 22 + n, town.before(9 + n % 5)) for n, firm in enumerate(firms[22:])]
    late[2] |= {"行政许可决定文书号": ""}
    await _deliver(town, late, at, account="provider-3", place=HUIZHOU, code="administrative-permit")


DELIVERIES: tuple[Telling, ...] = (penalties, listing, permits)
