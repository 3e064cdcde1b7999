"""Where webhooks may be sent. One thing to know: a name is resolved here, every address it has is looked at, and the
sender connects to the very address that was looked at, so a name that changes its mind leads nowhere.

A partner chooses the address, and our servers go there: without this it could have them knock at machines that only
they can reach (server-side request forgery).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

import httpx

from core.errors import ExpectedError

LONGEST_URL = 500
PORTS = (443, 8443)
"""The ports that may be sent to outside a demonstration."""

Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], Awaitable[list[str]]]
"""All addresses of a name, as text. Raises `OSError` where it has none."""


class AddressRefused(ExpectedError):
    """Nothing may be sent there."""

    code = "ADDRESS_REFUSED"


class Target(NamedTuple):
    """An address that was looked at."""

    url: httpx.URL
    """As the partner wrote it."""
    address: Address
    """What to connect to."""


async def resolve(host: str, port: int) -> list[str]:
    """What the operating system says."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def parse_url(url: str, *, private_allowed: bool) -> httpx.URL:
    """The URL, its spelling, scheme and port checked.

    Raises:
        AddressRefused: it is none, or one of a sort that nothing is sent to.
    """
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or {*' \\"<>'} & {*url}:
        raise AddressRefused(f"网址须为不超过 {LONGEST_URL} 个字符的 ASCII 文本,不含空格和反斜杠。请改正后重试。")
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise AddressRefused("这不是有效的网址。请写成 https://主机名/路径 的形式。") from None
    if parsed.scheme not in (("https", "http") if private_allowed else ("https",)) or not parsed.host:
        raise AddressRefused("网址须以 https:// 开头并写明主机名。请改正后重试。")
    if parsed.userinfo or parsed.fragment:
        raise AddressRefused("网址中不能有用户名、密码或 # 片段:凭证会留在日志里。请去掉后重试。")
    if (443 if parsed.port is None else parsed.port) not in (range(1, 65536) if private_allowed else PORTS):
        raise AddressRefused("只能使用 443 或 8443 端口。请改用其中之一后重试。")
    return parsed


async def find_target(url: str, *, private_allowed: bool, resolver: Resolver = resolve) -> Target:
    """The URL with an address to connect to, all of its addresses being ones that may be sent to.

    `private_allowed`, for a demonstration, lets plain HTTP, any port, and loopback and private addresses pass.

    Raises:
        AddressRefused: it may not be sent to, or its name leads nowhere.
    """
    parsed = parse_url(url, private_allowed=private_allowed)
    host = parsed.raw_host.decode()
    try:
        found = [ip_address(host)]
    except ValueError:
        try:
            names = await resolver(host, parsed.port or 443)
            found = [ip_address(name.partition("%")[0]) for name in names]
        except (OSError, ValueError):
            found = []
    if not found:
        raise AddressRefused("网址中的主机名解析不到地址。请检查域名是否写对、是否已生效。")
    # One bad address among good ones is enough: which of them is used would be a matter of luck.
    if not all(may_be_sent_to(one, private_allowed=private_allowed) for one in found):
        raise AddressRefused("网址指向内部、保留或特殊用途的地址,不能向它发送。请改用公网地址。")
    return Target(parsed, found[0])


def may_be_sent_to(address: Address, *, private_allowed: bool = False) -> bool:
    """Whether it is an address of the open internet, of one machine, that stands for no other address."""
    if any(address.version == network.version and address in network for network in _NEVER):
        return False
    if private_allowed and any(address.version == network.version and address in network for network in _OWN):
        return True
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


_UNICAST = IPv6Network("2000::/3")
"""All of IPv6 that has been given out for machines on the internet; mapped, translated (NAT64) and local addresses lie
outside it."""
_OWN = tuple(map(ip_network, ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")))
_NEVER = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "100.64.0.0/10",  # carriers' own; a cloud keeps its metadata at 100.100.100.200
            "168.63.129.16/32",  # a cloud's host, on an address that looks public
            "169.254.0.0/16",  # link-local; clouds' metadata
            "192.0.0.0/24",  # protocols' own; a cloud's metadata
            "192.88.99.0/24",  # 6to4 relays
            "fd00:ec2::/32",  # a cloud's metadata
            "2001::/23",  # Teredo and other protocols' own
            "2001:db8::/32",
            "2002::/16",  # 6to4: an IPv4 address inside
            "3fff::/20",
        ),
    )
)
