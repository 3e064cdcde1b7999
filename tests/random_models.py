"""Models nobody wrote and people nobody is. One thing to know: every model is one that the loader's checks accept."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from hypothesis import assume, reject
from hypothesis import strategies as st

from scoring.checks import faults
from scoring.engine import Record
from scoring.model import Model, ModelFile

ON = date(2026, 11, 20)
SOURCE = {"status": "illustrative", "reason": "drawn at random"}
HONOURS, ADVERSE = ["h1", "h2"], ["a1", "a2"]
OWN = {"h3": "honour", "a3": "adverse"}
"""Items whose records may bring points of their own."""
WINDOWS = [None, "calendar-year", {"years": 2}, {"months": 6}, {"days": 45}]
GRADES = [{"code": "last", "name": "last"}]


def sourced(**rule: Any) -> dict[str, Any]:
    """A rule with a source."""
    return rule | {"source": SOURCE}


@st.composite
def bands(draw: st.DrawFn) -> list[dict[str, int]]:
    """Bands that rise."""
    starts = sorted(draw(st.sets(st.integers(1, 6), min_size=1, max_size=3)))
    points = sorted(draw(st.sets(st.integers(1, 120), min_size=len(starts), max_size=len(starts))))
    return [{"at_least": start, "points": worth} for start, worth in zip(starts, points, strict=True)]


@st.composite
def ageing(draw: st.DrawFn, each: int) -> dict[str, Any]:
    """How a record grows lighter, if it does."""
    kind = draw(st.sampled_from(["never", "decay", "fade"]))
    if kind == "decay":
        unit = draw(st.sampled_from(["days", "months"]))
        ages = sorted(draw(st.sets(st.integers(1, 30), min_size=1, max_size=min(3, each))))
        lighter = sorted(draw(st.sets(st.integers(0, each - 1), min_size=len(ages), max_size=len(ages))), reverse=True)
        return {"decay": [{"after": {unit: age}, "each": less} for age, less in zip(ages, lighter, strict=True)]}
    if kind == "fade":
        begins = draw(st.integers(0, 300))
        ends = begins + draw(st.integers(1, 500))
        return {"fade": {"from_days": begins, "to_days": ends, "to": draw(st.integers(0, each - 1))}}
    return {}


@st.composite
def rules(draw: st.DrawFn, number: int) -> dict[str, Any]:
    """One rule of any operator."""
    honour = draw(st.booleans())
    own = draw(st.booleans()) and draw(st.booleans())
    known = HONOURS if honour else ADVERSE
    items = draw(st.sets(st.sampled_from(known), min_size=1).map(sorted))
    window = draw(st.sampled_from(WINDOWS))
    operators = ["add", "add-by-count", "add-by-fact"] if honour else ["deduct", "deduct-by-count", "veto"]
    operator = draw(st.sampled_from(operators))
    rule: dict[str, Any] = {"id": f"r{number}", "label": "条", "op": operator, "items": items, "window": window}
    if operator in ("add", "deduct"):
        rule["each"] = draw(st.integers(1, 90))
        rule["at_most"] = draw(st.none() | st.integers(90, 300))
        if draw(st.booleans()):
            period = draw(st.sampled_from(["calendar-year", "calendar-month"]))
            rule["each_period"] = {"period": period, "at_most": draw(st.integers(90, 200))}
        if own:
            rule |= {"each": "own", "items": [item for item, nature in OWN.items() if (nature == "honour") == honour]}
        else:
            rule |= draw(ageing(rule["each"]))
    elif operator in ("add-by-count", "deduct-by-count"):
        rule["bands"] = draw(bands())
    elif operator == "add-by-fact":
        rule = {"id": f"r{number}", "label": "条", "op": operator, "fact": "hours", "bands": draw(bands())}
    return sourced(**rule)


@st.composite
def leniences(draw: st.DrawFn) -> dict[str, Any] | None:
    """Adverse records without consequence, or none."""
    found = {}
    if draw(st.booleans()):
        found["force_majeure"] = sourced(label="不可抗力")
    if draw(st.booleans()):
        found["minor"] = sourced(label="轻微偶发", window=draw(st.sampled_from(WINDOWS)))
    return found or None


def model_of(method: dict[str, Any], grades: list[dict[str, Any]], **more: Any) -> Model:
    """A model of that method, as the loader would make it; another is drawn where its checks would refuse it."""
    components = more.pop("components", {})
    file = {
        "id": more.pop("id", "drawn"),
        "version": "2026-01",
        "name": "随机模型",
        "subject": "person",
        "in_force_from": date(2020, 1, 1),
        "source": SOURCE,
        "method": method,
        "grades": grades,
        "grades_source": SOURCE,
    } | more
    parsed = ModelFile.model_validate(file)
    if any(fault[0][0] != "grades" for fault in faults(parsed, components)):
        reject()
    return Model.model_construct(**dict(parsed), place="here", checksum="0" * 64, components=components)


@st.composite
def models(draw: st.DrawFn) -> Model:
    """A model of points."""
    base = draw(st.integers(300, 700))
    # Around the base, so that both what is earned and what is lost moves people between grades.
    above = draw(st.sets(st.integers(1, 60), min_size=1, max_size=3))
    below = draw(st.sets(st.integers(0, 200), max_size=2))
    cuts = sorted({base + step for step in above} | {base - step for step in below}, reverse=True)
    drawn = [draw(rules(number)) for number in range(draw(st.integers(1, 5)))]
    dimensions = []
    if draw(st.booleans()):
        direction = draw(st.sampled_from(["add", "deduct"]))
        together = [rule for rule in drawn if rule["op"].startswith(direction)]
        for rule in together:
            rule["dimension"] = "together"
        if together:
            dimensions = [sourced(id="together", label="合计", at_most=draw(st.integers(1, 150)))]
    method = {
        "type": "points",
        "base": sourced(points=base),
        "rules": drawn,
        "dimensions": dimensions,
        "floor": draw(st.sampled_from([0, 250])),
        "ceiling": draw(st.none() | st.integers(1000, 1500)),
    }
    grades: list[dict[str, Any]] = [{"code": f"G{n}", "name": f"G{n}", "at_least": cut} for n, cut in enumerate(cuts)]
    natures = dict.fromkeys(HONOURS, "honour") | dict.fromkeys(ADVERSE, "adverse") | OWN
    return model_of(
        method,
        [*grades, *GRADES],
        items={item: {"label": item, "nature": nature} for item, nature in natures.items()},
        facts={"hours": {"label": "时长", "type": "number", "at_most": 1000}},
        lenience=draw(leniences()),
    )


@st.composite
def classifications(draw: st.DrawFn) -> Model:
    """A model of classes."""
    grades: list[dict[str, Any]] = [{"code": "C0", "name": "C0"}]
    for rank in range(1, draw(st.integers(2, 4))):
        when = [
            sourced(
                id=f"c{rank}-{number}",
                label="条",
                group=draw(st.sampled_from(["one", "two"])),
                at_least=draw(st.integers(1, 4)),
                window=draw(st.sampled_from(WINDOWS)),
                serious_consequence=draw(st.booleans()),
            )
            for number in range(draw(st.integers(1, 3)))
        ]
        grades.append({"code": f"C{rank}", "name": f"C{rank}", "when": when})
    groups = {"a1": "one", "a2": "two", "a3": "two"}
    return model_of(
        {"type": "classification"},
        grades,
        items={item: {"label": item, "nature": "adverse", "group": group} for item, group in groups.items()},
        lenience=draw(leniences()),
    )


@st.composite
def compositions(draw: st.DrawFn) -> Model:
    """A model of parts, one of which may be another model."""
    share = draw(st.integers(1, 98))
    parts = [
        sourced(id="public", label="公", fact="public", percent=share, missing="NO_PUBLIC"),
        sourced(id="industry", label="业", fact="industries", percent=100 - share, missing="NO_INDUSTRY"),
    ]
    components = {}
    if draw(st.booleans()):
        inner = draw(models())
        assert inner.method.type == "points"
        assume(inner.method.ceiling is not None)
        components["inner"] = inner
        parts[1]["percent"] -= 1
        percent = {"percent": 1, "missing": "NO_INNER"}
        parts.append(sourced(id="inner", label="内", model={"id": inner.id, "version": inner.version}, **percent))
    cuts = sorted(draw(st.sets(st.integers(1, 90), min_size=1, max_size=4)), reverse=True)
    return model_of(
        {"type": "composition", "parts": draw(st.permutations(parts))},
        [*({"code": f"P{cut}", "name": f"P{cut}", "at_least": cut} for cut in cuts), *GRADES],
        facts={
            "public": {"label": "公", "type": "number", "at_most": 100},
            "industries": {"label": "业", "type": "weighted-scores", "at_most": 100},
        },
        components=components,
        id="composed",
    )


@st.composite
def standings(draw: st.DrawFn) -> Model:
    """A model of several years of another."""
    base = draw(models() | classifications() | compositions())
    demanded = sorted(draw(st.sets(st.integers(0, len(base.grades) - 1), min_size=1, max_size=2)))
    grades = [
        {"code": f"S{rank}", "name": f"S{rank}", "every_year_at_least": base.grades[rank].code} for rank in demanded
    ]
    method = sourced(type="standing", of={"id": base.id, "version": base.version}, years=draw(st.integers(1, 3)))
    return model_of(method, [*grades, *GRADES], components={"of": base}, id="standing")


any_models = models() | classifications() | compositions() | standings()


@st.composite
def lives(draw: st.DrawFn, items: tuple[str, ...] = (*HONOURS, *ADVERSE)) -> list[Record]:
    """Records of one person, good and bad, of any age, some removed."""
    found = []
    for number in range(draw(st.integers(0, 6))):
        occurred_on = ON - timedelta(days=draw(st.integers(-5, 900)))
        removed_on = draw(st.none() | st.integers(-30, 30).map(lambda days: ON + timedelta(days=days)))
        corrected_on = draw(st.none() | st.integers(-30, 30).map(lambda days: ON + timedelta(days=days)))
        item = draw(st.sampled_from(items))
        found.append(
            Record(
                item,
                occurred_on,
                removed_on,
                draw(st.booleans()),
                draw(st.integers(0, 20_000)) if item in OWN else None,
                str(number),
                draw(st.booleans()),
                corrected_on,
                draw(st.integers(0, 5)) == 0,
            )
        )
    return found
