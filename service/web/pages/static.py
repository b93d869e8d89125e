"""Style, script, icon and service worker: files of the package, the same for everybody."""

import gzip
import hashlib
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse, Response

from features.language import say
from service.web.base.problems import no_such_address

router = APIRouter(include_in_schema=False)
HOME = Path(__file__).parents[1] / "static"
SHARED = {  # also in the files of a week
    name: Path(__file__).parents[2] / "templates" / name for name in ("tables.js", "whole.js")
}
WORKER = "service-worker.js"
KINDS = {
    "style.css": "text/css",
    "signed-out.js": "text/javascript",
    "visits.js": "text/javascript",
    "tables.js": "text/javascript",
    "whole.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
ALWAYS_ASKED = {"Cache-Control": "no-cache"}


@cache
def _content(name: str, packed: bool = False) -> bytes:
    content = SHARED.get(name, HOME / name).read_bytes()
    return gzip.compress(content, mtime=0) if packed else content


@cache
def address(name: str) -> str:
    """Return a file's address, which changes whenever its content does."""
    return f"/static/{name}?v={hashlib.sha256(_content(name)).hexdigest()[:12]}"


@router.get("/static/{name}")
def static(request: Request, name: str) -> Response:
    """Return one file, packed where the browser takes that.

    Pages themselves are never packed: from the size of a packed page that holds a token, others could guess the token.
    """
    if name not in KINDS:
        raise no_such_address()
    packed = "gzip" in request.headers.get("Accept-Encoding", "")
    headers = FOR_EVER | {"Vary": "Accept-Encoding"} | ({"Content-Encoding": "gzip"} if packed else {})
    return Response(_content(name, packed), media_type=KINDS[name], headers=headers)


@router.get(f"/{WORKER}")
def service_worker() -> Response:
    """Return the script that keeps visited pages for times without a connection; at the root, to cover all pages."""
    return FileResponse(HOME / WORKER, media_type="text/javascript", headers=ALWAYS_ASKED)


@router.get("/manifest.webmanifest")
def manifest() -> Response:
    """Return what a phone's home screen shows of the service."""
    content = {
        "name": say("先应 走访", "Xianying visits"),
        "short_name": say("先应", "Xianying"),
        "start_url": "/visits",
        "display": "standalone",
        "background_color": "#f5f7fa",
        "theme_color": "#17457f",
        "icons": [{"src": address("icon.svg"), "sizes": "any", "type": "image/svg+xml"}],
    }
    return JSONResponse(content, headers=ALWAYS_ASKED, media_type="application/manifest+json")
