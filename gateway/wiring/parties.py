"""Who takes part, as the configuration names them."""

from __future__ import annotations

from pathlib import Path

from adapters.directory import Options, OrganDirectory, load
from gateway.config import Config

ORGANS = Path("config/organs/tayninh_2020.csv")
HERE = Path(__file__).parent.parent.parent


def files_of(config: Config, clients: Path | None = None) -> Options:
    """The files that the directory comes from; without *clients* nobody can come in.

    Where the configuration names no list, it is the one that was imported under ``var``, else ours.
    """
    section = config.sections.directory
    imported = imported_list(config)
    return Options(
        organs=config.file(section.organs, imported if imported.exists() else HERE / ORGANS),
        parties=config.file(section.parties, Path()) if section.parties else None,
        clients=clients,
        queues=section.queues,
    )


def imported_list(config: Config) -> Path:
    """Where an import puts the list: the file that the configuration names, else one under ``var``."""
    return config.file(config.sections.directory.organs, config.data("", "directory/organs.csv"))


def clients_file(config: Config) -> Path:
    """The file of the clients; in development it may not be there yet."""
    return config.data(config.sections.clients.file, "dev/clients/clients.toml")


def registered(config: Config) -> OrganDirectory:
    """The parties alone, for a verb that needs nobody's credentials.  Raises ``ConfigError``."""
    directory, _ = load(files_of(config))
    return directory
