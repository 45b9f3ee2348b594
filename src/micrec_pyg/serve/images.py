"""The path of the small pictures of items."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from micrec_pyg.serve.errors import responses
from micrec_pyg.serve.questions import Picture
from micrec_pyg.serve.shelf import Shelf

router = APIRouter(prefix="/v1", responses=responses(422, 500))

SECONDS = 600
"""For which a browser need not ask again; an item may be removed meanwhile."""


@router.get(
    "/image/{domain}/{item:path}",
    tags=["ask"],
    response_class=Response,
    responses={
        200: {"content": {"image/jpeg": {}}},
        204: {"description": "The item has no picture"},
    },
)
def image(
    request: Request, domain: str, item: str, query: Annotated[Picture, Query()]
) -> Response:
    """Return a small picture of an item as JPEG, and nothing where it has none."""
    shelf: Shelf = request.app.state.shelf
    served = shelf.get(query.model)
    jpeg = served.rec.picture(item, domain=served.domain(domain))
    headers = {"Cache-Control": f"private, max-age={SECONDS}"}
    if jpeg is None:
        return Response(status_code=204, headers=headers)
    return Response(jpeg, media_type="image/jpeg", headers=headers)
