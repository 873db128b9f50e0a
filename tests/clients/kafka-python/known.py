"""A pytest plugin: no consumer joins a group before it knows its topic's partitions.

kafka-python 3.0.12 begins to ask for metadata before it is told the topics, and takes the answer to that for the one it
waits for when it comes after them. A leader who knows of no partitions then gives nobody any, learns of them, and joins
again; and when a poll ends between its sharing and the broker's answer to that, it never takes the answer in: it sends
no heartbeat any more, and the group goes on without it. On a busy machine both come about, at any broker."""

import kafka


class KafkaConsumer(kafka.KafkaConsumer):
    def __init__(self, *topics, **configs):
        super().__init__(*topics, **configs)
        if self.config["group_id"] is not None:
            for topic in topics:
                assert self.partitions_for_topic(topic), f"{topic} has no partitions"


kafka.KafkaConsumer = KafkaConsumer
