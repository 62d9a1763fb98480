"""Who takes part on our side, and what each does.  Peers are in ``peers``."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from adapters.inspection.judge import Options as JudgeOptions
from adapters.inspection.judge import judge
from benchmarks.papers import PDF_BYTES, page
from benchmarks.sign import ours, peers, stock
from benchmarks.sign.contest import Contestant, timed
from benchmarks.sign.materials import Materials
from demo.leader import Leader
from demo.pki import LeaderAuthority
from gateway.model.payload import PayloadRef
from gateway.model.signature import Verdict


def signing(made: Materials, stack: contextlib.ExitStack) -> Sequence[Contestant]:
    """Ours, the limit, and stock pyHanko.  What they need is closed with *stack*."""
    key = made.holder.key
    scheme = padding.PKCS1v15(), hashes.SHA256()
    ours.draw_seal(made.key_file.parent)
    parts, visible = ours.Parts(made), ours.Parts(made, visible=True)
    runner = stack.enter_context(asyncio.Runner())
    sealer = ours.sealer(made.key_file.parent)
    ref = PayloadRef.of(made.pdf)

    def whole() -> object:
        return runner.run(sealer.seal(ref, ours.order()))

    by_leader = _signed_by_a_leader()
    outputs = {
        "invisible": parts.seal(made.pdf),
        "visible": visible.seal(made.pdf),
        "over-leader": visible.seal(by_leader),
    }
    for name, sealed in outputs.items():
        out = made.folder / f"ours-{name}.pdf"
        out.write_bytes(sealed)
        if not peers.pdfsig_finds_valid(out):
            raise SystemExit(f"pdfsig does not find our own seal valid: {out}")
    if sum(b"/Subtype /Image" in one or b"/Subtype/Image" in one for one in outputs.values()) < 2:
        raise SystemExit("the visible seal shows no picture")
    return (
        Contestant(name="limit", batch=timed(lambda: key.sign(made.pdf, *scheme)), at_once=30),
        Contestant(name="b_b", batch=timed(lambda: parts.seal(made.pdf)), at_once=30, warm_up=50),
        Contestant(name="b_b_visible", batch=timed(lambda: visible.seal(made.pdf)), at_once=20, warm_up=30),
        Contestant(
            name="visible_over_leader", batch=timed(lambda: visible.seal(by_leader)), at_once=20, warm_up=30
        ),
        Contestant(name="read_back", batch=timed(parts.reading_back(made.pdf)), at_once=20),
        Contestant(name="whole", batch=timed(whole), at_once=15, warm_up=20),
        Contestant(name="limit_6mb", batch=timed(lambda: key.sign(made.pdf_6mb, *scheme)), at_once=8),
        Contestant(name="b_b_6mb", batch=timed(lambda: parts.seal(made.pdf_6mb)), at_once=8),
        Contestant(name="stock_pyhanko", batch=timed(stock.signing(made)), at_once=3, warm_up=2),
    )


def _signed_by_a_leader() -> bytes:
    """234 KB with a leader's picture, over a third of which the seal goes."""
    leader = Leader(LeaderAuthority.make().certify("Nguyễn Văn A", "UBND tỉnh Tây Ninh"), "Nguyễn Văn A")
    surplus = len(leader.sign(page(4, PDF_BYTES))) - PDF_BYTES
    return leader.sign(page(4, PDF_BYTES - surplus))


def judging(made: Materials) -> Sequence[Contestant]:
    """Our judge, in this process."""
    papers = stock.papers(made.authority)
    options = JudgeOptions(trust=made.trust)
    # A chain that was built is remembered for the minute: with another moment each time none ever is.
    now, minutes = datetime.now(UTC), itertools.count()

    def judge_as_if_new() -> object:
        moment = now + timedelta(minutes=next(minutes))
        return judge(papers.one[0], JudgeOptions(trust=made.trust, moment=moment))

    def at_judging(files: Sequence[bytes]) -> Callable[[], object]:
        for file in files:
            found = judge(file, options)
            if found.verdict is not Verdict.VALID:
                raise SystemExit(f"a file of the benchmark is {found.verdict}: {found.findings}")
        turns = itertools.cycle(files)
        return lambda: judge(next(turns), options)

    return (
        Contestant(name="one", batch=timed(at_judging(papers.one)), at_once=10, warm_up=20),
        Contestant(name="one_unknown", batch=timed(judge_as_if_new), at_once=5),
        Contestant(name="three", batch=timed(at_judging(papers.three)), at_once=5, warm_up=10),
        Contestant(name="b_lta", batch=timed(at_judging(papers.b_lta)), at_once=5, warm_up=10),
    )


def parts(made: Materials) -> Sequence[Contestant]:
    """The steps of an invisible seal on 234 KB, each on its own."""
    steps = ours.Parts(made).steps(made.pdf)
    return [Contestant(name=name, batch=timed(step), at_once=20, warm_up=20) for name, step in steps.items()]
