"""A simulation as one HTML page for people. One thing to know: everything it needs is inside it, every chart is also a
table, and nothing in it is about fewer than ten people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from scoring.values import number_text

FEW = "少于 10"
CHARTED_OFFERS = 8
"""More would be too narrow to read; the table has all."""
BEFORE, AFTER = "#9aa8b8", "#2f6f8f"
"""Calm and told apart also in grey print; neither is the colour of a warning."""
FONT = "'Noto Sans CJK SC', 'Source Han Sans SC', 'PingFang SC', 'Microsoft YaHei', sans-serif"
KINDS = {"person": "自然人", "enterprise": "企业"}
_ADDRESSES = re.compile(r' xmlns(:\w+)?="[^"]*"')
"""Names that an SVG inside a page of HTML has no need of."""
_PAGE = Template(Path(__file__).with_name("report.html").read_text(encoding="utf-8"))


def report_page(summary: Mapping[str, Any]) -> str:
    """The page for what `simulation.simulate` gives."""
    before = summary["before"]
    against = f"对照现行 {before['version']} 版" if before else "此前没有生效的版本"
    sections = [
        _conclusion(summary),
        _grades(summary),
        _histogram(summary),
        _moves(summary),
        _reasons(summary),
        _offers(summary),
        _disparity(summary),
    ]
    return _PAGE.substitute(
        title=escape(f"{summary['name']} {summary['after']['version']} 版 模拟报告"),
        against=escape(against),
        on=escape(summary["on"]),
        people=_people(summary["people"]),
        kind=KINDS[summary["subject"]],
        model=escape(summary["model"]),
        checksum=escape(summary["after"]["checksum"]),
        checksum_before=escape(before["checksum"] if before else "无"),
        sections="\n".join(section for section in sections if section),
    )


def _conclusion(summary: Mapping[str, Any]) -> str:
    stops, changed = summary["stops"], summary["changed"]
    notes = []
    if summary["before"] is None:
        notes.append("这是该模型的第一个版本,没有可以比较的等级变化。")
    elif summary["same_ladder"]:
        notes.append(f"等级上升的 {_people(changed['better'])} 人,下降的 {_people(changed['worse'])} 人。")
    else:
        notes.append("两版的等级阶梯不同,不比较等级高低,升降按分数计。")
    if summary["before"] is not None and summary["histogram"]:
        notes.append(f"分数增加的 {_people(changed['points_up'])} 人,减少的 {_people(changed['points_down'])} 人。")
    notes += [f"不能发布:优惠「{name}」按标准服务办理的人中,没有失信记录的不到一半。" for name in stops["deniability"]]
    notes += [f"须具名签署理由才能发布:「{name}」的达标比例之比低于 0.8。" for name in stops["disparity"]]
    if not stops["deniability"] and not stops["disparity"]:
        notes.append("没有发现阻止发布的情形。")
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"<section><h2>结论</h2><ul>{items}</ul></section>"


def _grades(summary: Mapping[str, Any]) -> str:
    rows = summary["grades"]
    chart = _bars("各等级人数", [row["name"] for row in rows], rows, is_compared=summary["before"] is not None)
    head = ["等级", "现行", "新版"] if summary["before"] else ["等级", "新版"]
    body = [[row["name"], *_compared(summary, row)] for row in rows]
    return _section("等级分布", chart, _table(head, body))


def _histogram(summary: Mapping[str, Any]) -> str:
    rows = summary["histogram"]
    if not rows:
        return ""
    names = [number_text(row["from"]) for row in rows]
    chart = _bars("各分数段人数(横轴为分数段下限)", names, rows, is_compared=summary["before"] is not None)
    head = ["分数段", "现行", "新版"] if summary["before"] else ["分数段", "新版"]
    spans = [f"{number_text(row['from'])} 至 {number_text(row['until'])}(不含)" for row in rows]
    body = [[span, *_compared(summary, row)] for span, row in zip(spans, rows, strict=True)]
    return _section("分数分布", chart, _details(_table(head, body)))


def _moves(summary: Mapping[str, Any]) -> str:
    if not summary["moves"]:
        return ""
    names = {row["code"]: row["name"] for row in summary["grades"]}
    new = list(dict.fromkeys(move["to"] for move in summary["moves"]))
    old = list(dict.fromkeys(move["from"] for move in summary["moves"]))
    people = {(move["from"], move["to"]): move["people"] for move in summary["moves"]}
    head = "".join(f'<th scope="col">{escape(names[one])}</th>' for one in new)
    cells = {one: "".join(_shaded(people, one, other, new) for other in new) for one in old}
    body = "".join(f'<tr><th scope="row">{escape(names[one])}</th>{cells[one]}</tr>' for one in old)
    told = "<p>每行是现行等级,每列是新版等级;颜色越深,占该行的人越多。</p>"
    table = f'<table class="moves"><thead><tr><th>现行 → 新版</th>{head}</tr></thead><tbody>{body}</tbody></table>'
    return _section("等级之间的变动", "", told + table)


def _shaded(people: Mapping[tuple[str, str], int | None], one: str, other: str, new: Sequence[str]) -> str:
    """A cell as deep as its part of the row."""
    number = people[one, other]
    row = sum(people[one, column] or 0 for column in new)
    depth = 0 if not number else 10 + 60 * number // row
    return f'<td style="background: rgb(47 111 143 / {depth}%)">{_people(number)}</td>'


def _reasons(summary: Mapping[str, Any]) -> str:
    if summary["reasons"] is None:
        return ""
    parts = []
    for direction, name in (("better", "上升的人"), ("worse", "下降的人")):
        found = summary["reasons"][direction]
        if not found["rules"]:
            parts.append(f"<h3>{name}</h3><p>没有,或{FEW}人。</p>")
            continue
        rules = found["rules"]
        chart = _row_bars(
            f"{name}:分值有变化的规则(占所看人数的百分比)",
            [rule["label"] for rule in rules],
            [rule["percent"] for rule in rules],
        )
        body = [[rule["label"], f"{rule['percent']}%", _signed(rule["mean_points"])] for rule in rules]
        looked = f"<p>查看了其中约 {found['looked_at']} 人的逐项明细(人数多时按散列抽样)。</p>"
        table = _table(["规则", "涉及的人", "平均变化(分)"], body)
        parts.append(f"<h3>{name}</h3>{looked}{chart}{table}")
    return _section("主要原因", "", "".join(parts))


def _offers(summary: Mapping[str, Any]) -> str:
    rows = summary["offers"]
    if not rows:
        return _section("优惠与预算", "", "<p>没有已发布的优惠使用该模型。</p>")
    charted = sorted(rows, key=lambda row: -abs((row["after"] or 0) - (row["before"] or 0)))[:CHARTED_OFFERS]
    title = "可享优惠的人数" + (f"(变化最大的 {CHARTED_OFFERS} 项)" if len(rows) > CHARTED_OFFERS else "")
    chart = _bars(title, [row["title"] for row in charted], charted, is_compared=summary["before"] is not None)
    head = ["优惠", "门槛", "现行可享", "新版可享", "标准服务者中无失信记录", "过去一年实付", "按新版推算"]
    body = [
        [
            row["title"],
            row["threshold"],
            _people(row["before"]) if summary["before"] else "—",
            _people(row["after"]),
            "不适用" if row["denies"] is None else _clean(row),
            _yuan(row["spent_fen"]),
            _yuan(row["expected_fen"]),
        ]
        for row in rows
    ]
    note = "<p>推算按过去一年实付金额与可享人数的比例得出;没有金额的优惠只比较人数。</p>"
    return _section("优惠与预算", chart, _table(head, body) + note)


def _clean(row: Mapping[str, Any]) -> str:
    share = f"标准服务者{FEW}人" if row["clean_percent"] is None else f"{row['clean_percent']}%"
    return share if row["denies"] else f"{share}(不到一半)"


def _disparity(summary: Mapping[str, Any]) -> str:
    titles = {"sex": "性别", "age": "年龄段", "district": "区县"}
    parts = []
    for found in summary["disparity"]:
        groups = found["groups"]
        if len(groups) < 2:
            continue
        said = "没有人达到" if found["ratio"] is None else f"最低与最高之比 {found['ratio']}"
        if found["stops"]:
            said += ",低于 0.8"
        chart = _bars(
            f"达到 {found['threshold']} 及以上的百分比",
            [group["name"] for group in groups],
            [{"before": group["before_percent"], "after": group["after_percent"]} for group in groups],
            is_compared=summary["before"] is not None,
        )
        head = [titles[found["attribute"]], "人数", "现行达标", "新版达标"]
        body = [
            [
                group["name"],
                _people(group["people"]),
                _percent(group["before_percent"]),
                _percent(group["after_percent"]),
            ]
            for group in groups
        ]
        parts.append(f"<h3>{escape(found['finding'])}:{escape(said)}</h3>{chart}{_table(head, body)}")
    if not parts:
        parts.append("<p>没有性别、年龄或区县的数据,或每项不足两组。</p>")
    note = "<p>比较各组达到门槛的比例。少于 10 人的组不列出,也不参与比较。比值低于 0.8 时,须有人具名说明理由。</p>"
    return _section("不同人群", "", note + "".join(parts))


def _compared(summary: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
    return [_people(row["before"]), _people(row["after"])] if summary["before"] else [_people(row["after"])]


def _people(number: int | None) -> str:
    return FEW if number is None else f"{number:,}"


def _percent(number: int | None) -> str:
    return "—" if number is None else f"{number}%"


def _yuan(fen: int | None) -> str:
    return "—" if fen is None else f"{fen // 100:,}.{fen % 100:02d} 元"


def _signed(points: int) -> str:
    return f"{'+' if points > 0 else ''}{number_text(points)}"


def _section(title: str, chart: str, table: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{chart}{table}</section>"


def _details(table: str) -> str:
    return f"<details open><summary>数字</summary>{table}</details>"


def _table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    rows = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in body
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{rows}</tbody></table>"


def _bars(title: str, names: Sequence[str], rows: Sequence[Mapping[str, Any]], *, is_compared: bool) -> str:
    """Upright bars, the present version beside the new one; what is not shown has no bar."""
    versions = {"现行": "before", "新版": "after"} if is_compared else {"新版": "after"}
    values = [
        {"name": name, "version": version, "value": row[key]}
        for name, row in zip(names, rows, strict=True)
        for version, key in versions.items()
    ]
    is_tight = len(names) * max(map(len, names), default=0) > 60
    encoding = {
        "x": _NAMES | {"axis": {"labelAngle": -30 if is_tight else 0, "labelLimit": 200}},
        "y": _VALUES,
        "xOffset": {"field": "version", "sort": None},
        "color": {
            "field": "version",
            "sort": None,
            "title": None,
            "scale": {"domain": list(versions), "range": [BEFORE, AFTER][-len(versions) :]},
            "legend": {"orient": "bottom"} if is_compared else None,
        },
    }
    return _chart(title, values, encoding, height=220)


def _row_bars(title: str, names: Sequence[str], values: Sequence[int]) -> str:
    """Lying bars, for long names."""
    rows = [{"name": name, "value": value} for name, value in zip(names, values, strict=True)]
    encoding = {"y": _NAMES | {"axis": {"labelLimit": 400}}, "x": _VALUES, "color": {"value": AFTER}}
    return _chart(title, rows, encoding, height=36 * len(names))


_NAMES: dict[str, Any] = {"field": "name", "type": "nominal", "sort": None, "title": None}
_VALUES: dict[str, Any] = {"field": "value", "type": "quantitative", "title": None}
_CONFIG = {
    "font": FONT,
    "background": "transparent",
    "view": {"stroke": None},
    "title": {"fontSize": 15, "fontWeight": "normal", "color": "#1c2730"},
    "axis": {
        "labelFontSize": 13,
        "labelColor": "#33414e",
        "gridColor": "#e4e9ed",
        "domainColor": "#8a97a3",
        "tickColor": "#8a97a3",
        "tickCount": 5,
    },
    "legend": {"labelFontSize": 13, "labelColor": "#33414e"},
}


def _chart(title: str, values: Sequence[Mapping[str, Any]], encoding: Mapping[str, Any], *, height: int) -> str:
    """A Vega-Lite chart as an SVG without script or address in it."""
    from vl_convert import vegalite_to_svg

    chart = {
        "width": 740,
        "height": height,
        "title": title,
        "data": {"values": list(values)},
        "mark": {"type": "bar"},
        "encoding": encoding,
        "config": _CONFIG,
    }
    drawn = _ADDRESSES.sub("", vegalite_to_svg(chart))
    return f'<figure role="img" aria-label="{escape(title)}">{drawn}</figure>'
