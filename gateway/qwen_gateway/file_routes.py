"""GET /files/NAME: what answers name by URL."""

from fastapi import APIRouter
from fastapi.responses import FileResponse

from qwen_gateway.context import ContextOf

router = APIRouter(prefix="/files", tags=["files"])


@router.get("/{name}", name="kept_file")
async def kept_file(name: str, context: ContextOf) -> FileResponse:
    """A file, for an hour after it was made."""
    return FileResponse(context.kept_files.path(name), headers={"cache-control": "private, max-age=3600"})
