"""The paths of the API that only ask."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from micrec_pyg import __version__
from micrec_pyg.serve import answers, asking, questions
from micrec_pyg.serve.errors import responses
from micrec_pyg.serve.lists import asked_of
from micrec_pyg.serve.shelf import Served, Shelf

router = APIRouter(
    prefix="/v1",
    tags=["ask"],
    responses=responses(401, 422, 500, 503),
)
ASKED = responses(400, 408, 413, 415)


def served_of(request: Request, name: str | None) -> Served:
    """Return the artefact that a request means."""
    shelf: Shelf = request.app.state.shelf
    return shelf.get(name)


@router.get("/models")
def models(request: Request) -> answers.Models:
    """List the loaded models; the first answers requests that name none."""
    shelf: Shelf = request.app.state.shelf
    return answers.Models(
        version=__version__,
        models=[_info(served) for served in shelf],
        limits=answers.Limits(
            k=questions.MAX_K,
            users=questions.MAX_USERS,
            list_rows=questions.MAX_LIST_ROWS,
            history=questions.MAX_HISTORY,
            candidates=questions.MAX_CANDIDATES,
            rows=questions.MAX_ROWS,
            body_bytes=request.app.state.limits.body_bytes,
        ),
    )


def _info(served: Served) -> answers.ModelInfo:
    widths = {n: size["widths"] for n, size in served.record["sizes"].items()}
    return answers.ModelInfo(
        name=served.name,
        model=served.record["model"],
        dataset=served.record["dataset"],
        digest=served.digest,
        writable=served.writable,
        domains=[
            answers.DomainInfo(
                name=name,
                users=len(served.rec.users(name)),
                items=len(served.rec.items(name)),
                modalities=widths[name],
                images=served.rec.has_pictures(name),
            )
            for name in served.rec.domains
        ],
    )


@router.get("/items")
def items(
    request: Request, search: Annotated[questions.Search, Query()]
) -> answers.FoundItems:
    """Search the items of a domain by a part of a title or an id."""
    return asking.found_items(served_of(request, search.model), search)


@router.get("/users")
def users(
    request: Request, search: Annotated[questions.Search, Query()]
) -> answers.FoundUsers:
    """Search the users of a domain by a part of an id."""
    return asking.found_users(served_of(request, search.model), search)


@router.get("/history")
def history(
    request: Request, query: Annotated[questions.OfUser, Query()]
) -> answers.Known:
    """List what is known of a user, in every domain."""
    return asking.known_of(served_of(request, query.model), query.user)


@router.post("/recommend", responses=ASKED)
async def recommend(request: Request, question: questions.Recommend) -> answers.Lists:
    """Recommend items to known users, or to a person with a history."""
    asked = asked_of(served_of(request, question.model), question)
    found: answers.Lists = await request.app.state.lists.ask(asked)
    return found


@router.post("/similar", responses=ASKED)
def similar(request: Request, question: questions.Similar) -> answers.SimilarItems:
    """List the items most like one."""
    return asking.similar_to(served_of(request, question.model), question)


@router.post("/explain", responses=ASKED)
def explain(request: Request, question: questions.Explain) -> answers.Explanation:
    """Divide a score into parts that add up to it."""
    return asking.explained(served_of(request, question.model), question)
