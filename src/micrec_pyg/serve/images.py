"""The path of the small pictures of items."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from micrec_pyg.serve import questions
from micrec_pyg.serve.errors import responses
from micrec_pyg.serve.routes import served_of

router = APIRouter(
    prefix="/v1",
    tags=["ask"],
    # a path has no line break, so such an id is no path of ours
    responses=responses(401, 404, 422, 500, 503),
)

SECONDS = 600
"""For which a browser need not ask again; an item may be removed meanwhile."""


@router.get(
    "/image/{domain}/{item:path}",
    response_class=Response,
    responses={
        200: {"content": {"image/jpeg": {}}},
        204: {"description": "The item has no picture"},
    },
)
def image(
    request: Request, domain: str, item: str, query: Annotated[questions.Query, Query()]
) -> Response:
    """Return a small picture of an item as JPEG, and nothing where it has none."""
    served = served_of(request, query.model)
    jpeg = served.rec.picture(item, domain=served.domain(domain))
    headers = {"Cache-Control": f"private, max-age={SECONDS}"}
    if jpeg is None:
        return Response(status_code=204, headers=headers)
    return Response(jpeg, media_type="image/jpeg", headers=headers)
