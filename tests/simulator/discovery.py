"""The schemas of a discovery document as JSON Schema, unknown properties forbidden."""

from typing import Any

from jsonschema import Draft202012Validator

_PATTERNS = {
    "uint64": "^[0-9]{1,20}$",
    "int64": "^-?[0-9]{1,19}$",
    "byte": "^[A-Za-z0-9_-]*=*$",
}


def validator(document: dict[str, Any], name: str) -> Draft202012Validator:
    """Checks an answer against one schema of the document, such as "Message"."""
    schemas = {key: _convert(schema) for key, schema in document["schemas"].items()}
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": schemas})


def _convert(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return {"$ref": f"#/$defs/{schema['$ref']}"}
    converted: dict[str, Any] = {"type": schema["type"]}
    if "enum" in schema:
        converted["enum"] = schema["enum"]
    if schema.get("format") in _PATTERNS:
        converted["pattern"] = _PATTERNS[schema["format"]]
    if schema["type"] == "array":
        converted["items"] = _convert(schema["items"])
    if schema["type"] == "object":
        properties = schema.get("properties", {})
        converted["properties"] = {key: _convert(value) for key, value in properties.items()}
        converted["additionalProperties"] = False
    return converted
