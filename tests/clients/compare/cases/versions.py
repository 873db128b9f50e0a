"""ApiVersions: every version, refused ones, and the check of cluster and node (KIP-1242)."""

import struct

from .. import schema
from ..broker import frame
from . import case


def versions(broker, version, **fields):
    """Keys as names, so that differences can be told apart by API."""
    named = {"ClientSoftwareName": "compare", "ClientSoftwareVersion": "1", **fields}
    # The package's schema of the answer ends at version 4, and version 5 is the same.
    body = schema.encode("ApiVersions", version, named)
    data = broker.raw(frame("ApiVersions", version, body))
    if isinstance(data, str):
        return data
    (error,) = struct.unpack_from(">h", data, 4)
    found = schema.decode("ApiVersions", 0 if error == 35 else min(version, 4), data[4:])
    keys = found.pop("ApiKeys")
    for features in ("SupportedFeatures", "FinalizedFeatures"):
        if features in found:
            found[features] = {one.pop("Name"): one for one in found[features]}
    found["FinalizedFeaturesEpoch"] = found.get("FinalizedFeaturesEpoch", 0) >= 0
    return {**found, "keys": {f"api-{one['ApiKey']}": [one["MinVersion"], one["MaxVersion"]] for one in keys}}


def code(answer):
    return answer if isinstance(answer, str) else answer["ErrorCode"]


for version in range(6):
    case(f"api-versions-v{version}", lambda broker, version=version: versions(broker, version))

for name in ("", "-", "no spaces", "ok.name-1", "ends-", "ünicode"):
    case(f"api-versions-software-name-{name or 'empty'}",
         lambda broker, name=name: code(versions(broker, 3, ClientSoftwareName=name)))
case("api-versions-software-version-empty",
     lambda broker: code(versions(broker, 3, ClientSoftwareVersion="")))


@case("api-versions-v99")
def too_new(broker):
    """Answered in version 0, with the range that would have been right."""
    data = broker.raw(frame("ApiVersions", 99, b"\x08compare\x021\0"))
    return data if isinstance(data, str) else schema.decode("ApiVersions", 0, data[4:])


case("api-versions-v99-with-an-old-header", lambda broker: broker.raw(frame("ApiVersions", 99, b"", tags=b"")))


@case("api-versions-v-1")
def negative(broker):
    data = broker.raw(frame("ApiVersions", -1, b"", tags=b""))
    return data if isinstance(data, str) else schema.decode("ApiVersions", 0, data[4:])


@case("api-versions-v3-cut-short")
def cut_short(broker):
    data = broker.raw(frame("ApiVersions", 3, b"\x08comp"))
    return data if isinstance(data, str) else struct.unpack_from(">h", data, 4)[0]


def own(broker):
    found = broker.ask("Metadata", 12, Topics=[])
    return found["ClusterId"], next(
        node["NodeId"] for node in found["Brokers"] if node["Port"] == broker.address[1])


@case("api-versions-v5-own-cluster-and-node")
def right(broker):
    cluster, node = own(broker)
    return code(versions(broker, 5, ClusterId=cluster, NodeId=node))


@case("api-versions-v5-another-cluster")
def another_cluster(broker):
    return code(versions(broker, 5, ClusterId="another", NodeId=own(broker)[1]))


@case("api-versions-v5-another-node")
def another_node(broker):
    return code(versions(broker, 5, ClusterId=own(broker)[0], NodeId=424242))


case("api-versions-v5-another-cluster-no-node",
     lambda broker: code(versions(broker, 5, ClusterId="another")))
case("api-versions-v5-another-node-no-cluster",
     lambda broker: code(versions(broker, 5, NodeId=424242)))
