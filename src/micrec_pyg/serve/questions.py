"""What a client may send, and what each field allows."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from micrec_pyg.data.files.cells import first_fault

MAX_K = 1000
"""Length of a list."""
MAX_USERS = 1000
"""People of one question."""
MAX_LIST_ROWS = 20_000
"""Rows of all lists of one question: users times k."""
MAX_HISTORY = 1000
"""Items of one history in a domain."""
MAX_CANDIDATES = 10_000
"""Items to choose from."""
MAX_ROWS = 1000
"""Items, interactions or ids of one addition or removal."""
MAX_ID = 512
MAX_TEXT = 10_000
MAX_WIDTH = 8192
"""Numbers of one vector."""
LARGEST = 1e15
"""Of a number in a vector: sums of squares stay below what 32 bits hold."""
UNKNOWN_KEY, UNUSABLE = "unknown_key", "unusable"

RawId = Annotated[
    # no raw id begins with a zero character: rows of removed nodes do
    str, StringConstraints(min_length=1, max_length=MAX_ID, pattern=r"^[^\x00]*$")
]


def _check_ids(ids: list[str]) -> None:
    """Refuse ids that a file of the data may not have: from there they come back.

    All in one pass: a request may have a thousand.
    """
    found = first_fault(ids)
    if found is not None:
        place, need = found
        got = {"row": place + 1, "raw": repr(ids[place])[:80], "need": need}
        raise PydanticCustomError(UNUSABLE, "row {row}: got {raw}, {need}", got)


Text = Annotated[str, StringConstraints(max_length=MAX_TEXT)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Number = Annotated[FiniteFloat, Field(ge=-LARGEST, le=LARGEST)]
Vector = Annotated[list[Number], Field(min_length=1, max_length=MAX_WIDTH)]
Items = Annotated[list[RawId], Field(max_length=MAX_HISTORY)]
History = Annotated[dict[Name, Items], Field(max_length=100)]
Model = Annotated[
    Name | None, Field(description="A loaded model; without it the first.")
]
Domain = Annotated[
    Name | None, Field(description="Whose items; not needed where there is only one.")
]


class Strict(BaseModel):
    """An object whose keys are known; a key that is not is refused by name."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _no_unknown_key(cls, given: Any) -> Any:
        """Return what was given; pydantic would not say which keys there are."""
        if isinstance(given, dict):
            for key in given:
                if key not in cls.model_fields:
                    raise PydanticCustomError(
                        UNKNOWN_KEY,
                        "is no key here; give any of {allowed}",
                        {"key": str(key)[:100], "allowed": ", ".join(cls.model_fields)},
                    )
        return given


class Query(Strict):
    """A request without a body."""

    model: Model = None


class Body(Strict):
    """A request in JSON, where a number is a number and not a text."""

    model_config = ConfigDict(strict=True)
    model: Model = None


class Search(Query):
    """Find items or users of a domain; without ``q`` the first ones."""

    domain: Domain = None
    q: Annotated[str, Field(max_length=200, description="Part of a title or id.")] = ""
    limit: Annotated[int, Field(ge=1, le=1000)] = 20


class OfUser(Query):
    """Ask what is known of a user."""

    user: RawId


class Recommend(Body):
    """Ask for lists: give either ``users`` or ``history``."""

    domain: Domain = None
    users: Annotated[
        Annotated[list[RawId], Field(min_length=1, max_length=MAX_USERS)] | None,
        Field(description=f"With k: at most {MAX_LIST_ROWS:,} rows, users times k."),
    ] = None
    history: History | None = None
    k: Annotated[int, Field(ge=1, le=MAX_K)] = 20
    exclude_seen: bool = True
    items: Annotated[list[RawId], Field(max_length=MAX_CANDIDATES)] | None = None


class Similar(Body):
    """Ask for the items most like one, by the model's vectors or by content."""

    domain: Domain = None
    item: RawId
    k: Annotated[int, Field(ge=1, le=MAX_K)] = 20
    by: Literal["model", "content"] = "model"


class Explain(Body):
    """Ask what a score is made of: give either ``user`` or ``history``."""

    domain: Domain = None
    user: RawId | None = None
    history: History | None = None
    item: RawId


class NewItem(Strict):
    """An item with a text, with vectors by modality, or with both."""

    model_config = ConfigDict(strict=True)
    item: RawId
    text: Text | None = None
    vectors: Annotated[dict[Name, Vector], Field(max_length=20)] = {}


def _new_items(items: list[NewItem]) -> list[NewItem]:
    _check_ids([each.item for each in items])
    return items


class AddItems(Body):
    """Add items to a domain."""

    domain: Domain = None
    items: Annotated[
        list[NewItem],
        Field(min_length=1, max_length=MAX_ROWS),
        AfterValidator(_new_items),
    ]


class NewInteraction(Strict):
    """A user, known or new, and a known item."""

    model_config = ConfigDict(strict=True)
    user: RawId
    item: RawId


def _new_interactions(rows: list[NewInteraction]) -> list[NewInteraction]:
    _check_ids([each.user for each in rows])
    return rows


class AddInteractions(Body):
    """Add what users did with items of a domain."""

    domain: Domain = None
    interactions: Annotated[
        list[NewInteraction],
        Field(min_length=1, max_length=MAX_ROWS),
        AfterValidator(_new_interactions),
    ]


class Remove(Body):
    """Forget users, of all domains if none is given, and items of a domain."""

    domain: Domain = None
    users: Annotated[list[RawId], Field(max_length=MAX_ROWS)] = []
    items: Annotated[list[RawId], Field(max_length=MAX_ROWS)] = []
