"""Users and addresses at the private node for tests that look at the broker from outside."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import aiohttp

from adapters.broker.node import PrivateNode

PASSWORD = "a password for tests"


def address(node: PrivateNode, vhost: str, user: str = "", password: str = PASSWORD) -> str:
    """The AMQP address of *vhost* for *user*; for the gateway's own where none is named."""
    name, word = (user, password) if user else (node.user, node.password)
    port = urlsplit(node.amqp_url).port
    return f"amqp://{quote(name, safe='')}:{quote(word, safe='')}@127.0.0.1:{port}/{quote(vhost, safe='')}"


async def api(node: PrivateNode, method: str, path: str, body: object = None) -> object:
    """Ask the management API as an administrator; fails the test where it refuses."""
    headers = {"Authorization": aiohttp.encode_basic_auth(node.user, node.password)}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.request(method, node.management_url + path, json=body) as answer,
    ):
        assert answer.status < 300, f"{method} {path}: {answer.status} {await answer.text()}"
        return await answer.json() if answer.status == 200 else None


async def let_in(node: PrivateNode, vhost: str, user: str, pattern: str = ".*") -> None:
    """A user that is none of ours and may do to *pattern* what it likes in *vhost*."""
    where = quote(vhost, safe="")
    await api(node, "PUT", f"/api/users/{user}", {"password": PASSWORD, "tags": ""})
    grant = {"configure": pattern, "write": pattern, "read": pattern}
    await api(node, "PUT", f"/api/permissions/{where}/{user}", grant)
