"""Topology and permissions as computed, without a broker; and the one order that must be kept."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from adapters.broker.definitions import (
    Site,
    differences,
    is_password,
    leftovers,
    password_hash,
    shortfall,
    stray_bindings,
)
from adapters.broker.management import Management, Options
from adapters.broker.permissions import grant_of
from adapters.broker.topology import Bound, Bounds, Topology, narrowed, plan
from gateway.errors import ConfigError, Unavailable
from gateway.model.ids import ClientId, PartyKey
from gateway.model.party import Client, Link, Party

SITE = Site(vhost="vanthu", gateway_user="vanthu-gateway")
ONE, TWO, THREE = "000.00.01.H53", "000.00.02.H53", "000.01.02.H53"
EMPTY: Mapping[str, Any] = {"vhosts": [{"name": "vanthu"}]}


def a_party(key: str, link: Link = Link.AMQP) -> Party:
    return Party(key=PartyKey(key), name=key, codes=(), link=link)


def a_client(name: str, *parties: str) -> Client:
    return Client(id=ClientId(name), acts_for=frozenset(PartyKey(key) for key in parties))


def the_topology() -> Topology:
    parties = [a_party(ONE), a_party(TWO), a_party(THREE, Link.HTTP)]
    return plan(parties, [a_client("one", ONE), a_client("both", ONE, TWO, THREE), a_client("http", THREE)])


# --- patterns ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "may"),
    [
        (f"{ONE}.edoc", True),
        (f"{ONE}.edoc.urgent", True),
        (f"{ONE}.status", True),
        (f"{TWO}.edoc", False),
        (f"{ONE}.status.urgent", False),
        (f"{ONE}.edoc.urgent.more", False),
        (f"{ONE}.edoc.", False),
        (f"{ONE}.edocx", False),
        (f"{ONE}x.edoc", False),
        (f"x{ONE}.edoc", False),
        (ONE.replace(".", "x") + ".edoc", False),
        (f"{ONE}xedoc", False),
        (f"{ONE}.edocxurgent", False),
        (ONE, False),
        ("", False),
        (f"{TWO}\n{ONE}.edoc", False),
        (f"{TWO} {ONE}.edoc", False),
    ],
)
def test_a_client_may_publish_its_own_keys_and_no_others(key: str, may: bool) -> None:
    grant = grant_of(ClientId("one"), [PartyKey(ONE)])
    assert grant.topics is not None
    assert (re.search(grant.topics, key) is not None) is may


@pytest.mark.parametrize(
    ("part", "name", "may"),
    [
        ("write", "vanthu.submit", True),
        ("write", "vanthu.submit.more", False),
        ("write", "vanthuxsubmit", False),
        ("write", "amq.default", False),
        ("write", "vanthu.dead", False),
        ("write", "amq.topic", False),
        ("read", f"vanthu.deliver.{ONE}", True),
        ("read", f"vanthu.receipts.{TWO}", True),
        ("read", f"vanthu.receipts.{THREE}", False),
        ("read", f"vanthu.submit.{ONE}", False),
        ("read", f"vanthu.deliver.{ONE}x", False),
        ("read", "vanthu.deliver." + ONE.replace(".", "x"), False),
        ("read", "vanthu.dead.deliver", False),
        ("read", "vanthu.submit", False),
        ("configure", f"vanthu.deliver.{ONE}", False),
        ("configure", "mine", False),
    ],
)
def test_a_client_of_two_parties_reaches_theirs_and_nothing_else(part: str, name: str, may: bool) -> None:
    grant = grant_of(ClientId("both"), [PartyKey(ONE), PartyKey(TWO)])
    assert (re.search(getattr(grant, part), name) is not None) is may


def test_a_client_of_several_parties_publishes_for_each_of_them() -> None:
    topics = grant_of(ClientId("both"), [PartyKey(TWO), PartyKey(ONE)]).topics
    assert topics is not None
    for party, may in ((ONE, True), (TWO, True), (THREE, False)):
        assert (re.search(topics, f"{party}.edoc") is not None) is may


# --- topology ---------------------------------------------------------------------------------------


def test_only_parties_with_queues_get_queues_and_only_their_clients_get_users() -> None:
    topology = the_topology()
    assert topology.parties == (ONE, TWO)
    assert {queue.name for queue in topology.queues} == {
        *(f"vanthu.{kind}.{key}" for kind in ("submit", "deliver", "receipts") for key in (ONE, TWO)),
        *(f"vanthu.submit.{key}.urgent" for key in (ONE, TWO)),
        *(f"vanthu.dead.{kind}" for kind in ("submit", "deliver", "receipts", "parked")),
    }
    assert [grant.user for grant in topology.grants] == ["both", "one"]
    assert not any(THREE in grant.read for grant in topology.grants)


def test_who_is_locked_keeps_its_queues_and_nobody_may_use_them_nor_do_we_take_what_is_in_them() -> None:
    parties = [replace(a_party(ONE), is_locked=True), a_party(TWO)]
    topology = plan(parties, [a_client("one", ONE), a_client("both", ONE, TWO)])
    assert topology.parties == (TWO,)
    assert {f"vanthu.submit.{ONE}", f"vanthu.deliver.{ONE}"} <= {queue.name for queue in topology.queues}
    assert [(grant.user, sorted(grant.parties)) for grant in topology.grants] == [("both", [TWO])]
    assert not any(re.escape(ONE) in f"{grant.read}{grant.topics}" for grant in topology.grants)


def test_who_may_do_less_than_before_is_known_and_who_may_do_more_is_left_alone() -> None:
    before = plan(
        [a_party(ONE), a_party(TWO)], [a_client("one", ONE), a_client("both", ONE, TWO), a_client("two", TWO)]
    )
    after = plan(
        [a_party(ONE), a_party(TWO)], [a_client("both", ONE), a_client("two", ONE, TWO), a_client("new", ONE)]
    )
    assert narrowed(before, after) == ("both", "one")
    assert narrowed(before, before) == ()


def test_queues_of_parties_that_left_are_found_and_nobody_elses() -> None:
    topology = plan([a_party(ONE)], [])
    names = [
        f"vanthu.deliver.{ONE}",
        f"vanthu.deliver.{TWO}",
        f"vanthu.submit.{TWO}",
        "vanthu.dead.parked",
        "mine",
    ]
    rows = [{"name": name, "vhost": "vanthu"} for name in names]
    stray = {
        "source": "vanthu.submit",
        "vhost": "vanthu",
        "destination": f"vanthu.submit.{TWO}",
        "routing_key": f"{TWO}.edoc",
    }
    theirs = {**stray, "destination": "mine"}
    have = {
        **EMPTY,
        "queues": [*rows, {"name": f"vanthu.deliver.{THREE}", "vhost": "other"}],
        "bindings": [stray, theirs],
    }
    assert leftovers(topology, have, SITE) == (f"vanthu.deliver.{TWO}", f"vanthu.submit.{TWO}")
    assert stray_bindings(topology, have, SITE) == [stray]


def test_every_queue_is_quorum_bounded_limited_and_gives_up_its_dead_at_least_once() -> None:
    for queue in the_topology().queues:
        arguments = queue.arguments
        assert arguments["x-queue-type"] == "quorum"
        assert arguments["x-overflow"] == "reject-publish"
        assert arguments["x-dead-letter-strategy"] == "at-least-once"
        assert arguments["x-dead-letter-exchange"] == "vanthu.dead"
        for limit in ("x-max-length", "x-max-length-bytes", "x-delivery-limit"):
            assert int(arguments[limit]) > 0


def test_every_dead_letter_has_a_queue_that_tells_its_origin() -> None:
    topology = the_topology()
    keys = [queue.dead_key for queue in topology.queues]
    assert len(set(keys)) == len(keys)
    bound = {b.key.removesuffix("#"): b.queue for b in topology.bindings if b.exchange == "vanthu.dead"}
    for queue in topology.queues:
        targets = [target for prefix, target in bound.items() if queue.dead_key.startswith(prefix)]
        assert len(targets) == 1
        assert targets != [queue.name] or queue.name == "vanthu.dead.parked"


def test_the_deliver_queue_holds_at_most_a_hundred() -> None:
    held = {queue.name: queue.bound.messages for queue in the_topology().queues}
    assert held[f"vanthu.deliver.{ONE}"] <= 100


@pytest.mark.parametrize(
    "key", ["a b", "a..b", "#", "a.*", "{username}", "", ".a", "a.urgent", "x" * 101, "Đ.1"]
)
def test_a_code_that_a_routing_key_cannot_carry_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match="party"):
        plan([a_party(key)], [])


def test_a_code_without_queues_may_be_what_it_likes() -> None:
    assert plan([a_party("Đ 1", Link.HTTP)], []).parties == ()


# --- definitions ------------------------------------------------------------------------------------


def test_a_password_is_known_again_by_its_hash_and_no_other_is() -> None:
    hashed = password_hash("bí mật")
    assert is_password("bí mật", hashed)
    assert not is_password("bi mat", hashed)
    assert password_hash("bí mật") != hashed, "salted"
    # The example of RabbitMQ's own documentation: "test12", salt 90 8D C6 0A.
    assert (
        password_hash("test12", bytes.fromhex("908DC60A"))
        == "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
    )
    assert not is_password("x", "not base64!")


def test_what_was_imported_is_not_imported_again_and_is_no_difference() -> None:
    topology = the_topology()
    passwords = {"one": "1", "both": "2"}
    lacking = shortfall(topology, EMPTY, SITE, passwords)
    have = merged(EMPTY, lacking.first, lacking.second)
    again = shortfall(topology, have, SITE, passwords)
    assert (again.strangers, again.first, again.second) == ((), {}, {})
    assert differences(topology, have, SITE) == []


def test_a_new_password_is_imported_alone_and_keeps_the_users_tags() -> None:
    topology = the_topology()
    lacking = shortfall(topology, EMPTY, SITE, {"one": "1"})
    have = merged(EMPTY, lacking.first, lacking.second)
    changed = shortfall(topology, have, SITE, {"one": "other"})
    assert changed.first.keys() == {"users"}
    assert changed.second == {}
    (user,) = changed.first["users"]
    assert (user["name"], user["tags"]) == ("one", ["vanthu-client"])
    assert is_password("other", user["password_hash"])


def test_only_users_that_we_made_for_this_virtual_host_alone_are_removed() -> None:
    def user(name: str, tags: object) -> Mapping[str, Any]:
        return {"name": name, "tags": tags, "password_hash": ""}

    def permission(name: str, vhost: str) -> Mapping[str, Any]:
        return {"user": name, "vhost": vhost, "configure": "", "write": "", "read": ""}

    have = {
        **EMPTY,
        "users": [
            user("left", ["vanthu-client"]),
            user("left-as-text", "vanthu-client,other"),
            user("elsewhere-too", ["vanthu-client"]),
            user("elsewhere", ["vanthu-client"]),
            user("somebody", ["administrator"]),
        ],
        "permissions": [
            *(permission(name, "vanthu") for name in ("left", "left-as-text", "elsewhere-too", "somebody")),
            *(permission(name, "other") for name in ("elsewhere-too", "elsewhere")),
        ],
    }
    assert shortfall(the_topology(), have, SITE, {}).strangers == ("left", "left-as-text")


def test_a_client_with_an_administrators_tag_is_reported() -> None:
    topology = the_topology()
    lacking = shortfall(topology, EMPTY, SITE, {})
    have = merged(EMPTY, lacking.first, lacking.second)
    users = [{**row, "tags": "administrator"} if row["name"] == "one" else row for row in have["users"]]
    assert differences(topology, {**have, "users": users}, SITE) == ["user one carries the tag administrator"]


def test_a_thousand_parties_are_compared_in_no_time() -> None:
    parties = [a_party(f"000.{n // 100:02}.{n % 100:02}.H53") for n in range(1000)]
    topology = plan(parties, [a_client(p.key, p.key) for p in parties])
    lacking = shortfall(topology, EMPTY, SITE, {})
    have = merged(EMPTY, lacking.first, lacking.second)
    assert len(topology.queues) == 4004
    assert differences(topology, have, SITE) == []


def merged(*parts: Mapping[str, Any]) -> Mapping[str, Any]:
    have: dict[str, list[Any]] = {}
    for part in parts:
        for name, rows in part.items():
            have.setdefault(name, []).extend(rows)
    return have


# --- the order of imports ---------------------------------------------------------------------------


class Api:
    """RabbitMQ's management API, as far as imports go; notes at each import who could write without a topic
    permission.  *forgets* names parts that it does not take over."""

    def __init__(self, *forgets: str) -> None:
        self.have: Mapping[str, Any] = EMPTY
        self.imports: list[frozenset[str]] = []
        self.unguarded: list[str] = []
        self._forgets = forgets

    async def give(self, _: web.Request) -> web.Response:
        return web.json_response(dict(self.have))

    async def take(self, request: web.Request) -> web.Response:
        parts = await request.json()
        self.imports.append(frozenset(parts))
        # spec: RabbitMQ applies permissions before topic permissions within one import
        for name in (
            "users",
            "vhosts",
            "permissions",
            "topic_permissions",
            "queues",
            "exchanges",
            "bindings",
        ):
            if name in parts and name not in self._forgets:
                self.have = merged(self.have, {name: parts[name]})
            guarded = {row["user"] for row in self.have.get("topic_permissions", ())}
            writers = {row["user"] for row in self.have.get("permissions", ())} - {SITE.gateway_user}
            self.unguarded += sorted(writers - guarded)
        return web.Response(status=204)


@asynccontextmanager
async def management_of(api: Api) -> AsyncIterator[Management]:
    app = web.Application()
    app.router.add_get("/api/definitions", api.give)
    app.router.add_post("/api/definitions", api.take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        options = Options(url=f"http://{host}:{port}", user="vanthu-gateway", password="x")
        async with Management(options, SITE) as management:
            yield management
    finally:
        await runner.cleanup()


async def test_nobody_may_write_before_its_topics_are_limited() -> None:
    api = Api()
    async with management_of(api) as management:
        await management.ensure(the_topology(), {})
    assert api.unguarded == []
    assert ["permissions" in parts for parts in api.imports] == [False, True]
    assert differences(the_topology(), api.have, SITE) == []


async def test_without_topic_permissions_nobody_is_let_in() -> None:
    api = Api("topic_permissions")
    async with management_of(api) as management:
        with pytest.raises(Unavailable, match="topic_permissions"):
            await management.ensure(the_topology(), {})
    assert "permissions" not in api.have


async def test_a_management_api_that_is_away_is_unavailable() -> None:
    options = Options(url="http://127.0.0.1:1", user="a", password="b")
    async with Management(options, SITE) as management:
        with pytest.raises(Unavailable) as away:
            await management.read_back(the_topology())
    assert away.value.reason == "broker-away"


def test_bounds_can_be_chosen() -> None:
    bounds = Bounds(deliver=Bound(messages=7, bytes=8, deliveries=9))
    queues = {queue.name: queue for queue in plan([a_party(ONE)], [], bounds).queues}
    arguments = queues[f"vanthu.deliver.{ONE}"].arguments
    assert [arguments[f"x-{name}"] for name in ("max-length", "max-length-bytes", "delivery-limit")] == [
        7,
        8,
        9,
    ]
