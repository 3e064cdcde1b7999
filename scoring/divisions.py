"""Names of districts and of sections of industry. One thing to know: the codes are what is stored and compared; a name
is for reading alone, and a code that the tables do not know has none."""

from __future__ import annotations

import re
from functools import lru_cache

from stdnum import numdb

INDUSTRIES = {
    "A": "农、林、牧、渔业",
    "B": "采矿业",
    "C": "制造业",
    "D": "电力、热力、燃气及水生产和供应业",
    "E": "建筑业",
    "F": "批发和零售业",
    "G": "交通运输、仓储和邮政业",
    "H": "住宿和餐饮业",
    "I": "信息传输、软件和信息技术服务业",
    "J": "金融业",
    "K": "房地产业",
    "L": "租赁和商务服务业",
    "M": "科学研究和技术服务业",
    "N": "水利、环境和公共设施管理业",
    "O": "居民服务、修理和其他服务业",
    "P": "教育",
    "Q": "卫生和社会工作",
    "R": "文化、体育和娱乐业",
    "S": "公共管理、社会保障和社会组织",
    "T": "国际组织",
}
"""Sections of GB/T 4754—2017."""
_PRESENT = re.compile(r"\[\d{4}-\]([^,\[]+)$")


@lru_cache(maxsize=4096)
def district_name(code: str) -> str | None:
    """What a district of GB/T 2260 is called at present, such as 双清区 for 430502."""
    told = {name: value for _, known in numdb.get("cn/loc").info(code) for name, value in known.items()}
    found = _PRESENT.search(told.get("county", ""))
    return found[1] if found else None
