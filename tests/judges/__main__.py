"""``make judge-dss``: every judge on every kind of our output; the page and EU DSS' report for the docs."""

from __future__ import annotations

import asyncio
import shutil
import sys

from gateway.wiring import logs
from tests.judges import dss, evidence, outputs, page
from tests.judges.programs import PROGRAMS, Word, versions
from tests.services import ROOT
from tools.debian import SetUpError


def main() -> int:
    """The command; 1 where a judge disagrees, with what it said."""
    logs.quiet()
    folder = ROOT / "var" / "judges" / "files"
    shutil.rmtree(folder, ignore_errors=True)
    made = asyncio.run(outputs.make(folder))
    try:
        reports = dss.judge(made, folder, ROOT / "var" / "judges" / "dss")
        proofs = asyncio.run(evidence.make(folder))
        of_proofs = dss.ask(list(proofs.values()), folder, ROOT / "var" / "judges" / "dss")
    except SetUpError as error:
        print(f"EU DSS cannot be asked: {error}", file=sys.stderr)
        return 1
    words = {output: {name: ask(output) for name, ask in PROGRAMS.items()} for output in made}
    kept = next(output for output in made if output.kind == "visible, over a leader's picture")
    judged = {
        what: (evidence.by_dss(of_proofs, path), evidence.by_xmlsec(path, folder / "root.pem"))
        for what, path in proofs.items()
    }
    text = page.write(words, reports, versions(), kept) + "\n" + "\n".join(evidence.section(judged))
    print(text)
    (ROOT / "docs" / "judged-by-dss.md").write_text(text, encoding="utf-8")
    shutil.copy(kept.path.with_suffix(".simple.xml"), ROOT / "docs" / page.KEPT)
    wrong = [
        f"{output.path.name}: {name} says {said}"
        for output in made
        for name, said in {"EU DSS": page.word(reports[output], output), **words[output]}.items()
        if said not in (_expected(output), Word.UNABLE)
    ]
    wrong += [
        f"{path.name}: {judged[what]}"
        for what, path in proofs.items()
        if set(judged[what]) != {evidence.expected(path)}
    ]
    if wrong:
        print(*wrong, sep="\n", file=sys.stderr)
        return 1
    return 0


def _expected(output: outputs.Output) -> Word:
    return Word.INVALID if output.is_altered else Word.VALID


if __name__ == "__main__":
    sys.exit(main())
