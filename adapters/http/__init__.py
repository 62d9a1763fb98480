"""The HTTP side: API under /v1, health and metrics, over the gateway's ports.

server = HttpServer(Options(secret=secret), Ports(intake=..., desk=..., ...))
await server.start()
"""

from adapters.http.metrics import Metrics
from adapters.http.options import Options, Ports
from adapters.http.server import HttpServer

__all__ = ["HttpServer", "Metrics", "Options", "Ports"]
