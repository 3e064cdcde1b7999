"""`xinyi guard check|prove|verify` and `xinyi receipt verify`. One thing to know: what anybody can check for
themselves, without a server; `check` needs no database either."""

from __future__ import annotations

import asyncio
import re
import sys
from codecs import BOM_UTF8
from collections.abc import Callable
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson
from tqdm import tqdm

from cli.deployment import deployment, open_database
from cli.output import complain, day_given
from core.clock import day_of, today, utc_now
from core.errors import ExpectedError

if TYPE_CHECKING:
    from core.keys import Keys
    from core.settings import Settings
    from partners.catalogue import Catalogue
    from partners.rulebook import Rulebook

LARGEST_PROOF = 50_000_000
LARGEST_RECEIPT = 8192
DATA = click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="演示数据文件夹。")
JWKS = click.option("--jwks", type=click.Path(path_type=Path, dir_okay=False), help="公钥集文件(jwks.json)。")


class Unreadable(ExpectedError):
    """A file cannot be read."""

    code = "UNREADABLE"


class ProofFails(ExpectedError):
    """The catalogue breaks the theorem, or a proof is not true of it."""

    code = "PROOF_FAILS"


@click.group()
def guard() -> None:
    """守则:证明与复核。"""


@guard.command()
@DATA
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="证明写到此文件,默认输出到屏幕。")
def prove(data: Path | None, out: Path | None) -> None:
    """对已发布的全部优惠和在用模型逐一求证,并签名。"""
    from core.keys import load_keys
    from core.signing import sign
    from legal.proof import build_proof
    from partners.proof import AUDIENCE, decider, proof_catalogue

    settings = deployment(data)
    catalogue, rulebook = asyncio.run(_read_catalogue(settings))
    proof = build_proof(
        proof_catalogue(catalogue, rulebook), decide=decider(catalogue), issuer=settings.issuer, issued_at=utc_now()
    )
    token = sign(load_keys(settings.keys_file), "proof", proof | {"aud": AUDIENCE})
    if out is None:
        click.echo(token)
    else:
        try:
            out.write_text(token + "\n")
        except OSError as error:
            raise Unreadable(f"写不了 {out}({error.strerror})。请换一个可写的路径。") from None
    counts = proof["counts"]
    told = f"{counts['offers']} 项优惠 × 全部情形 = {counts['outcomes']} 个结果,守则核对 {counts['guard_checks']} 次"
    if not proof["holds"]:
        first = proof["failures"][0]
        raise ProofFails(
            f"{told};不成立 {len(proof['failures'])} 处,第一处:优惠 {first['offer']}({first['where']}){first['why']}"
        )
    click.echo(f"定理成立:{told}。", err=True)


@guard.command()
@click.argument("file", required=False, type=click.Path())
@click.option("--on", metavar="YYYY-MM-DD", help="按哪一天的清单判断,默认为上海时间的今天。")
def check(file: str | None, on: str | None) -> int:
    """判断 FILE(默认标准输入)中每一行所描述的优惠:JSON 行进,JSON 行出。"""
    day = today() if on is None else day_given(on, "--on")
    try:
        source = nullcontext(sys.stdin.buffer) if file in {None, "-"} else open(str(file), "rb")  # noqa: SIM115
    except OSError as error:
        return complain("UNREADABLE_FILE", f"读不到 {file}({error.strerror})。请检查路径与权限", exit_code=1)
    judged = _judge_lines(day)
    bad = 0
    with source as lines:
        for number, line in enumerate(tqdm(lines, desc="guard", delay=1, disable=None, leave=False)):
            content = line.removeprefix(BOM_UTF8) if number == 0 else line
            if content.strip():
                answer = judged(content)
                bad += "error" in answer
                sys.stdout.buffer.write(orjson.dumps(answer, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()
    if bad:
        return complain("BAD_LINES", f"有 {bad} 行无法判断,原因见各行的 error。其余各行已正常作答", exit_code=1)
    return 0


def _judge_lines(day: date) -> Callable[[bytes], dict[str, Any]]:
    """Judges one line at a time by the national lists, or by those of the place that the line's texts name."""
    from core.places import load_places
    from core.settings import jurisdictions_folder
    from legal.described import BadDescription, judge, read_description
    from legal.protected import load_protected
    from partners.kinds import benefit_kinds

    places, kinds = load_places(jurisdictions_folder()), benefit_kinds()
    lists = {code: load_protected(places, code) for code in places}
    # 湖南省邵阳市 is spoken of as 邵阳.
    names = {re.split("[省市县区]", places[code].name.rstrip("省市县区"))[-1]: code for code in places}

    def judged(line: bytes) -> dict[str, Any]:
        try:
            content = orjson.loads(line)
        except orjson.JSONDecodeError:
            return _bad(None, "BAD_JSON", "这一行不是有效的 JSON。每行应是一个完整的 JSON 对象。")
        if not isinstance(content, dict):
            return _bad(None, "BAD_LINE", '这一行不是 JSON 对象。每行应形如 {"id": "…", "subject": "person", …}。')
        known = content.get("id")
        try:
            offer = read_description(content)
        except BadDescription as error:
            return _bad(known, error.code, error.message)
        place = next((code for name, code in names.items() if name in offer.spoken), "cn")
        kind = kinds.get(offer.kind)
        found = judge(offer, protected=lists[place], kind_protected=kind.protected_service if kind else None, on=day)
        return {"id": known, "verdict": found.verdict, "rules": list(found.rules), "message": found.message}

    return judged


def _bad(known: object, code: str, message: str) -> dict[str, Any]:
    return {"id": known, "error": {"code": code, "message": message}}


@guard.command("verify")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@DATA
@JWKS
def verify_proof(file: Path, data: Path | None, jwks: Path | None) -> None:
    """复核一份证明:签名、输入哈希,以及对现有目录重新求证的结果。"""
    from core.signing import SignatureInvalid, unproved_claims, verify
    from legal.proof import recheck
    from partners.proof import AUDIENCE, decider, proof_catalogue

    token = read_signed(file, LARGEST_PROOF)
    settings = deployment(data)
    unsigned = None
    try:
        claims = verify(_keys(settings, jwks), "proof", token, max_length=LARGEST_PROOF)
    except SignatureInvalid as error:
        unsigned = error
        claims = unproved_claims(token, max_length=LARGEST_PROOF)
    if claims.pop("aud", None) != AUDIENCE:
        raise SignatureInvalid("不是目录证明,或 aud 被改动过。请确认文件。")
    catalogue, rulebook = asyncio.run(_read_catalogue(settings))
    differences = recheck(claims, proof_catalogue(catalogue, rulebook), decide=decider(catalogue))
    where = f"与重新求证不符 {len(differences)} 处,第一处:{differences[0]}" if differences else ""
    if unsigned is not None:
        raise SignatureInvalid(unsigned.message + (where or "内容与重新求证一致,被改动的是头部或签名。"))
    if differences:
        raise ProofFails(where)
    counts = claims["counts"]
    click.echo(f"证明成立:签名有效,{counts['offers']} 项优惠、{counts['outcomes']} 个结果逐一相符。")


@click.group()
def receipt() -> None:
    """核验回执。"""


@receipt.command("verify")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@DATA
@JWKS
def verify_receipt(file: Path, data: Path | None, jwks: Path | None) -> None:
    """不依赖服务器核对一份回执,并输出其内容。密钥只取自本部署或 --jwks。"""
    from partners.receipts import check_receipt

    token = read_signed(file, LARGEST_RECEIPT)
    claims = check_receipt(_keys(None if jwks else deployment(data), jwks), token)
    click.echo(orjson.dumps(claims, option=orjson.OPT_INDENT_2).decode())


def _keys(settings: Settings | None, jwks: Path | None) -> Keys:
    from core.keys import load_keys, load_public_keys

    if jwks is not None:
        return load_public_keys(jwks)
    if settings is None:
        raise ValueError("neither a deployment nor a key set")
    return load_keys(settings.keys_file)


def read_signed(file: Path, largest: int) -> str:
    """The signed text in a file, at most `largest` characters of it.

    Raises:
        Unreadable: it cannot be read, or is no signed text.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(largest + 1)
        text = content.decode("ascii")
    except OSError as error:
        raise Unreadable(f"读不到 {file}({error.strerror})。请检查路径。") from None
    except UnicodeDecodeError:
        raise Unreadable(f"{file} 不是签名文本。请提供完整的原文。") from None
    if len(content) > largest:
        raise Unreadable(f"{file} 太大,不是签名文本。")
    # One line end is how text files end; anything else is a change.
    return text.removesuffix("\n").removesuffix("\r")


async def _read_catalogue(settings: Settings) -> tuple[Catalogue, Rulebook]:
    from partners.catalogue import load_catalogue
    from partners.rulebook import load_rulebook

    rulebook = load_rulebook(settings.jurisdictions, settings.places)
    async with open_database(settings) as database, database.reading() as connection:
        found: Any = await load_catalogue(connection, rulebook, on=day_of(utc_now()))
    return found, found.rulebook
