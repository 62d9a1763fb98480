"""What happens in one seed: what is sent, when, and how it ends."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from gateway import worker
from gateway.model.envelope import DocumentReference, Kind, Organ
from gateway.model.ids import OfficialId, OrganCode
from tests.builders import COMMUNE, PROVINCE
from tests.journey.town import HEALTH, JUSTICE, LABOUR
from tests.simulation.agencies import Agencies
from tests.simulation.books import Books
from tests.simulation.loop import StandsStill
from tests.simulation.town import PACE, POLICY, Complaints, SimTown

ORGANS = (LABOUR, HEALTH, JUSTICE, COMMUNE)
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


def run(seed: int, *, is_doubtful: bool = False) -> Outcome:
    """Live through *seed*."""
    town = SimTown(seed, is_doubtful=is_doubtful)
    agencies = Agencies(town)
    log, worker.log = worker.log, Complaints(town)
    main = town.loop.create_task(_live(town, agencies))
    try:
        town.loop.run_until_complete(main)
    except StandsStill:
        town.wrong("everything stands still")
    finally:
        worker.log = log
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
    )
    town.loop.close()
    return outcome


def _short(args: object) -> str:
    return repr(args)[:160]


async def _live(town: SimTown, agencies: Agencies) -> None:
    for _ in range(town.wanted):
        await town.bear()
    plan(town, agencies)
    for _ in range(town.random.randrange(3)):
        town.loop.call_later(town.random.random() * STORM_S, _jump, town)
    await asyncio.sleep(STORM_S)
    town.weather.is_calm = True
    agencies.is_willing = False
    town.tell("the weather is calm")
    until = town.loop.time() + REST_S
    quiet = 0
    while quiet < 2 and town.loop.time() < until and not town.problems:
        await asyncio.sleep(10)
        quiet = quiet + 1 if town.is_at_rest() else 0
    if not town.problems:
        Books(town, agencies).audit()  # at this very instant: at the next one a deadline may be due


def _jump(town: SimTown) -> None:
    by = town.random.choice((-90.0, -5.0, 7.0, 120.0))
    town.tell(f"the clocks jump by {by:.0f} s")
    town.store_clock.skew += by
    if by > PACE.lease.total_seconds():  # every life seems to end, and each takes the others' work
        town.weather.blows += POLICY.patience.deaths
    for life in town.alive:
        life.clock.skew += by


def plan(town: SimTown, agencies: Agencies) -> None:
    """Draw at least five documents for three recipients each, and what is asked about some of them later."""
    r = town.random
    spread = r.choice((5.0, 40.0, 70.0))

    def send(body: bytes, when: float, sender: str = PROVINCE, **changes: object) -> None:
        agencies.send_at(min(when, STORM_S - 5), body, sender, **changes)

    numbers = list(range(1, r.choice((5, 5, 6))))
    for number in numbers:
        when = r.random() * spread
        three = r.sample(ORGANS, 3)
        expires = (
            ""
            if r.random() < 0.85
            else (town.clock.now() + timedelta(seconds=when + r.choice((20, 60)))).isoformat()
        )
        send(town.edoc(*three, number=number), when, expires=expires)
        kind = r.choice(("", "recall", "recall", "13", "update", "replace", "recall-some"))
        later = max(0.0, when + (r.random() - 0.15) * 30)
        _amend(town, send, kind, number, three, later)
        if kind and r.random() < 0.2:
            _amend(town, send, r.choice(("recall", "13", "update")), number, three, later + r.random() * 20)
    # an HTTP party sends, too
    name = OfficialId(f"{COMMUNE},2016/03/04,77/QĐ-UBND")
    own = {"sender": Organ(code=OrganCode(COMMUNE)), "official_id": name}
    send(town.edoc(LABOUR, HEALTH, PROVINCE, number=77, **own), r.random() * spread, COMMUNE)


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
