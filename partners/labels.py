"""Gates, counters and people on duty, by the names a partner gives them. One thing to know: labels are known with the
catalogue, so that checking one costs no statement; and none ever names a hospital's department, which would tell what
somebody suffers from (《黑龙江省社会信用条例》第二十条)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, and_, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.errors import BadInput
from partners.catalogue import Catalogue, Offer, bump_catalogue
from partners.limits import needs_site
from partners.tables import partner_labels

HOSPITAL = "hospital"
MOST_LABELS = 1000


class LabelKind(StrEnum):
    """What a label names."""

    SITE = "site"
    CLERK = "clerk"


_WORDS = {LabelKind.SITE: "服务点(site)", LabelKind.CLERK: "值班人员(clerk)"}
DEPARTMENTS = (
    "内科", "外科", "妇科", "产科", "儿科", "骨科", "眼科", "口腔", "牙科", "皮肤", "性病", "泌尿", "肛肠", "精神",
    "心理", "肿瘤", "癌", "传染", "感染", "结核", "肝病", "艾滋", "神经", "心血管", "心脏", "血液", "肾", "透析",
    "内分泌", "消化", "呼吸", "风湿", "免疫", "康复", "麻醉", "急诊", "重症", "ICU", "放疗", "化疗", "生殖",
    "不孕", "计划生育", "戒毒", "疼痛", "耳鼻喉", "五官", "中医", "针灸", "老年病", "病区", "病房", "科室",
    "门诊部", "诊室", "oncolog", "psychiatr", "HIV",
)  # fmt: skip
"""Words by which a hospital names its departments. A gate that has one would write into somebody's log, and into
settlement, what that person was there for."""


def check_label(kind: LabelKind, label: str, *, sector: str) -> None:
    """Raises `BadInput` where the label of a hospital names a department."""
    if sector == HOSPITAL and any(word.lower() in label.lower() for word in DEPARTMENTS):
        raise BadInput(f"{_WORDS[kind]}不能写科室,否则会透露就诊内容。请改用不含科室的名称,例如「收费窗口 3」。")


def check_labels(
    catalogue: Catalogue, partner_id: int, offer: Offer | None, *, site: str | None, clerk: str | None
) -> None:
    """Judge the labels of a scan by what is in memory.

    Raises:
        BadInput: the partner has registered labels of the kind and this is none of them, it names a department, or an
            offer that counts by site was scanned without one.
    """
    for kind, label in ((LabelKind.SITE, site), (LabelKind.CLERK, clerk)):
        if label is None:
            continue
        registered = catalogue.labels.get((partner_id, kind.value))
        if registered is None:
            check_label(kind, label, sector=catalogue.partners[partner_id].sector)
        elif label not in registered:
            raise BadInput(
                f"{_WORDS[kind]}「{label}」未登记或已停用。请改用已登记的名称,或先用 registerLabels 登记后再核验。"
            )
    if site is None and offer is not None and offer.partner.id == partner_id and needs_site(offer):
        raise BadInput("这项优惠按服务点限量,核验时须填写 site。请填写对方所在的服务点后重试。")


async def register_labels(
    connection: AsyncConnection,
    *,
    partner_id: int,
    sector: str,
    kind: LabelKind,
    labels: Sequence[str],
    actor: str,
    now: datetime,
) -> list[Row[Any]]:
    """Register names, in a transaction; those that are registered stay, one that was ended holds again. All of the
    partner's labels, see `labels_of`.

    Raises:
        BadInput: one names a hospital's department, or there are too many.
    """
    for label in labels:
        check_label(kind, label, sector=sector)
    mine = and_(partner_labels.c.partner_id == partner_id, partner_labels.c.kind == kind.value)
    stored = (await connection.execute(select(partner_labels).where(mine).with_for_update())).all()
    live = {row.label for row in stored if row.ended_at is None}
    added = [label for label in dict.fromkeys(labels) if label not in live]
    if len(live) + len(added) > MOST_LABELS:
        raise BadInput(f"{_WORDS[kind]}最多登记 {MOST_LABELS} 个。请先停用不再使用的名称。")
    if added:
        await connection.execute(delete(partner_labels).where(mine, partner_labels.c.label.in_(added)))
        values = {"partner_id": partner_id, "kind": kind.value, "registered_by": actor, "registered_at": now}
        await connection.execute(insert(partner_labels), [values | {"label": label} for label in added])
        content = {"partner": partner_id, "kind": kind.value, "labels": added}
        await audit.record(connection, at=now, actor=actor, action="registerLabels", content=content)
        await bump_catalogue(connection)
    return await labels_of(connection, partner_id)


async def end_label(
    connection: AsyncConnection, *, partner_id: int, kind: LabelKind, label: str, actor: str, now: datetime
) -> list[Row[Any]]:
    """End a name, in a transaction: a scan that gives it is refused. Ending it again changes nothing.

    Raises:
        BadInput: the partner has no such label.
    """
    which = and_(
        partner_labels.c.partner_id == partner_id,
        partner_labels.c.kind == kind.value,
        partner_labels.c.label == label,
    )
    row = (await connection.execute(select(partner_labels).where(which))).one_or_none()
    if row is None:
        raise BadInput(f"没有登记过{_WORDS[kind]}「{label}」。请核对名称。")
    if row.ended_at is None:
        await connection.execute(update(partner_labels).where(which).values(ended_at=now))
        content = {"partner": partner_id, "kind": kind.value, "label": label}
        await audit.record(connection, at=now, actor=actor, action="endLabel", content=content)
        await bump_catalogue(connection)
    return await labels_of(connection, partner_id)


async def labels_of(connection: AsyncConnection, partner_id: int) -> list[Row[Any]]:
    """A partner's labels, ended ones too, by kind and name."""
    mine = select(partner_labels).where(partner_labels.c.partner_id == partner_id)
    return list((await connection.execute(mine.order_by(partner_labels.c.kind, partner_labels.c.label))).all())
