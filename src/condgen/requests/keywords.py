"""Requests by keywords, as in `run.sample(digit=7)`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from condgen.errors import RequestError, unknown
from condgen.requests.request import Requestable
from condgen.schema import Schema, fold


def by_keywords(
    schema: Schema,
    asked: Requestable | Sequence[Requestable],
    attributes: Mapping[str, Any],
    options: Iterable[str],
    kind: str = "option of sampling",
) -> Requestable | Sequence[Requestable]:
    """The request made by keywords, if there are any, else `asked`. None leaves an attribute free.

    options: names that are no attributes, for the message, and their kind.

    Raises RequestError for unknown names, and for a request in words besides.
    """
    for name in attributes:
        if fold(name) not in (fold(known) for a in schema for known in a.names):
            raise unknown(f"attribute or {kind}", name, [*schema.names, *options])
    attributes = {name: value for name, value in attributes.items() if value is not None}
    if not attributes:
        return asked
    if asked:
        raise RequestError(f"Ask in words or by keywords ({', '.join(attributes)}), not both.")
    return dict(attributes)
