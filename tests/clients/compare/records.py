"""Record batches, right ones and wrong ones, and what can be compared of those that come back."""

import hashlib
import struct
import zlib

import crc32c

TIME = 1_700_000_000_000


def zigzag(number):
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out) + bytes([number])


def record(offset_delta, value, key=None, time_delta=0, headers=()):
    def field(data):
        return zigzag(-1) if data is None else zigzag(len(data)) + data

    body = b"\0" + zigzag(time_delta) + zigzag(offset_delta) + field(key) + field(value) + zigzag(len(headers))
    body += b"".join(zigzag(len(name)) + name + field(data) for name, data in headers)
    return zigzag(len(body)) + body


def raw_record(body):
    return zigzag(len(body)) + body


def batch(values=(b"value",), *, key=None, base=0, leader_epoch=-1, magic=2, attributes=0, last_delta=None, time=TIME,
          max_time=None, producer=-1, epoch=-1, sequence=-1, count=None, payload=None, crc=None, size=None):
    """One batch of version 2. Whatever is named is put in as it is, right or wrong."""
    if payload is None:
        payload = b"".join(record(delta, value, key) for delta, value in enumerate(values))
    body = struct.pack(">hiqqqhii", attributes, len(values) - 1 if last_delta is None else last_delta, time,
                       time if max_time is None else max_time, producer, epoch, sequence,
                       len(values) if count is None else count) + payload
    checksum = crc32c.crc32c(body) if crc is None else crc
    rest = struct.pack(">ibI", leader_epoch, magic, checksum) + body
    return struct.pack(">qi", base, len(rest) if size is None else size) + rest


def old_message(magic, value=b"value"):
    """A message of format 0 or 1, as clients sent them before 0.11."""
    body = struct.pack(">bb", magic, 0) + (struct.pack(">q", TIME) if magic else b"")
    body += struct.pack(">i", -1) + struct.pack(">i", len(value)) + value
    message = struct.pack(">I", zlib.crc32(body)) + body
    return struct.pack(">qi", 0, len(message)) + message


def summary(data):
    """The heads of the batches and a digest of the records; a producer id only as there or not."""
    found = []
    while len(data) >= 61:
        base, size, leader_epoch, magic = struct.unpack_from(">qiib", data)
        attributes, last_delta, first, last, producer, epoch, sequence, count = struct.unpack_from(
            ">hiqqqhii", data, 21)
        crc = struct.unpack_from(">I", data, 17)[0]
        whole = len(data) >= 12 + size
        found.append({
            "base": base, "size": size, "leader epoch": leader_epoch, "magic": magic, "attributes": attributes,
            "last delta": last_delta, "epoch": epoch, "sequence": sequence, "count": count, "whole": whole,
            "producer": producer >= 0, "times": "append" if attributes & 8 else [first, last],
            "crc": whole and crc == crc32c.crc32c(data[21:12 + size]),
            "payload": hashlib.sha256(data[61:12 + size]).hexdigest()[:12]})
        data = data[12 + size:]
    return found + ([f"{len(data)} bytes"] if data else [])
