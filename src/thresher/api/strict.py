"""From a plain value to a typed object, with errors for people: which field, what is wrong, what to do."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from thresher.model.errors import UsageError

ModelT = TypeVar("ModelT", bound=BaseModel)


_SENTENCES = {
    "missing": "is missing; add it.",
    "enum": "must be {expected}.",
    "literal_error": "must be {expected}.",
    "string_type": "must be text; put it in quotes.",
    "string_pattern_mismatch": "is not a valid name: lower-case letters, digits and '-', "
    "beginning and ending with one of the former.",
    "string_too_short": "must not be empty.",
    "bool_type": "must be true or false, without quotes.",
    "int_type": "must be a whole number, without quotes.",
    "greater_than_equal": "must be {ge} or more.",
    "less_than_equal": "must be {le} or less.",
    "list_type": "must be a list.",
    "dict_type": "must be a mapping of fields.",
    "model_type": "must be a mapping of fields.",
    "value_error": "{error}.",
}
"""What pydantic's error types mean to a person; the braces are filled from the error's context."""


def parse(model: type[ModelT], value: Mapping[str, object], where: str) -> ModelT:
    """Make a typed object of ``value``.

    Args:
        model: the type wanted.
        value: what was read.
        where: what to call it in messages, such as ``OvaSource default/x (document 2, line 9)``.

    Raises:
        UsageError: unknown fields or wrong values, all of them in one message.
    """
    findings = list(_unknown_fields(model, value, ""))
    try:
        parsed = model.model_validate(value)
    except ValidationError as exc:
        findings += [_sentence(error) for error in exc.errors(include_url=False, include_input=False)]
        raise UsageError(_message(where, findings)) from None  # the findings say all that the cause could
    if findings:
        raise UsageError(_message(where, findings))
    return parsed


def near(word: str, known: list[str]) -> str:
    """`` Did you mean X?`` where one of ``known`` is near, else nothing."""
    lower = {name.lower(): name for name in known}
    match = get_close_matches(word.lower(), list(lower), n=1, cutoff=0.6)
    return f" Did you mean {lower[match[0]]}?" if match else ""


def _message(where: str, findings: list[str]) -> str:
    return f"{where}: {' '.join(findings)}"


def _unknown_fields(model: type[BaseModel], value: object, path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        return  # validation says it better
    fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    for key, item in value.items():
        here = f"{path}.{key}" if path else str(key)
        if key not in fields:
            yield f"{here} is not a field it has.{near(str(key), list(fields))}"
            continue
        nested = _model_in(fields[key])
        if nested is None:
            continue
        if isinstance(item, list):
            for index, entry in enumerate(item):
                yield from _unknown_fields(nested, entry, f"{here}[{index}]")
        else:
            yield from _unknown_fields(nested, item, here)


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The model that an annotation such as ``list[Model]`` or ``Model | None`` is about."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part))), None)


def _sentence(error: ErrorDetails) -> str:
    """One finding of pydantic's, in our words and without the value, which may be a secret."""
    path = ""
    for step in error["loc"]:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    template = _SENTENCES.get(error["type"])
    if template is None:
        return f"{path} {error['msg'][0].lower()}{error['msg'][1:]}."
    return f"{path} {template.format(**error.get('ctx', {}))}"
