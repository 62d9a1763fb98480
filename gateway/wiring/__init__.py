"""The only place that knows both the core and the adapters: puts the gateway together.

``ground`` has what every process stands on, ``process`` one worker, ``stack`` the parent of ``serve``;
``desk`` has what the command line asks of the store, ``papers`` what it does to PDF files, ``envelopes`` what
it does to edXML, ``organs`` what it asks of the directory, ``sealing`` the sealer of both, ``audit`` the operators' record.

A verb loads what it needs and no more: ``verify`` would else wait a second for the broker's library.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapters.signing.container.checking import ContainerReport
    from gateway.wiring.audit import note
    from gateway.wiring.control import ask_drain, ask_reload, running
    from gateway.wiring.dead import DeadQuery, dead_as_row, open_dead_letters
    from gateway.wiring.desk import Letter, check, open_store, send
    from gateway.wiring.drain import drained_of, told_drained
    from gateway.wiring.envelopes import Checked, check_edxml, convert_edxml, write_file
    from gateway.wiring.evidence import Exported, export_evidence, verify_container
    from gateway.wiring.evidence_log import check_log
    from gateway.wiring.importing import Concern, ImportPlan, concerns_of, plan_import, write_import
    from gateway.wiring.log_audit import LogReport
    from gateway.wiring.logs import quiet
    from gateway.wiring.organs import CheckedList, Difference, Organs, check_organs, diff_organs
    from gateway.wiring.papers import Paper, Signed, sign, verify
    from gateway.wiring.process import work
    from gateway.wiring.quotas import used_of_quotas
    from gateway.wiring.retention import Purged, purge
    from gateway.wiring.stack import Stack

__all__ = [
    "Checked",
    "CheckedList",
    "Concern",
    "ContainerReport",
    "DeadQuery",
    "Difference",
    "Exported",
    "ImportPlan",
    "Letter",
    "LogReport",
    "Organs",
    "Paper",
    "Purged",
    "Signed",
    "Stack",
    "ask_drain",
    "ask_reload",
    "check",
    "check_edxml",
    "check_log",
    "check_organs",
    "concerns_of",
    "convert_edxml",
    "dead_as_row",
    "diff_organs",
    "drained_of",
    "export_evidence",
    "note",
    "open_dead_letters",
    "open_store",
    "plan_import",
    "purge",
    "quiet",
    "running",
    "send",
    "sign",
    "told_drained",
    "used_of_quotas",
    "verify",
    "verify_container",
    "work",
    "write_file",
    "write_import",
]

_WHERE = {
    "ask_drain": "control",
    "drained_of": "drain",
    "told_drained": "drain",
    "DeadQuery": "dead",
    "dead_as_row": "dead",
    "open_dead_letters": "dead",
    "running": "control",
    "Checked": "envelopes",
    "CheckedList": "organs",
    "Concern": "importing",
    "Difference": "organs",
    "ImportPlan": "importing",
    "ContainerReport": "evidence",
    "Exported": "evidence",
    "Letter": "desk",
    "Organs": "organs",
    "LogReport": "log_audit",
    "Paper": "papers",
    "Purged": "retention",
    "Signed": "papers",
    "Stack": "stack",
    "ask_reload": "control",
    "check": "desk",
    "check_edxml": "envelopes",
    "check_organs": "organs",
    "convert_edxml": "envelopes",
    "concerns_of": "importing",
    "diff_organs": "organs",
    "check_log": "evidence_log",
    "export_evidence": "evidence",
    "note": "audit",
    "open_store": "desk",
    "plan_import": "importing",
    "purge": "retention",
    "quiet": "logs",
    "send": "desk",
    "sign": "papers",
    "used_of_quotas": "quotas",
    "verify": "papers",
    "verify_container": "evidence",
    "work": "process",
    "write_file": "envelopes",
    "write_import": "importing",
}


def __getattr__(name: str) -> object:
    # spec: PEP 562 - asked once per name, because the answer is kept
    module = _WHERE.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = found
    return found
