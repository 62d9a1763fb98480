"""Who takes part: parties and clients from files.

directory, report = load(Options(organs=Path("config/organs/tayninh_2020.csv")))
"""

from adapters.directory.clients import load_clients
from adapters.directory.development import Secrets, make_development_clients, write_access
from adapters.directory.directory import Options, OrganDirectory, load
from adapters.directory.organs import Remark, RemarkKind, Report, load_organs
from adapters.directory.overrides import Ending, override

__all__ = [
    "Ending",
    "Options",
    "OrganDirectory",
    "Remark",
    "RemarkKind",
    "Report",
    "Secrets",
    "load",
    "load_clients",
    "load_organs",
    "make_development_clients",
    "override",
    "write_access",
]
