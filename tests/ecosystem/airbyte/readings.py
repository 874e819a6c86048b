"""Readings of one line of stdout: three that others wrote, and one for what all of those let through."""

import json

import orjson
from airbyte_cdk.models import AirbyteMessageSerializer
from airbyte_protocol.models import AirbyteMessage
from jsonschema import Draft202012Validator

# What a message of each type carries.
PAYLOADS = {
    "RECORD": "record",
    "STATE": "state",
    "LOG": "log",
    "SPEC": "spec",
    "CONNECTION_STATUS": "connectionStatus",
    "CATALOG": "catalog",
    "TRACE": "trace",
    "CONTROL": "control",
}

# What is in it beside its type, by that.
PARTS = {
    "AirbyteStateMessage": {"STREAM": "stream", "GLOBAL": "global", "LEGACY": "data"},
    "AirbyteTraceMessage": {"ERROR": "error", "ESTIMATE": "estimate", "STREAM_STATUS": "stream_status", "ANALYTICS": "analytics"},
    "AirbyteControlMessage": {"CONNECTOR_CONFIG": "connectorConfig"},
}

WIDEST = range(-(2**63), 2**63)


def strict(schema):
    """A schema as the protocol's own text has it: what is optional may be missing, but is never null."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: strict(part) for name, part in schema.items() if name != "default"}
    if "anyOf" in schema:
        forms = [form for form in schema.pop("anyOf") if form != {"type": "null"}]
        schema |= forms[0] if len(forms) == 1 else {"anyOf": forms}
    return schema


def schema():
    """The protocol as a JSON schema: the models are generated from its text, and give it back but for two things."""
    whole = strict(AirbyteMessage.model_json_schema(by_alias=True))
    for name, parts in PARTS.items():
        whole["$defs"][name] |= carried(parts)
    return whole | carried(PAYLOADS)


def carried(parts):
    """Each type with what it cannot do without."""
    return {"oneOf": [{"properties": {"type": {"const": type}}, "required": ["type", name]} for type, name in parts.items()]}


VALIDATOR = Draft202012Validator(schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)


def by_models(line):
    AirbyteMessage.model_validate_json(line)


def by_dataclasses(line):
    AirbyteMessageSerializer.load(orjson.loads(line))


def by_schema(line):
    VALIDATOR.validate(json.loads(line))


def by_itself(line):
    """JSON as its standard has it, in one line, whose integers fit into 64 bits."""

    def constant(name):
        raise ValueError(f"{name} is no JSON")

    def integer(digits):
        if int(digits) not in WIDEST:
            raise ValueError(f"{digits} does not fit into 64 bits")

    if line != line.strip() or "\n" in line or "\r" in line:
        raise ValueError("it is not one line")
    json.loads(line, parse_constant=constant, parse_int=integer)


READINGS = (by_models, by_dataclasses, by_schema, by_itself)


def problems(line):
    """What the readings have against a line."""
    found = []
    for reading in READINGS:
        try:
            reading(line)
        except Exception as error:
            found.append(f"{reading.__name__}: {str(error).splitlines()[0]}")
    return found
