"""What happens in one seed: what is sent, when, and how it ends."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from gateway import disposal, quotas, rounds, sequencer, worker
from gateway.model.envelope import DocumentReference, Kind, Organ
from gateway.model.ids import MessageId, OfficialId, OrganCode
from tests.builders import COMMUNE, PDF, PROVINCE
from tests.journey.town import CLOSED, HEALTH, JUSTICE, LABOUR, LOCKED, MERGED
from tests.simulation.agencies import Agencies
from tests.simulation.books import Books
from tests.simulation.loop import StandsStill
from tests.simulation.operators import Operators
from tests.simulation.town import PACE, SWEEP, Complaints, SimTown

WEEKS_D = (8, 15, 40, 40)
DAY_S = 86_400.0
LATER_S = 100.0
ORGANS = (LABOUR, HEALTH, JUSTICE, COMMUNE)
ASKED = ("", "recall", "13", "update", "replace", "recall-some")
ODD = ("secret", "bad file", "no such recipient", "other bytes", "somebody else's", "no form")
STORM_S = 90.0
REST_S = 1800.0
"""Virtual seconds within which everything must have come to rest once the weather is calm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one seed has shown."""

    seed: int
    problems: tuple[str, ...]
    told: tuple[str, ...]
    last: tuple[str, ...]
    calls: int
    deaths: int
    documents: int
    seconds: float
    moves: Counter[tuple[str, str, str]]
    reached: Counter[tuple[str, str, str]]
    weather: Counter[str]
    met: frozenset[tuple[str, str, str]]
    """What a seed with aimed deaths met, whether or not anybody died of it: (state, event, port call)."""


def run(seed: int, *, is_doubtful: bool = False) -> Outcome:
    """Live through *seed*."""
    town = SimTown(seed, is_doubtful=is_doubtful)
    agencies = Agencies(town)
    told = (worker, sequencer, rounds, disposal, quotas)
    logs = [module.log for module in told]
    for module in told:
        module.log = Complaints(town)
    main = town.loop.create_task(_live(town, agencies))
    try:
        town.loop.run_until_complete(main)
    except StandsStill:
        town.wrong("everything stands still")
    finally:
        for module, log in zip(told, logs, strict=True):
            module.log = log
    for trouble in town.loop.trouble:
        town.wrong(trouble)
    outcome = Outcome(
        seed=seed,
        problems=tuple(town.problems),
        told=tuple(town.told),
        last=tuple(f"{at:8.2f}  {who} {what} {_short(args)}" for at, who, what, args in town.trace),
        calls=town.weather.calls,
        deaths=town.weather.deaths,
        documents=len(agencies.published),
        seconds=town.loop.time(),
        moves=town.store.moves,
        reached=town.weather.reached,
        weather=town.weather.seen,
        met=frozenset(town.weather.met),
    )
    town.loop.close()
    return outcome


def _short(args: object) -> str:
    return repr(args)[:160]


async def _live(town: SimTown, agencies: Agencies) -> None:
    for _ in range(town.wanted):
        await town.bear()
    town.loop.create_task(town.watch_the_queues())
    plan(town, agencies)
    town.loop.call_later(town.random.random() * STORM_S, _give_keys, town)
    for _ in range(town.random.randrange(3)):
        town.loop.call_later(town.random.random() * STORM_S, _jump, town)
    operators = Operators(town)
    for _ in range(town.random.choice((0, 1, 3))):
        operators.call_at(20 + town.random.random() * STORM_S)
    await asyncio.sleep(STORM_S)
    await _rest(town, agencies)
    if town.lasts_long:
        _leap(town, town.random.choice(WEEKS_D) * DAY_S)
        town.weather.returns(town.random)
        town.tell("weeks have passed")
        _come_again(town, agencies)
        await asyncio.sleep(LATER_S)
        await _rest(town, agencies)
    if not town.problems:
        Books(town, agencies).audit()  # at this very instant: at the next one a deadline may be due


async def _rest(town: SimTown, agencies: Agencies) -> None:
    """The weather is calm until nothing is left to do."""
    town.weather.is_calm = True
    _give_keys(town)
    agencies.is_willing = False
    town.tell("the weather is calm")
    until = town.loop.time() + REST_S
    quiet = 0
    while quiet < 2 and town.loop.time() < until and not town.problems:
        await asyncio.sleep(10)
        quiet = quiet + 1 if town.is_at_rest() else 0


def _come_again(town: SimTown, agencies: Agencies) -> None:
    """Long after, while what was kept long enough goes: the same messages, and others about the same documents."""
    r = town.random
    begin = town.loop.time()

    def send(body: bytes, when: float, **changes: object) -> None:
        agencies.send_at(when, body, **changes)

    old = sorted(agencies.published.values(), key=lambda a: a.message_id)
    for arrival in r.sample(old, 4):
        agencies.again_at(begin + r.random() * LATER_S * 0.8, arrival, is_same=r.random() < 0.6)

    looked: dict[str, float] = {}

    def just_now(digests: Collection[str]) -> None:
        """Bytes that nobody names, seen so before, are about to go: that is when somebody sends them again."""
        now, ripe = town.loop.time(), SWEEP.settle.total_seconds()
        free = set(digests) - town.store.named()
        going = {digest for digest in free if now - looked.setdefault(digest, now) >= ripe}
        meant = [arrival for arrival in old if arrival.payload.sha256 in going]
        if meant and r.random() < 0.5 and now < begin + LATER_S * 0.8:
            agencies.again_at(now, r.choice(meant), is_same=r.random() < 0.3)

    town.on_clearing = just_now
    for number in r.sample(range(1, 6), 2):
        when = begin + r.random() * LATER_S * 0.8
        _amend(town, send, r.choice(("recall", "13", "update")), number, list(ORGANS[:3]), when)


def _jump(town: SimTown) -> None:
    by = town.random.choice((-90.0, -5.0, 7.0, 120.0))
    town.tell(f"the clocks jump by {by:.0f} s")
    _leap(town, by)


def _leap(town: SimTown, by: float) -> None:
    town.store_clock.skew += by
    town.weather.blows += by > PACE.lease.total_seconds()  # every life seems to end, once
    for life in town.alive:
        life.clock.skew += by


def _give_keys(town: SimTown) -> None:
    if town.sealer._lacking:
        town.tell("the province has its key")
        town.sealer._lacking = frozenset()


def plan(town: SimTown, agencies: Agencies) -> None:
    """Draw at least five documents for three recipients each, and what is asked about some of them later."""
    r = town.random
    spread = r.choice((5.0, 40.0, 70.0))

    def send(body: bytes, when: float, sender: str = PROVINCE, **changes: object) -> None:
        agencies.send_at(min(when, STORM_S - 5), body, sender, **changes)

    numbers = list(range(1, r.choice((6, 6, 7))))
    asked = ["recall", "update", *r.choices(ASKED, k=len(numbers) - 2)]
    r.shuffle(asked)
    for number, kind in zip(numbers, asked, strict=True):
        when = r.random() * spread
        three = r.sample(ORGANS, 3)
        body = town.edoc(*three, number=number)
        expires = (
            ""
            if r.random() < 0.8
            else (town.clock.now() + timedelta(seconds=when + r.choice((20, 60)))).isoformat()
        )
        send(body, when, expires=expires, as_claim=r.random() < 0.1)
        later = max(0.0, when + (r.random() - 0.15) * 30)
        _amend(town, send, kind, number, three, later)
        if kind and r.random() < 0.2:
            _amend(town, send, r.choice(("recall", "13", "update")), number, three, later + r.random() * 20)
    for kind in r.sample(ODD, r.choice((0, 0, 1, 2))):
        _odd(town, agencies, kind, min(r.random() * spread, STORM_S - 5))
    # an HTTP party sends, too
    name = OfficialId(f"{COMMUNE},2016/03/04,77/QĐ-UBND")
    own = {"sender": Organ(code=OrganCode(COMMUNE)), "official_id": name}
    body = town.edoc(LABOUR, HEALTH, PROVINCE, number=77, **own)
    send(body, r.random() * spread, COMMUNE, as_claim=r.random() < 0.5)


def _odd(town: SimTown, agencies: Agencies, kind: str, when: float) -> None:
    """A message that can't simply go through."""
    three = town.random.sample(ORGANS, 3)
    match kind:
        case "secret":
            agencies.send_at(when, town.edoc(*three, number=801, type_name="Tối mật"))
        case "bad file":
            bad = town.random.choice(
                (b"<< /Encrypt 1 0 R >>", b"%VANTHU-COSTLY", b"<< /DocMDP << /P 1 >> >>")
            )
            agencies.send_at(when, town.edoc(*three, number=802, pdfs=[PDF + bad]))
        case "no such recipient":
            strange = town.random.choice((LOCKED, CLOSED, MERGED, "000.77.77.H53"))
            agencies.send_at(when, town.edoc(*three[:2], strange, number=803))
        case "other bytes":
            name = agencies.send_at(when, town.edoc(*three, number=804))
            again = max(0.0, when + (town.random.random() - 0.3) * 20)
            agencies.send_at(again, town.edoc(*three, number=805), message_id=MessageId(name))
        case "somebody else's":
            agencies.send_at(when, town.edoc(*three, number=806), HEALTH)
        case "no form":
            agencies.send_at(when, town.edoc(*three, number=807), content_type="text/plain")


def _amend(town: SimTown, send: object, kind: str, number: int, three: list[str], when: float) -> None:
    r = town.random
    match kind:
        case "recall":
            body = town.recall(*three, number=number)
        case "recall-some":
            body = town.recall(*three[:2], number=number)
        case "13":
            about = DocumentReference(
                organ=OrganCode(r.choice((PROVINCE, three[0]))),
                official_id=OfficialId(f"{PROVINCE},2016/03/04,{number}/QĐ-UBND"),
            )
            body = town.status(PROVINCE, "13", about=about, description="Ban hành nhầm")
            send(body, when, routed_as=Kind.STATUS)  # type: ignore[operator]
            return
        case "update":
            added = [o for o in ORGANS if o not in three]
            change = r.choice(({}, {"added": added}, {"removed": three[:1]}))
            body = town.update(*(three[1:] if "removed" in change else three), number=number, **change)
        case "replace":
            body = town.replacement(*three, of=(number,), number=900 + number)
        case _:
            return
    send(body, when)  # type: ignore[operator]
