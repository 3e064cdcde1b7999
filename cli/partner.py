"""`xinyi partner`: for the engineers of partners. One thing to know: it needs no database and no settings, only the
address of a sandbox and a private key."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit

import click
import orjson

from cli.output import WrongUse, complain, table
from cli.partner_keys import ALGORITHMS, new_key, read_key

FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def partner() -> None:
    """合作机构的工程师用的命令:密钥与联调验收。"""


@partner.group()
def key() -> None:
    """贵单位自己的密钥。"""


@key.command("new")
@click.argument("file", type=FILE)
@click.option("--algorithm", type=click.Choice(ALGORITHMS), default="EdDSA", show_default=True, help="签名算法。")
def key_new(file: Path, algorithm: str) -> None:
    """生成一对密钥:私钥写入 FILE(仅本人可读),公钥(JWK)输出,供登记。"""
    made = new_key(file, algorithm=algorithm)
    click.echo(f"私钥已写入 {file},请勿外传;下面是公钥,可以登记。", err=True)
    click.echo(orjson.dumps(made.public_jwk()).decode())


@key.command("show")
@click.argument("file", type=FILE)
def key_show(file: Path) -> None:
    """输出 FILE 中私钥对应的公钥(JWK)。"""
    click.echo(orjson.dumps(read_key(file).public_jwk()).decode())


@key.command("register")
@click.argument("file", type=FILE)
@click.option("--url", required=True, help="正式接口的地址,如 http://127.0.0.1:8000。")
@click.option("--token-file", required=True, type=click.File("r"), help="机构经办人的令牌所在文件;- 为标准输入。")
@click.option(
    "--use", default="SANDBOX", show_default=True, type=click.Choice(("SANDBOX", "LIVE", "DESK")), help="用途。"
)
def key_register(file: Path, url: str, token_file: TextIO, use: str) -> int:
    """把 FILE 中密钥的公钥登记到贵单位名下;私钥不会发出。"""
    from cli.partner_client import register_key

    found = register_key(url, key=read_key(file), token=token_file.read().strip(), use=use)
    if found["__typename"] == "Problem":
        return complain(found["code"], found["message"], exit_code=1)
    click.echo(f"已登记:用途 {found['use']},kid {found['kid']},有效至 {found['expiresAt']}。")
    return 0


@partner.command()
@click.option("--url", required=True, help="沙箱地址,如 http://127.0.0.1:8000/sandbox;只给主机则自动补上 /sandbox。")
@click.option("--key", "key_file", required=True, type=FILE, help="私钥文件(JWK 或 PEM)。")
@click.option("--partner", "partner_id", help="机构编号(接口返回的 id);不给则以密钥编号登录。")
@click.option("--webhook-url", help="沙箱能访问到的本机接收地址;不给则用 127.0.0.1(仅演示可用)。")
@click.option("--listen", default="127.0.0.1:0", show_default=True, help="接收事件时监听的地址和端口,0 为任选。")
def check(url: str, key_file: Path, partner_id: str | None, webhook_url: str | None, listen: str) -> int:
    """在沙箱里走一遍联调验收:登录、各种答复与故障、回执、事件。全部通过退出码为 0,否则为 1。"""
    from tqdm import tqdm

    from cli.partner_client import SandboxClient, receiving
    from cli.partner_steps import RUN, Program

    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal():
        raise WrongUse("BAD_LISTEN", f"--listen {listen[:40]} 不对。请写成 地址:端口,如 127.0.0.1:9000")
    private = read_key(key_file)
    connected = closing(SandboxClient(_sandbox_of(url), key=private, partner=partner_id or private.kid))
    with connected as client, receiving(host, int(port)) as (receiver, address):
        client.sign_in()
        run = client.do("startConformanceRun", RUN, webhookUrl=webhook_url or address)
        if run["__typename"] == "Problem" and webhook_url is None:
            # This sandbox sends to public addresses only: all but the events can still be shown.
            run = client.do("startConformanceRun", RUN)
        if run["__typename"] == "Problem":
            return complain(run["code"], run["message"], exit_code=1)
        program = Program(client, run, receiver)
        with tqdm(run["steps"], desc="联调验收", unit="步", disable=None, leave=False) as steps:
            for step in steps:
                steps.set_postfix_str(step["code"])
                program.handle(step["code"])
        result = client.do("finishConformanceRun", RUN, runId=run["id"])
    return _tell(result)


def _sandbox_of(url: str) -> str:
    """The sandbox at this address; a deployment's own address stands for its sandbox."""
    bare = url.rstrip("/").removesuffix("/graphql")
    return bare if urlsplit(bare).path else f"{bare}/sandbox"


def _tell(result: dict[str, Any]) -> int:
    if result["__typename"] == "Problem":
        return complain(result["code"], result["message"], exit_code=1)
    rows = [("✓" if step["passed"] else "✗", step["code"], step["title"], step["missing"]) for step in result["steps"]]
    click.echo(table(("", "步骤", "内容", "还缺什么"), rows))
    if result["state"] == "PASSED":
        click.echo(f"全部通过。验收编号 {result['id']},90 天内有效。")
        return 0
    return complain("NOT_PASSED", "联调验收未通过:请按上表逐项改正后重新运行", exit_code=1)
