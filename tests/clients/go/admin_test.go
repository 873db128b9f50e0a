package clients

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func (c *cluster) is(expected, actual error) {
	c.Helper()
	c.check(errors.Is(actual, expected), "%v, should be %v", actual, expected)
}

func TestCreateListDelete(t *testing.T) {
	c := newCluster(t)
	topic := c.topic(3, nil)
	listed, err := c.admin.ListTopics(c.ctx, topic)
	c.must(err)
	c.check(len(listed[topic].Partitions) == 3 && listed[topic].ID != kadm.TopicID{}, "%+v", listed[topic])
	_, err = c.admin.CreateTopic(c.ctx, 1, 1, nil, topic)
	c.is(kerr.TopicAlreadyExists, err)
	deleted, err := c.admin.DeleteTopic(c.ctx, topic)
	c.must(err)
	c.check(deleted.ID == listed[topic].ID, "deleted %v", deleted)
	c.eventually("deleted", func() bool {
		listed, err := c.admin.ListTopics(c.ctx, topic)
		c.must(err)
		return errors.Is(listed[topic].Err, kerr.UnknownTopicOrPartition)
	})
	_, err = c.admin.DeleteTopic(c.ctx, topic)
	c.is(kerr.UnknownTopicOrPartition, err)
}

func TestCreateRefused(t *testing.T) {
	c := newCluster(t)
	create := func(name string, partitions int32, replicas int16, key, value string) error {
		configs := map[string]*string{}
		if key != "" {
			configs[key] = &value
		}
		_, err := c.admin.CreateTopic(c.ctx, partitions, replicas, configs, name)
		return err
	}
	c.is(kerr.InvalidTopicException, create("no spaces", 1, 1, "", ""))
	c.is(kerr.InvalidPartitions, create(c.name(), 0, 1, "", ""))
	c.is(kerr.InvalidReplicationFactor, create(c.name(), 1, 100, "", ""))
	c.is(kerr.InvalidReplicationFactor, create(c.name(), 1, 0, "", ""))
	c.is(kerr.InvalidConfig, create(c.name(), 1, 1, "no.such", "1"))
	c.is(kerr.InvalidConfig, create(c.name(), 1, 1, "retention.ms", "soon"))
}

func TestCreatePartitions(t *testing.T) {
	c := newCluster(t)
	topic := c.topic(1, nil)
	grown, err := c.admin.UpdatePartitions(c.ctx, 4, topic)
	c.must(err)
	c.must(grown.Error())
	c.eventually("four partitions", func() bool {
		listed, err := c.admin.ListTopics(c.ctx, topic)
		c.must(err)
		return len(listed[topic].Partitions) == 4
	})
	again, err := c.admin.UpdatePartitions(c.ctx, 4, topic)
	c.must(err)
	c.is(kerr.InvalidPartitions, again.Error())
}

func TestConfigs(t *testing.T) {
	c := newCluster(t)
	topic := c.topic(1, map[string]string{"retention.ms": "7777"})
	value := func(key string) (string, kmsg.ConfigSource) {
		described, err := c.admin.DescribeTopicConfigs(c.ctx, topic)
		c.must(err)
		for _, config := range described[0].Configs {
			if config.Key == key {
				return *config.Value, config.Source
			}
		}
		c.Fatalf("no %s", key)
		return "", 0
	}
	alter := func(op kadm.IncrementalOp, key, value string) error {
		altered, err := c.admin.AlterTopicConfigs(c.ctx, []kadm.AlterConfig{{Op: op, Name: key, Value: &value}}, topic)
		c.must(err)
		return altered[0].Err
	}
	is := func(key, expected string, source kmsg.ConfigSource) {
		t.Helper()
		c.eventually(key+" = "+expected, func() bool {
			current, from := value(key)
			return current == expected && from == source
		})
	}
	dynamic, standard := kmsg.ConfigSourceDynamicTopicConfig, kmsg.ConfigSourceDefaultConfig
	is("retention.ms", "7777", dynamic)
	is("max.message.bytes", "1048588", standard)
	c.must(alter(kadm.SetConfig, "max.message.bytes", "5000"))
	c.must(alter(kadm.AppendConfig, "cleanup.policy", "compact"))
	is("max.message.bytes", "5000", dynamic)
	is("cleanup.policy", "delete,compact", dynamic)
	c.must(alter(kadm.DeleteConfig, "retention.ms", ""))
	is("retention.ms", "604800000", standard)
	c.is(kerr.InvalidConfig, alter(kadm.SetConfig, "retention.ms", "soon"))
	brokers, err := c.admin.ListBrokers(c.ctx)
	c.must(err)
	described, err := c.admin.DescribeBrokerConfigs(c.ctx, brokers.NodeIDs()...)
	c.must(err)
	c.check(len(described) == len(brokers), "%d of %d brokers", len(described), len(brokers))
	for _, broker := range described {
		c.must(broker.Err)
		c.check(len(broker.Configs) > 0, "broker %s has no settings", broker.Name)
	}
}

func TestListOffsets(t *testing.T) {
	c := newCluster(t)
	topic := c.topic(1, nil)
	start := time.UnixMilli(1_700_000_000_000)
	client := c.client(kgo.ProducerLinger(0))
	for _, after := range []time.Duration{0, 500, 200} {
		c.produce(client, &kgo.Record{Topic: topic, Timestamp: start.Add(after * time.Millisecond)})
	}
	is := func(what string, offset int64, listed kadm.ListedOffsets, err error) {
		t.Helper()
		c.must(err)
		c.must(listed.Error())
		found, ok := listed.Lookup(topic, 0)
		c.check(ok && found.Offset == offset, "%s: %+v, should be %d", what, found, offset)
	}
	listed, err := c.admin.ListStartOffsets(c.ctx, topic)
	is("start", 0, listed, err)
	listed, err = c.admin.ListEndOffsets(c.ctx, topic)
	is("end", 3, listed, err)
	listed, err = c.admin.ListMaxTimestampOffsets(c.ctx, topic)
	is("max timestamp", 1, listed, err)
	listed, err = c.admin.ListOffsetsAfterMilli(c.ctx, start.UnixMilli()+1, topic)
	is("after one", 1, listed, err)
	listed, err = c.admin.ListLocalLogStartOffsets(c.ctx, topic)
	is("local start", 0, listed, err)
}

func TestOffsetForLeaderEpoch(t *testing.T) {
	c := newCluster(t)
	topic := c.topic(1, nil)
	c.fill(topic, 0, 10)
	var request kadm.OffsetForLeaderEpochRequest
	request.Add(topic, 0, 0)
	answer, err := c.admin.OffsetForLeaderEpoch(c.ctx, request)
	c.must(err)
	found := answer[topic][0]
	c.must(found.Err)
	c.check(found.EndOffset == 10 && found.LeaderEpoch == 0, "%+v", found)
}

func TestDeleteRecords(t *testing.T) {
	c := newCluster(t)
	topic := c.topic(1, nil)
	c.fill(topic, 0, 100)
	var wish kadm.Offsets
	wish.AddOffset(topic, 0, 55, -1)
	deleted, err := c.admin.DeleteRecords(c.ctx, wish)
	c.must(err)
	c.must(deleted.Error())
	c.check(deleted[topic][0].LowWatermark == 55, "%+v", deleted)
	c.numbered(c.read(topic, 1, 45), 55)
}

func TestCluster(t *testing.T) {
	c := newCluster(t)
	topic := c.topic(2, nil)
	c.fill(topic, 0, 100)
	metadata, err := c.admin.Metadata(c.ctx, topic)
	c.must(err)
	c.check(metadata.Cluster != "" && len(metadata.Brokers) > 0, "%+v", metadata)
	versions, err := c.admin.ApiVersions(c.ctx)
	c.must(err)
	c.check(len(versions) == len(metadata.Brokers), "%d of %d brokers", len(versions), len(metadata.Brokers))
	directories, err := c.admin.DescribeAllLogDirs(c.ctx, nil)
	c.must(err)
	replicas := 0
	directories.Each(func(directory kadm.DescribedLogDir) {
		c.must(directory.Err)
		replicas += len(directory.Topics[topic])
	})
	c.check(replicas == 2, "%d replicas in log directories", replicas)
	resources, err := c.admin.ListConfigResources(c.ctx)
	c.must(err)
	c.must(resources.Err)
	c.check(slices.Contains(resources.Names(), topic), "%s among %v", topic, resources.Names())
}
