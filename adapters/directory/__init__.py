"""Who takes part: parties and clients from files.

directory, report = load(Options(organs=Path("config/organs/tayninh_2020.csv")))
"""

from adapters.directory.clients import load_clients
from adapters.directory.development import Secrets, make_development_clients, write_access
from adapters.directory.difference import Changed, Difference, compare, described
from adapters.directory.directory import Options, OrganDirectory, admit, load
from adapters.directory.endings import Ending
from adapters.directory.live import LiveDirectory
from adapters.directory.organs import OrganList, load_organs, read_organs
from adapters.directory.overrides import override
from adapters.directory.remarks import Remark, RemarkKind, Report

__all__ = [
    "Changed",
    "Difference",
    "Ending",
    "LiveDirectory",
    "Options",
    "OrganDirectory",
    "OrganList",
    "Remark",
    "RemarkKind",
    "Report",
    "Secrets",
    "admit",
    "compare",
    "described",
    "load",
    "load_clients",
    "load_organs",
    "make_development_clients",
    "override",
    "read_organs",
    "write_access",
]
