"""Messages as bytes and as dictionaries, by the protocol's schemas, which the kafka-python package carries as JSON.

A message is a dictionary with the schema's own field names. Encoding takes what it is given, valid or not; fields that
the version lacks are left out, missing ones have their default. Decoding is strict: every byte must be used.
"""

import functools
import importlib.resources
import json
import re
import struct
import uuid

from . import newer

PRIMITIVES = {"int8": "b", "int16": "h", "uint16": "H", "int32": "i", "int64": "q", "float64": "d", "bool": "?"}
ZERO_ID = uuid.UUID(int=0)

# What the newest broker has and the package does not yet know (KIP-1242).
ADDED = {"ApiVersionsRequest": [
    {"name": "ClusterId", "type": "string", "versions": "5+", "nullableVersions": "5+", "default": "null"},
    {"name": "NodeId", "type": "int32", "versions": "5+", "default": "-1"}]}


@functools.cache
def load(name):
    if name in newer.SCHEMAS:
        return newer.SCHEMAS[name]
    text = (importlib.resources.files("kafka.protocol.schemas.resources") / f"{name}.json").read_text()
    schema = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.M))
    schema["fields"] = schema["fields"] + ADDED.get(name, [])
    common = {one["name"]: one["fields"] for one in schema.get("commonStructs", [])}

    def complete(fields):
        for field in fields:
            field["name"] = field["name"][0].upper() + field["name"][1:]  # most begin so, some do not
            base = field["type"].removeprefix("[]")
            if base in common:
                field["fields"] = common[base]
            complete(field.get("fields", []))

    complete(schema["fields"])
    return schema


def within(versions, version):
    """Whether the version is one of "4", "4-7", "4+", "none"."""
    if not versions or versions == "none":
        return False
    low, _, high = versions.partition("-")
    if low.endswith("+"):
        return version >= int(low[:-1])
    return int(low) <= version <= int(high or low)


def flexible(name, version):
    return within(load(name)["flexibleVersions"], version)


def nullable_struct(field, version):
    """Such a one has a byte ahead: below zero for null."""
    return not field["type"].startswith("[]") and within(field.get("nullableVersions"), version)


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out) + bytes([number])


def default(field, version):
    kind, given = field["type"], field.get("default")
    if given == "null":
        return None
    if kind.startswith("[]"):
        return []
    if "fields" in field:
        return {}
    if kind == "uuid":
        return ZERO_ID
    if kind in ("bytes", "records"):
        return b""
    if kind == "string":
        return given or ""
    if kind == "bool":
        return given in (True, "true")
    return 0 if given is None else int(str(given), 0)


class Encoder:
    def __init__(self, name, version):
        self.version, self.compact = version, flexible(name, version)

    def size(self, count, form):
        """The length of something, -1 for null."""
        return varint(count + 1) if self.compact else struct.pack(form, count)

    def value(self, field, value, kind=None):
        kind = kind or field["type"]
        if kind.startswith("[]"):
            if value is None:
                return self.size(-1, ">i")
            return self.size(len(value), ">i") + b"".join(self.value(field, one, kind[2:]) for one in value)
        if kind in PRIMITIVES:
            return struct.pack(">" + PRIMITIVES[kind], value)
        if kind == "uuid":
            return value.bytes
        if kind == "string":
            return self.size(-1, ">h") if value is None else self.size(len(value.encode()), ">h") + value.encode()
        if kind in ("bytes", "records"):
            return self.size(-1, ">i") if value is None else self.size(len(value), ">i") + value
        if nullable_struct(field, self.version):
            return b"\xff" if value is None else b"\x01" + self.struct(field["fields"], value)
        return self.struct(field["fields"], value)

    def struct(self, fields, values):
        unknown = values.keys() - {field["name"] for field in fields}
        assert not unknown, f"no such fields: {unknown}"
        out, tagged = [], {}
        for field in fields:
            if not within(field["versions"], self.version):
                continue
            value = values.get(field["name"], default(field, self.version))
            if within(field.get("taggedVersions"), self.version):
                if field["name"] in values:
                    tagged[field["tag"]] = self.value(field, value)
            else:
                out.append(self.value(field, value))
        if self.compact:
            out.append(varint(len(tagged)))
            out += [varint(tag) + varint(len(data)) + data for tag, data in sorted(tagged.items())]
        return b"".join(out)


class Decoder:
    def __init__(self, name, version, data):
        self.version, self.compact, self.data, self.at = version, flexible(name, version), data, 0

    def take(self, count):
        assert 0 <= count <= len(self.data) - self.at, f"{count} bytes wanted at {self.at} of {len(self.data)}"
        self.at += count
        return self.data[self.at - count:self.at]

    def unpack(self, form):
        return struct.unpack(">" + form, self.take(struct.calcsize(">" + form)))[0]

    def varint(self):
        number = shift = 0
        while True:
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    def size(self, form):
        return self.varint() - 1 if self.compact else self.unpack(form)

    def value(self, field, kind=None):
        kind = kind or field["type"]
        if kind.startswith("[]"):
            count = self.size("i")
            return None if count < 0 else [self.value(field, kind[2:]) for _ in range(count)]
        if kind in PRIMITIVES:
            return self.unpack(PRIMITIVES[kind])
        if kind == "uuid":
            return uuid.UUID(bytes=self.take(16))
        if kind == "string":
            size = self.size("h")
            return None if size < 0 else self.take(size).decode()
        if kind in ("bytes", "records"):
            size = self.size("i")
            return None if size < 0 else self.take(size)
        if nullable_struct(field, self.version) and self.unpack("b") < 0:
            return None
        return self.struct(field["fields"])

    def struct(self, fields):
        values, tagged = {}, {}
        for field in fields:
            if not within(field["versions"], self.version):
                continue
            if within(field.get("taggedVersions"), self.version):
                tagged[field["tag"]] = field
            else:
                values[field["name"]] = self.value(field)
        if self.compact:
            for _ in range(self.varint()):
                tag, size = self.varint(), self.varint()
                end = self.at + size
                field = tagged.get(tag)
                values[field["name"] if field else f"tag {tag}"] = self.value(field) if field else self.take(size)
                assert self.at == end, f"tag {tag} has {size} bytes and used others"
        return values


def key(api):
    return load(f"{api}Request")["apiKey"]


def encode(api, version, fields):
    """The body of a request."""
    name = f"{api}Request"
    return Encoder(name, version).struct(load(name)["fields"], fields)


def decode(api, version, data):
    """The body of an answer."""
    name = f"{api}Response"
    decoder = Decoder(name, version, data)
    values = decoder.struct(load(name)["fields"])
    assert decoder.at == len(data), f"{len(data) - decoder.at} bytes are left over"
    return values
