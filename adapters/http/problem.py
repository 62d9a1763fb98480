"""Every error as an RFC 9457 problem document: the one place where errors become HTTP.

    {"type": "urn:vanthu:reason:not-found", "title": "Không tìm thấy.", "title_en": "Not found.",
     "status": 404, "reason": "not-found", "retry": false}

What the peer may see: the reason, its sentence, and the detail of a refusal (it is about the peer's own
request).  What concerns our own house stays in the log, under a reference that both sides can name.
"""

from __future__ import annotations

import json
import math
import re
import secrets
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus

import structlog
from aiohttp import web

from gateway.errors import QuotaExceeded, Refused, Unavailable, WrongStep
from schemas import reasons

MEDIA_TYPE = "application/problem+json"
_DETAIL = 500
_RETRY_AFTER = timedelta(seconds=5)
_BY_STATUS = {
    400: "request-invalid",
    404: "not-found",
    405: "method-not-allowed",
    408: "body-too-slow",
    413: "body-too-large",
    415: "content-type-unsupported",
}
_log = structlog.get_logger(__name__)


def of(error: BaseException, *, language: str = "", route: str = "") -> web.Response:
    """The answer to *error*, which is logged where it is ours.

    *language* is the request's ``Accept-Language``, *route* the pattern of its path.
    """
    match error:
        case Refused():
            return of_reason(error.reason, detail=error.detail, language=language)
        case QuotaExceeded():  # the peer's own affair, and told in full; who floods shall not fill our log with it
            return over_quota(error, language=language)
        case Unavailable():
            reference = _reference()
            _log.warning(
                "request put off", reference=reference, route=route, reason=error.reason, detail=error.detail
            )
            return of_reason(
                error.reason, language=language, reference=reference, retry_after=error.retry_after
            )
        case web.HTTPException() if error.status in _BY_STATUS or 400 <= error.status < 500:
            kept = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
            reason = _BY_STATUS.get(error.status, "request-invalid")
            return of_reason(reason, status=error.status, language=language, headers=kept)
        case _:
            # WrongStep too: the journey's table and the request disagree, and that is our bug.
            reference = _reference()
            kind = "wrong step" if isinstance(error, WrongStep) else type(error).__name__
            _log.error("request failed", reference=reference, route=route, error=kind, exc_info=error)
            return of_reason("internal", language=language, reference=reference)


def over_quota(error: QuotaExceeded, *, language: str = "") -> web.Response:
    """Which quota is used up, how much of it is in use, and when there is room again."""
    seconds = max(1, math.ceil(error.room_in.total_seconds()))
    if prefers_english(language):
        detail = f"{error.quota}: {error.used} of {error.bound} are used; there is room again in {seconds} s"
    else:
        detail = f"{error.quota}: đã dùng {error.used} trên {error.bound}; có chỗ trở lại sau {seconds} giây"
    told = {"name": str(error.quota), "used": error.used, "bound": error.bound}
    return of_reason(
        error.reason, detail=detail, language=language, retry_after=error.room_in, members={"quota": told}
    )


def of_reason(
    reason: str,
    *,
    detail: str = "",
    status: int | None = None,
    language: str = "",
    reference: str = "",
    retry_after: timedelta | None = None,
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, object] | None = None,
) -> web.Response:
    """The problem document of *reason*, a code of ``reasons.toml``.

    *status* overrules the code's own; *members* are further ones of the document (extension members).
    """
    entry = reasons().get(reason)
    if entry is None:  # a code that nobody wrote down: our bug, and no reason to hide the answer
        _log.error("reason without an entry", reason=reason)
        entry = reasons()["internal"]
    # A reason that is fine in a receipt (a warning, say) may not answer an error with 200.
    status = status or (entry.http if entry.http >= 400 else 422)
    english = prefers_english(language)
    document: dict[str, object] = {
        "type": f"urn:vanthu:reason:{entry.code}",
        "title": entry.en if english else entry.vi,
        "title_en": entry.en,
        "status": status,
        "reason": entry.code,
        "retry": entry.retry,
    }
    if detail:
        document["detail"] = detail[:_DETAIL]
    if reference:
        document["instance"] = f"urn:vanthu:reference:{reference}"
        document["reference"] = reference
    sent = {"Content-Language": "en" if english else "vi", **(headers or {})}
    if status == HTTPStatus.UNAUTHORIZED:
        # spec: RFC 6750 §3 - no error code where no credentials came
        error = "" if entry.code == "token-missing" else ', error="invalid_token"'
        sent["WWW-Authenticate"] = f'Bearer realm="vanthu"{error}'
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        seconds = (retry_after or _RETRY_AFTER).total_seconds()
        sent["Retry-After"] = str(max(1, math.ceil(seconds)))
    body = json.dumps({**document, **(members or {})}, ensure_ascii=False).encode()
    return web.Response(body=body, status=status, content_type=MEDIA_TYPE, headers=sent)


_RANGE = re.compile(r"\s*([A-Za-z*]{1,8})(?:-[A-Za-z0-9-]*)?\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*")


def prefers_english(accept_language: str) -> bool:
    """Whether English is asked for rather than Vietnamese.  spec: RFC 9110 §12.5.4"""
    weights: dict[str, float] = {}
    for part in accept_language[:200].split(","):
        if found := _RANGE.fullmatch(part):
            language = found[1].lower()
            weights[language] = max(weights.get(language, 0.0), float(found[2] or 1))
    default = weights.get("*", 0.0)
    return weights.get("en", default) > weights.get("vi", default)


def _reference() -> str:
    return secrets.token_hex(6)
