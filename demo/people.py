"""Who lives in the demo city. One thing to know: every number is computed and valid (GB 11643, GB 32100), and by
intention nobody's: sequence codes from 900 on and organisation codes beginning with DEM are not given out in practice.

Everything depends on the seed and the day alone: the same day gives the same city.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from stdnum.cn import uscc

from core.identifiers import check_digit_of

PERSONS = 2000
ENTERPRISES = 500
FOREMOST = 40
"""Citizens and enterprises up to this number are enrolled, the citizens adults, half of them in each city."""

COUNTIES = {
    "hunan-shaoyang": ("430502", "430503", "430511", "430522", "430523", "430524", "430525", "430528", "430581"),
    "guangdong-huizhou": ("441302", "441303", "441322", "441323", "441324"),
}
CITIES = tuple(COUNTIES)
CITY_NAMES = {"hunan-shaoyang": "邵阳", "guangdong-huizhou": "惠州"}

SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚英华慧建文辉玲桂云海燕志国春梅晓东晨雨欣怡子涵浩宇思佳嘉琪"
TRADES = {
    "食品": "C",
    "五金": "C",
    "服饰": "F",
    "电子": "C",
    "建材": "F",
    "农业": "A",
    "物流": "G",
    "家具": "F",
    "印刷": "C",
    "机械": "C",
}
"""What demo enterprises do, with its section of GB/T 4754."""
PARKS = {"hunan-shaoyang": "shaoyang-etdz", "guangdong-huizhou": "huinan-hitech"}
"""The park in which every third demo enterprise of a city stands."""
WORDS = (
    "青竹",
    "云岭",
    "长塘",
    "晨光",
    "白鹭",
    "松坡",
    "梅溪",
    "石桥",
    "南岸",
    "丰禾",
    "新安",
    "碧江",
    "远帆",
    "润泽",
    "春田",
)

_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Person:
    """A citizen. `n` counts from 1 and is the N of `demo-token citizen --n N`."""

    n: int
    place: str
    name: str
    resident_id: str
    age: int
    """In whole years, on the day of seeding."""
    enrolled: bool


@dataclass(frozen=True, slots=True)
class Enterprise:
    """An enterprise. `n` counts from 1."""

    n: int
    place: str
    name: str
    uscc: str
    industry: str
    park: str | None
    enrolled: bool


def city_of(n: int) -> str:
    """Odd numbers live in the first city, even ones in the second."""
    return CITIES[(n - 1) % 2]


def make_persons(random: Random, on: date) -> list[Person]:
    """The citizens: one in eight a minor, one in six over 65, one in five not enrolled."""
    taken: set[str] = set()
    persons = []
    for n in range(1, PERSONS + 1):
        place, age = city_of(n), _age(random, n)
        # A day inside the year of age, so that the age holds on the day whatever the leap years.
        born = on - timedelta(days=round(age * _YEAR) + random.randrange(2, 363))
        number = _resident_id(random, place, born)
        while number in taken:
            number = _resident_id(random, place, born)
        taken.add(number)
        name = random.choice(SURNAMES) + "".join(random.choices(GIVEN, k=random.choice((1, 2, 2))))
        enrolled = random.random() < 0.8 or n <= FOREMOST
        persons.append(Person(n, place, name, number, age, enrolled))
    return persons


def make_enterprises(random: Random) -> list[Enterprise]:
    """The enterprises, one in eight not enrolled."""
    enterprises = []
    for n in range(1, ENTERPRISES + 1):
        place = city_of(n)
        word, trade = random.choice(WORDS), random.choice(tuple(TRADES))
        name = f"{word}{trade}(演示{n})有限公司"
        number = make_uscc("91", random.choice(COUNTIES[place]), n)
        enrolled = random.random() < 0.875 or n <= FOREMOST
        # Two cities take turns, so that a third of the numbers is a third of each city.
        park = PARKS[place] if n % 3 == 0 else None
        enterprises.append(Enterprise(n, place, name, number, TRADES[trade], park, enrolled))
    return enterprises


def make_uscc(kind: str, county: str, n: int) -> str:
    """A USCC (GB 32100) of a registration kind such as `91`, around the n-th demo organisation code (GB 11714)."""
    body = f"DEM{n:05d}"
    weights = (3, 7, 9, 10, 5, 8, 4, 2)
    rest = 11 - sum(int(sign, 36) * weight for sign, weight in zip(body, weights, strict=True)) % 11
    number = f"{kind}{county}{body}{'X' if rest == 10 else rest % 11}"
    return f"{number}{uscc.calc_check_digit(number)}"


def _age(random: Random, n: int) -> int:
    band = random.random()
    if n <= FOREMOST:
        return random.randrange(20, 71)
    if band < 1 / 8:
        return random.randrange(1, 17)
    if band < 1 / 8 + 1 / 6:
        return random.randrange(65, 96)
    return random.randrange(18, 65)


def _resident_id(random: Random, place: str, born: date) -> str:
    number = f"{random.choice(COUNTIES[place])}{born:%Y%m%d}{random.randrange(900, 996)}"
    return f"{number}{check_digit_of(number)}"
