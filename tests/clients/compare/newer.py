"""Schemas that the kafka-python package does not have yet, in the shape of its JSON: see schema.py."""


def field(name, kind, versions="0+", null="", default=None, fields=None):
    """`null` names the versions in which it may be null, which is then its default."""
    made = {"name": name, "type": kind, "versions": versions}
    if null:
        made |= {"nullableVersions": null, "default": "null"}
    if default is not None:
        made["default"] = default
    if fields:
        made["fields"] = fields
    return made


def message(key, *fields):
    return {"apiKey": key, "flexibleVersions": "0+", "fields": list(fields)}


def partitions(*named):
    return [field("TopicId", "uuid"), *named, field("Partitions", "[]int32")]


def assignment(name):
    return field(name, "Assignment", fields=[
        field("TopicPartitions", "[]TopicPartitions", fields=partitions(field("TopicName", "string")))])


SCHEMAS = {
    "ConsumerGroupHeartbeatRequest": message(
        68,
        field("GroupId", "string"),
        field("MemberId", "string"),
        field("MemberEpoch", "int32"),
        field("InstanceId", "string", null="0+"),
        field("RackId", "string", null="0+"),
        field("RebalanceTimeoutMs", "int32", default=-1),
        field("SubscribedTopicNames", "[]string", null="0+"),
        field("SubscribedTopicRegex", "string", "1+", null="1+"),
        field("ServerAssignor", "string", null="0+"),
        field("TopicPartitions", "[]TopicPartitions", null="0+", fields=partitions())),
    "ConsumerGroupHeartbeatResponse": message(
        68,
        field("ThrottleTimeMs", "int32"),
        field("ErrorCode", "int16"),
        field("ErrorMessage", "string", null="0+"),
        field("MemberId", "string", null="0+"),
        field("MemberEpoch", "int32"),
        field("HeartbeatIntervalMs", "int32"),
        field("Assignment", "Assignment", null="0+", fields=[
            field("TopicPartitions", "[]TopicPartitions", fields=partitions())])),
    "ConsumerGroupDescribeRequest": message(
        69,
        field("GroupIds", "[]string"),
        field("IncludeAuthorizedOperations", "bool")),
    "ConsumerGroupDescribeResponse": message(
        69,
        field("ThrottleTimeMs", "int32"),
        field("Groups", "[]DescribedGroup", fields=[
            field("ErrorCode", "int16"),
            field("ErrorMessage", "string", null="0+"),
            field("GroupId", "string"),
            field("GroupState", "string"),
            field("GroupEpoch", "int32"),
            field("AssignmentEpoch", "int32"),
            field("AssignorName", "string"),
            field("Members", "[]Member", fields=[
                field("MemberId", "string"),
                field("InstanceId", "string", null="0+"),
                field("RackId", "string", null="0+"),
                field("MemberEpoch", "int32"),
                field("ClientId", "string"),
                field("ClientHost", "string"),
                field("SubscribedTopicNames", "[]string"),
                field("SubscribedTopicRegex", "string", null="0+"),
                assignment("Assignment"),
                assignment("TargetAssignment"),
                field("MemberType", "int8", "1+", default=-1)]),
            field("AuthorizedOperations", "int32", default=-1 << 31)])),
}
