"""The judging processes, bounded in one way for ``serve`` and for ``vanthu verify``."""

from __future__ import annotations

from datetime import timedelta

from adapters.inspection.processes.inspector import Options
from gateway.config import Config


def bounds_of(config: Config) -> Options:
    """What one file may cost, and whom to believe."""
    section = config.sections.inspection
    return Options(
        workers=section.processes,
        share=section.share,
        brisk=timedelta(seconds=section.brisk_s),
        slow=section.slow_processes,
        cpu=timedelta(seconds=section.cpu_s),
        wall=timedelta(seconds=section.wall_s),
        memory_bytes=section.memory_mb * 1024 * 1024,
        trust=config.trust_folder,
        revocations=config.revocations_folder,
    )
