"""Everything that goes wrong -> one shape of answer that names the field."""

import logging
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from micrec_pyg.schema import InputError, StorageError
from micrec_pyg.serve.answers import Error
from micrec_pyg.serve.questions import UNKNOWN_KEY

logger = logging.getLogger(__name__)

FIELDS = frozenset(
    "domain model users user history item items interactions k by q limit".split()
)
"""Fields that a sentence of an ``InputError`` may begin with."""
STATUS = {
    400: "The body is no JSON",
    401: "A key is missing or wrong",
    403: "Writing is off",
    404: "There is no such thing",
    408: "The body did not arrive in time",
    413: "The body is too large",
    415: "The body is not sent as JSON",
    422: "A field cannot be used",
    500: "An unexpected error",
    503: "Too many requests at once, or the disk refuses",
}
"""What an answer says that is not 200, for the OpenAPI document."""
SENTENCES = {
    "missing": "is missing",
    "string_type": "give a text",
    "string_too_short": "give a text that is not empty",
    "string_too_long": "give a text of at most {max_length} characters",
    "list_type": "give a list",
    "too_short": "give a list that is not empty",
    "too_long": "give at most {max_length}",
    "string_pattern_mismatch": "give a text without a zero character",
    "string_unicode": "give a text of whole characters",
    "dict_type": "give an object, with lists by name",
    "model_attributes_type": "give an object, such as {{}}",
    "model_type": "give an object, such as {{}}",
    "bool_type": "give true or false",
    "int_type": "give a whole number",
    "int_parsing": "give a whole number",
    "int_from_float": "give a whole number",
    "float_type": "give a number",
    "finite_number": "give a finite number",
    "greater_than_equal": "give {ge} or more",
    "less_than_equal": "give {le} or less",
    "literal_error": "give {expected}",
}
"""What a field needs, by pydantic's name of the fault."""


class FieldError(InputError):
    """A field of a request cannot be used."""

    def __init__(self, field: str, message: str) -> None:
        """Name the field and say what it allows."""
        super().__init__(message)
        self.field = field


class RefusedError(Exception):
    """A request that is not answered, whatever its fields."""

    def __init__(
        self, status: int, message: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        """Say with which status, and why."""
        super().__init__(message)
        self.status, self.headers = status, headers


def responses(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Return what the OpenAPI document says of some statuses."""
    return {code: {"model": Error, "description": STATUS[code]} for code in codes}


def error_response(
    status: int,
    message: str,
    *,
    field: str | None = None,
    id: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return an answer in the one shape of errors."""
    fault = {"field": field, "message": message, "id": id}
    return JSONResponse({"error": fault}, status, headers)


def answer_errors(app: FastAPI) -> None:
    """Let an app answer every error in this shape."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(InputError, _input)
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(StorageError, _storage)
    app.add_exception_handler(Exception, _unexpected)


def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first: Mapping[str, Any] = error.errors()[0]
    place = [part for part in first["loc"] if part not in ("body", "query", "path")]
    if first["type"] == UNKNOWN_KEY:
        place.append(first["ctx"]["key"])
    if first["type"] == "missing" and first["loc"] == ("body",):
        return error_response(400, "the body is missing; send JSON, such as {}")
    if first["type"] == "json_invalid":
        return error_response(400, f"the body is no JSON: {first['ctx']['error']}")
    if first["type"] == "value_error":
        return error_response(422, str(first["ctx"]["error"]), field=_path(place))
    return error_response(422, _sentence(first), field=_path(place))


def _sentence(fault: Mapping[str, Any]) -> str:
    """Return what a field needs; pydantic's own words speak of its Python types."""
    sentence = SENTENCES.get(fault["type"])
    return sentence.format(**fault.get("ctx", {})) if sentence else str(fault["msg"])


def _path(place: Sequence[str | int]) -> str | None:
    """Return a field's path, as ``history.food[3]``."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".") or None


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code in (404, 405) and (methods := _methods(request)):
        allowed = ", ".join(sorted(methods))
        return error_response(
            405,
            f"send {allowed} to {request.url.path}, not {request.method}",
            headers={"Allow": allowed},
        )
    return error_response(
        error.status_code, str(error.detail), headers=error.headers or None
    )


def _methods(request: Request) -> set[str]:
    """Return the methods of a path, none where it is not one of the service."""
    known: Mapping[str, Any] = request.app.openapi()["paths"]
    return {method.upper() for method in known.get(request.scope["path"], ())}


def _input(request: Request, error: Exception) -> JSONResponse:
    first = re.match(r"\w*", str(error))
    found = first[0] if first and first[0] in FIELDS else None
    return error_response(422, str(error), field=getattr(error, "field", found))


def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RefusedError)
    return error_response(error.status, str(error), headers=error.headers)


def _storage(request: Request, error: Exception) -> JSONResponse:
    logger.error("%s", error)
    return error_response(
        503, "the disk refuses, so it was not done", headers={"Retry-After": "10"}
    )


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    number = uuid.uuid4().hex[:12]
    logger.error("unexpected error %s", number, exc_info=error)
    return error_response(
        500, f"unexpected error; the log has it as {number}", id=number
    )
