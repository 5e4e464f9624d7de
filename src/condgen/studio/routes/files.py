"""The page's own files. Browsers keep them, and ask whether they have changed."""

import hashlib

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from condgen.studio import page
from condgen.studio.state import studio_of

router = APIRouter(include_in_schema=False)


@router.get("/")
async def index(request: Request) -> Response:
    """The page itself, with the policy that keeps everything foreign out."""
    html = page.index()
    policy = page.policy(html, frames=studio_of(request).frames)
    return _kept(request, html.encode(), page.TYPES[".html"], {"Content-Security-Policy": policy})


@router.get("/{path:path}")
async def file(path: str, request: Request) -> Response:
    """One of the page's files."""
    found = page.files().get(path)
    if found is None:
        raise HTTPException(404, f"There is nothing at '/{path[:100]}'.")
    return _kept(request, found.read_bytes(), page.TYPES[found.suffix], {})


def _kept(request: Request, content: bytes, media: str, headers: dict[str, str]) -> Response:
    """An answer that a browser keeps and asks for again, or that it has not changed since."""
    tag = f'"{hashlib.blake2b(content, digest_size=8).hexdigest()}"'
    headers |= {"ETag": tag, "Cache-Control": "no-cache"}
    known = request.headers.get("if-none-match", "")
    if tag in {each.strip().removeprefix("W/") for each in known.split(",")}:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media, headers=headers)
