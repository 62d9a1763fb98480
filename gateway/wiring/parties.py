"""Who takes part, as the configuration names them."""

from __future__ import annotations

from pathlib import Path

from adapters.directory import Options, OrganDirectory, load
from gateway.config import Config

ORGANS = Path("config/organs/tayninh_2020.csv")
HERE = Path(__file__).parent.parent.parent


def files_of(config: Config, clients: Path | None = None) -> Options:
    """The files that the directory comes from; without *clients* nobody can come in."""
    section = config.sections.directory
    return Options(
        organs=config.file(section.organs, HERE / ORGANS),
        parties=config.file(section.parties, Path()) if section.parties else None,
        clients=clients,
        queues=section.queues,
    )


def registered(config: Config) -> OrganDirectory:
    """The parties alone, for a verb that needs nobody's credentials.  Raises ``ConfigError``."""
    directory, _ = load(files_of(config))
    return directory
