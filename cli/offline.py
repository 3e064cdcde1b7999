"""`xinyi offline`: what a gate without network runs, and what a phone does. One thing to know: it needs no database, no
settings and no network, only the gate's key, the bundle it fetched, our public keys, and a file of what it has taken.
"""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cli.output import WrongUse, complain
from cli.partner_keys import new_key, read_key
from core.errors import BadInput

FILE = click.Path(path_type=Path, dir_okay=False)
AT = click.option("--at", help="当时的时刻(ISO 8601,带时区),默认为现在。")


@click.group()
def offline() -> None:
    """无网络设备与手机:判断离线码、记下使用,联网后再同步。"""


@offline.command("key")
@click.argument("file", type=FILE)
def key_(file: Path) -> None:
    """生成设备(或试用手机)的密钥:私钥写入 FILE(仅本人可读),输出公钥,供 registerGate 或 issueOfflinePass 使用。"""
    click.echo(new_key(file, algorithm="EdDSA").public_jwk()["x"])


@offline.command()
@click.argument("pass_file", type=FILE)
@click.option("--key", "key_file", required=True, type=FILE, help="手机的私钥文件。")
@AT
def show(pass_file: Path, key_file: Path, at: str | None) -> None:
    """手机出示:用私钥对 PASS_FILE 中的凭证和当前时刻签名,输出离线码(二维码的内容)。"""
    from core.keys import b64decode
    from partners.offline.passes import PASS_LENGTH
    from partners.offline.passes import show as shown

    text = _read(pass_file).strip()
    try:
        length = len(b64decode(text))
    except ValueError:
        length = 0
    if length != PASS_LENGTH:
        raise BadInput(f"{pass_file} 不是离线凭证。请原样保存 issueOfflinePass 返回的 text。")
    click.echo(shown(text, _private(key_file), at=int(_moment(at))))


@offline.command()
@click.argument("code")
@click.option("--bundle", "bundle_file", required=True, type=FILE, help="fetchOfflineBundle 返回的 text 所在文件。")
@click.option("--jwks", required=True, type=FILE, help="公钥集(/.well-known/jwks.json)所在文件。")
@click.option("--memory", required=True, type=FILE, help="本机已用记录(JSON 行),同步时取其中的 use;没有则新建。")
@click.option("--key", "key_file", required=True, type=FILE, help="本设备的私钥文件。")
@AT
def check(  # noqa: PLR0917  # one for each thing that a gate has
    code: str, bundle_file: Path, jwks: Path, memory: Path, key_file: Path, at: str | None
) -> int:
    """离线判断 CODE。可用则记入 --memory 并输出优惠内容,退出码 0;否则输出原因,退出码 1,按标准服务办理。"""
    from core.keys import b64decode, b64encode, load_public_keys
    from partners.offline.gate import Refused, open_bundle, sign_use
    from partners.offline.gate import check as judge

    private, moment = _private(key_file), _moment(at)
    bundle = open_bundle(load_public_keys(jwks), _read(bundle_file).strip())
    taken = _remembered(memory)
    answer = judge(code, bundle, now=moment, used={b64decode(one["pass"]) for one in taken})
    if isinstance(answer, Refused):
        return complain(answer.code.value, answer.message, exit_code=1)
    counter = max((one["counter"] for one in taken), default=0) + 1
    use = sign_use(private, gate=bundle.gate, counter=counter, at=int(moment), code=code)
    line = {"counter": counter, "pass": b64encode(answer.pass_id), "use": use}
    _remember(memory, line)
    told = {"accepted": True, "offer": answer.offer.id, "title": answer.offer.title, "benefit": answer.offer.benefit}
    click.echo(orjson.dumps(told | {"counter": counter}).decode())
    return 0


@offline.command()
@click.option("--memory", required=True, type=FILE, help="本机已用记录。")
@click.option("--after", default=0, show_default=True, type=int, help="只要序号大于它的。")
def uses(memory: Path, after: int) -> None:
    """输出待同步的使用(JSON 数组,每次最多 50 条),作为 syncOfflineUses 的 uses。"""
    from partners.offline.gate import MOST_USES

    waiting = [one["use"] for one in _remembered(memory) if one["counter"] > after]
    click.echo(orjson.dumps(waiting[:MOST_USES]).decode())


def _private(file: Path) -> Ed25519PrivateKey:
    key = read_key(file).private
    if not isinstance(key, Ed25519PrivateKey):
        raise BadInput(f"{file} 不是 Ed25519 私钥。请用 xinyi offline key 生成一把。")
    return key


def _moment(at: str | None) -> float:
    if at is None:
        return time.time()
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or not 0 <= moment.timestamp() < 2**32:
        raise WrongUse("BAD_TIME", f"--at {at[:40]} 不是带时区的时刻。请写成 2026-11-22T12:00:00+08:00 的样子")
    return moment.timestamp()


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except (OSError, ValueError):
        raise BadInput(f"读不到 {file},或其中不是文本。请检查路径与内容。") from None


def _remembered(memory: Path) -> list[dict[str, Any]]:
    """What this gate has taken. A broken file is refused: forgetting would let passes be used twice.

    Raises:
        BadInput: it cannot be read.
    """
    if not memory.exists():
        return []
    try:
        found = [orjson.loads(line) for line in memory.read_bytes().splitlines()]
        if all({"counter", "pass", "use"} <= one.keys() for one in found):
            return found
    except (OSError, ValueError, AttributeError):
        pass
    raise BadInput(f"{memory} 已损坏,不能判断哪些凭证用过。请先同步其中完好的记录,再换新文件;在此之前按标准服务办理。")


def _remember(memory: Path, line: dict[str, Any]) -> None:
    """Written to the disk before the gate opens: a power cut does not make it forget."""
    import os

    with memory.open("ab") as file:
        file.write(orjson.dumps(line) + b"\n")
        file.flush()
        os.fsync(file.fileno())
