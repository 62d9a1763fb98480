"""The routes, and what every request passes on its way in and out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from adapters.http import problem
from adapters.http.answer import Broken
from adapters.http.auth import Access
from adapters.http.documents import Documents
from adapters.http.gate import Gate, Turnstile
from adapters.http.health import Health
from adapters.http.inbox import Inbox
from adapters.http.metrics import Metrics
from adapters.http.options import Options, Ports
from adapters.http.payloads import Payloads
from adapters.http.submissions import Submissions
from adapters.http.uploads import ResumableUploads

_ALWAYS_OPEN = frozenset({"/healthz", "/readyz", "/metrics"})
"""What answers while we are stopping, too."""


def build(
    options: Options, ports: Ports, metrics: Metrics, gate: Gate, public_url: Callable[[], str]
) -> web.Application:
    """The application.  *public_url* tells the beginning of our addresses once we listen."""
    access = Access(ports.directory, ports.clock)
    turnstile = Turnstile(options.transfers, options.transfers_per_client, ports.inlet)
    submissions = Submissions(options, ports, access, turnstile)
    payloads = Payloads(options, ports, access, turnstile, public_url)
    uploads = ResumableUploads(options, ports, access, turnstile, submissions, public_url)
    inbox = Inbox(options, ports, access, turnstile)
    documents = Documents(ports, access)
    health = Health(options, ports, metrics, gate)
    app = web.Application(middlewares=[_guard(gate, metrics)])
    for method, path, handler in (
        ("POST", "/v1/submissions", submissions.submit),
        ("POST", "/v1/uploads", _either(uploads, payloads)),
        ("HEAD", "/v1/uploads/{id}", uploads.look),
        ("GET", "/v1/uploads/{id}", uploads.look),
        ("PATCH", "/v1/uploads/{id}", uploads.append),
        ("DELETE", "/v1/uploads/{id}", uploads.drop),
        ("POST", "/v1/uploads/{id}/submission", uploads.submit),
        ("GET", "/v1/payloads/{party}/{sha256}/{size}/{mac}", payloads.download),
        ("GET", "/v1/inbox", inbox.peek),
        ("POST", "/v1/inbox/{id}/lock", inbox.lock),
        ("GET", "/v1/inbox/{id}/content", inbox.content),
        ("POST", "/v1/inbox/{id}/acknowledge", inbox.acknowledge),
        ("GET", "/v1/documents/{id}", documents.show),
        ("GET", "/v1/documents/{id}/evidence", documents.evidence),
        ("GET", "/v1/evidence/{id}", documents.one_evidence),
        ("GET", "/v1/log/head", documents.head),
        ("GET", "/v1/organs", documents.organs),
        ("GET", "/healthz", health.alive),
        ("GET", "/readyz", health.ready),
        ("GET", "/metrics", health.metrics),
    ):
        app.router.add_route(method, path, handler, expect_handler=_expect_nothing_yet)
    app.on_response_prepare.append(_dress)
    app.on_shutdown.append(health.close)
    return app


def _either(uploads: ResumableUploads, payloads: Payloads) -> Handler:
    async def upload(request: web.Request) -> web.StreamResponse:
        """All bytes at once, or an upload that comes in pieces: the headers tell."""
        return await (uploads.begin if uploads.is_asked_for(request) else payloads.upload)(request)

    return upload


def _guard(gate: Gate, metrics: Metrics) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Turn errors into problems, count, and let nobody in while we stop."""
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else "other"
        loop = asyncio.get_running_loop()
        began = loop.time()
        status = 500
        try:
            with gate.enter(always=request.path in _ALWAYS_OPEN):
                response = await handler(request)
            status = response.status
            return response
        except Broken:
            raise
        except Exception as exc:  # CancelledError is none of them and goes on
            answer = problem.of(exc, language=request.headers.get("Accept-Language", ""), route=route)
            if gate.is_closed:
                answer.force_close()
            status = answer.status
            return answer
        finally:
            # The method is a label: only those that exist, or anybody could make as many series as he likes.
            is_known = route != "other" and request.method in ("GET", "HEAD", "POST", "PATCH", "DELETE")
            method = request.method if is_known else "other"
            metrics.request(route, method, status, loop.time() - began)

    return guard


async def _expect_nothing_yet(request: web.Request) -> None:
    """``100 Continue`` is for ``Body`` to send: who may not come in shall not send a body first."""


async def _dress(request: web.Request, response: web.StreamResponse) -> None:
    dress(response)


def dress(response: web.StreamResponse) -> None:
    """What every answer carries."""
    response.headers["Server"] = "vanthu"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Cache-Control", "no-store")
