"""Rows and files as departments write them, for the tests of intake."""

from __future__ import annotations

import csv
import io
from datetime import date
from pathlib import Path

from stdnum.cn import uscc

from core.identifiers import check_digit_of
from core.places import load_places
from scoring.catalogue import CatalogueItem, load_catalogues
from scoring.indicators import load_indicators
from scoring.intake.columns import Columns, read_header
from scoring.intake.files import RawRow, open_file
from scoring.intake.rows import Checked, check_row

PLACES = load_places()
CATALOGUES = load_catalogues(PLACES, load_indicators(PLACES))
PENALTY = CATALOGUES["cn"].items["administrative-penalty"]
PERMIT = CATALOGUES["cn"].items["administrative-permit"]
ON = date(2026, 6, 1)


def enterprise_code(number: int = 1) -> str:
    stem = f"91430500{number:09}"
    return stem + uscc.calc_check_digit(stem)


def person_code(number: int = 1) -> str:
    stem = f"43050019900307{number:03}"
    return stem + check_digit_of(stem)


PENALTY_ROW = {
    "行政相对人名称": "示例制造有限公司",
    "行政相对人类别": "法人及非法人组织",
    "行政相对人代码_1(统一社会信用代码)": enterprise_code(),
    "法定代表人": "张三",
    "行政处罚决定文书号": "某市监罚〔2024〕8号",
    "违法行为类型": "违反计量管理规定",
    "违法事实": "使用未经检定的计量器具",
    "处罚依据": "《中华人民共和国计量法》第二十五条",
    "处罚类别": "罚款",
    "处罚内容": "罚款人民币五千元",
    "罚款金额(万元)": "0.5",
    "没收违法所得、没收非法财物的金额(万元)": "— —",
    "暂扣或吊销证照名称及编号": "/",
    "处罚决定日期": "2024-01-31",
    "处罚有效期": "2099-12-31",
    "公示截止期": "2025-01-31",
    "处罚机关": "某市市场监督管理局",
    "处罚机关统一社会信用代码": enterprise_code(77),
    "数据来源单位": "某市市场监督管理局",
    "数据来源单位统一社会信用代码": enterprise_code(77),
    "备注": "无",
}
PERMIT_ROW = {
    "行政相对人名称": "示例餐饮有限公司",
    "行政相对人类别": "法人及非法人组织",
    "行政相对人代码_1(统一社会信用代码)": enterprise_code(2),
    "法定代表人": "李四",
    "行政许可决定文书名称": "准予行政许可决定书",
    "行政许可决定文书号": "某许准字〔2024〕9号",
    "许可类别": "普通",
    "许可证书名称": "食品经营许可证",
    "许可编号": "JY24305000012345",
    "许可内容": "热食类食品制售",
    "许可决定日期": "2024年2月1日",
    "有效期自": "2024-02-01",
    "有效期至": "2029-01-31",
    "许可机关": "某市行政审批局",
    "许可机关统一社会信用代码": enterprise_code(78),
    "当前状态": "有效",
    "数据来源单位": "某市行政审批局",
    "数据来源单位统一社会信用代码": enterprise_code(78),
    "备注": "",
}


def columns_of(item: CatalogueItem, names: tuple[str, ...]) -> Columns:
    columns = read_header(item, names)
    assert columns is not None
    return columns


def judged(
    item: CatalogueItem = PENALTY, *, on: date = ON, without: tuple[str, ...] = (), **changes: object
) -> Checked:
    """The good row of the item with these cells changed, judged."""
    good = PERMIT_ROW if item is PERMIT else PENALTY_ROW
    row = {name: cell for name, cell in {**good, **changes}.items() if name not in without}
    return check_row(columns_of(item, tuple(row)), RawRow(1, list(row.values())), on=on)  # type: ignore[arg-type]


def csv_bytes(*rows: dict[str, str], encoding: str = "utf-8", delimiter: str = ",") -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([list(rows[0]), *(row.values() for row in rows)])
    return text.getvalue().encode(encoding)


def read_all(path: Path, item: CatalogueItem = PENALTY, *, on: date = ON) -> list[tuple[RawRow, Checked]]:
    with open_file(path, item) as opened:
        return [(row, check_row(opened.columns, row, on=on)) for row in opened.rows]
