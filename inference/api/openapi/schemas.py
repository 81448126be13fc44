"""JSON Schemas of msgspec's types."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from inference.api.openapi.words import FIELDS

REFERENCE = "#/components/schemas/{name}"


class Schemas:
    """The schemas of some types, which refer to each other below `components`."""

    def __init__(self, types: Iterable[Any], refused: Mapping[Any, Collection[str]]) -> None:
        """`refused` are the fields of a type that are not told."""
        # A type may be a union, or a list of them, which cannot be hashed.
        self._types = list({repr(entry): entry for entry in types}.values())
        made, self.components = _plainly_named(*msgspec.json.schema_components(self._types, ref_template=REFERENCE))
        self._made = {repr(entry): schema for entry, schema in zip(self._types, made, strict=True)}
        for entry, names in refused.items():
            properties = self.components[self.name(entry)]["properties"]
            for name in names:
                properties.pop(name, None)
        for component in self.components.values():
            _tidy(component)
        for schema in self._made.values():
            _tidy(schema)

    def of(self, entry: Any) -> dict[str, Any]:
        """The schema of a type, by reference where it has a name."""
        return self._made[repr(entry)]

    def name(self, entry: Any) -> str:
        """What a type is called below `components`."""
        name: str = self.of(entry)["$ref"].rpartition("/")[2]
        return name


def _plainly_named(
    made: Iterable[dict[str, Any]], components: dict[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The same without the names of modules, which msgspec puts before those that several types have: of
    `inference.api.schemas.chat.fields.Part` and `….responses.fields.Part` it makes `ChatPart` and `ResponsesPart`."""
    text = msgspec.json.encode((list(made), components)).decode()
    for name in components:
        *modules, plain = name.split(".")
        if modules:
            endpoint = modules[3] if len(modules) > 3 else modules[-1]
            text = text.replace(f'"{name}"', f'"{endpoint.title()}{plain}"')
            text = text.replace(
                f'"{REFERENCE.format(name=name)}"', f'"{REFERENCE.format(name=endpoint.title() + plain)}"'
            )
    found: tuple[list[dict[str, Any]], dict[str, Any]] = tuple(msgspec.json.decode(text))
    return found


def _tidy(schema: Any) -> None:
    """Says things as the specification has them, and as people read them."""
    if isinstance(schema, list):
        for entry in schema:
            _tidy(entry)
        return
    if not isinstance(schema, dict):
        return
    # Null means absent everywhere: that is no default worth telling.
    if "default" in schema and schema["default"] is None:
        del schema["default"]
    schema.pop("title", None)
    if isinstance(schema.get("pattern"), str):
        # Python's end of a text; elsewhere `$` is it.
        schema["pattern"] = schema["pattern"].replace(r"\Z", "$")
    properties = schema.get("properties")
    if isinstance(properties, dict):
        for name, field in properties.items():
            if name in FIELDS and "description" not in field:
                field["description"] = FIELDS[name]
    for key, value in schema.items():
        if key != "default":
            _tidy(list(value.values()) if key == "properties" else value)
