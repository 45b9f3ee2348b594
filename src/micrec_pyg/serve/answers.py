"""What the service answers."""

from typing import Annotated

from pydantic import BaseModel, Field


class Fault(BaseModel):
    """What is wrong, and where."""

    field: Annotated[
        str | None, Field(description="The field at fault; null: no single one.")
    ]
    message: str
    id: Annotated[
        str | None, Field(description="Of an unexpected error; it is in the log.")
    ] = None


class Error(BaseModel):
    """The one shape of every error."""

    error: Fault


class DomainInfo(BaseModel):
    """What a model knows of a domain."""

    name: str
    users: int
    items: int
    modalities: Annotated[
        dict[str, int], Field(description="Width of the vectors, by modality.")
    ]
    images: Annotated[bool, Field(description="Whether /v1/image has thumbnails.")]


class ModelInfo(BaseModel):
    """A loaded artefact."""

    name: str
    model: str
    dataset: str
    digest: Annotated[str, Field(description="sha256 of the artefact's manifest.")]
    writable: Annotated[bool, Field(description="Whether additions are taken.")]
    domains: list[DomainInfo]


class Limits(BaseModel):
    """What one request may ask for."""

    k: int
    users: int
    list_rows: Annotated[int, Field(description="Users times k.")]
    history: int
    candidates: int
    rows: int
    body_bytes: int


class Models(BaseModel):
    """Every loaded model; the first is the one of requests that name none."""

    version: str
    models: list[ModelInfo]
    limits: Limits


class Item(BaseModel):
    """An item and the beginning of its text."""

    item: str
    title: str | None


class FoundItems(BaseModel):
    """Items that a search found."""

    model: str
    domain: str
    total: int
    items: list[Item]


class FoundUsers(BaseModel):
    """Users that a search found."""

    model: str
    domain: str
    total: int
    users: list[str]


class Known(BaseModel):
    """What is known of a user: items by domain."""

    model: str
    user: str
    history: dict[str, list[Item]]


class Row(BaseModel):
    """A place of a list."""

    rank: int
    item: str
    score: float
    title: str | None
    reason: Annotated[str, Field(description="The link that answered.")]


class UserList(BaseModel):
    """One person's list."""

    user: Annotated[str | None, Field(description="Null: given by a history.")]
    rows: list[Row]


class Lists(BaseModel):
    """A list for everybody, in the order of the question."""

    model: str
    domain: str
    lists: list[UserList]


class SimilarItems(BaseModel):
    """The items most like one."""

    model: str
    domain: str
    item: str
    rows: list[Row]


class Part(BaseModel):
    """A part of a score."""

    kind: Annotated[
        str,
        Field(
            description="history item, template item, similar people or the rest; "
            "what anybody gets is the only one where nothing is known of the person."
        ),
    ]
    item: str | None
    title: str | None
    contribution: float


class Explanation(BaseModel):
    """Parts that add up to the score."""

    model: str
    domain: str
    item: str
    score: float
    parts: list[Part]


class Done(BaseModel):
    """What was written; it outlives the process from now on."""

    model: str
    rows: Annotated[int, Field(description="How many were added or removed.")]


class Reloaded(BaseModel):
    """The artefacts that answer now, by name, and their digests."""

    digests: dict[str, str]


class Health(BaseModel):
    """Whether the service answers."""

    status: str
    models: dict[str, str]
