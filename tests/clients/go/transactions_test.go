package clients

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// transactions is a cluster whose broker has them.
func transactions(t *testing.T) *cluster {
	c := newCluster(t)
	c.needs("AddPartitionsToTxn", 24)
	c.needs("EndTxn", 26)
	return c
}

func (c *cluster) transactional(id string) *kgo.Client {
	return c.client(kgo.TransactionalID(id), kgo.TransactionTimeout(20*time.Second))
}

// in sends the values in a transaction of their own.
func (c *cluster) in(client *kgo.Client, topic string, end kgo.TransactionEndTry, values ...string) {
	c.Helper()
	c.must(client.BeginTransaction())
	for _, value := range values {
		c.produce(client, &kgo.Record{Topic: topic, Value: []byte(value)})
	}
	c.must(client.EndTransaction(c.ctx, end))
}

func (c *cluster) values(topic string, level kgo.IsolationLevel, count int) []string {
	c.Helper()
	var values []string
	reader := c.client(from(topic, 1, kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(level))
	for _, record := range c.take(reader, count) {
		values = append(values, string(record.Value))
	}
	return values
}

func TestTransactionsCommitAndAbort(t *testing.T) {
	c := transactions(t)
	topic := c.topic(1, nil)
	client := c.transactional(topic)
	c.in(client, topic, kgo.TryCommit, "a", "b")
	c.in(client, topic, kgo.TryAbort, "lost")
	c.in(client, topic, kgo.TryCommit, "c")
	committed := c.values(topic, kgo.ReadCommitted(), 3)
	c.check(slices.Equal(committed, []string{"a", "b", "c"}), "%v", committed)
	all := c.values(topic, kgo.ReadUncommitted(), 4)
	c.check(slices.Equal(all, []string{"a", "b", "lost", "c"}), "%v", all)
}

func TestTransactionsHoldTheStableOffset(t *testing.T) {
	c := transactions(t)
	topic := c.topic(1, nil)
	client := c.transactional(topic)
	c.must(client.BeginTransaction())
	c.produce(client, &kgo.Record{Topic: topic, Value: []byte("open")})
	c.fill(topic, 0, 1)
	stable := func() int64 {
		listed, err := c.admin.ListCommittedOffsets(c.ctx, topic)
		c.must(err)
		found, _ := listed.Lookup(topic, 0)
		return found.Offset
	}
	c.check(stable() == 0, "stable up to %d while it is open", stable())
	c.must(client.EndTransaction(c.ctx, kgo.TryCommit))
	c.eventually("stable to the end", func() bool { return stable() == 3 })
}

func TestTransactionsFence(t *testing.T) {
	c := transactions(t)
	topic := c.topic(1, nil)
	one, two := c.transactional(topic), c.transactional(topic)
	c.must(one.BeginTransaction())
	c.produce(one, &kgo.Record{Topic: topic, Value: []byte("lost")})
	c.in(two, topic, kgo.TryCommit, "kept")
	err := one.EndTransaction(c.ctx, kgo.TryCommit)
	c.is(kerr.ProducerFenced, err)
	kept := c.values(topic, kgo.ReadCommitted(), 1)
	c.check(kept[0] == "kept", "%v", kept)
}

// Records and offsets go on together or not at all: the first round is aborted, and comes again.
func TestTransactionsConsumeTransformProduce(t *testing.T) {
	c := transactions(t)
	c.needs("JoinGroup", 11)
	c.needs("TxnOffsetCommit", 28)
	source, sink := c.topic(1, nil), c.topic(1, nil)
	c.fill(source, 0, 50)
	session, err := kgo.NewGroupTransactSession(
		kgo.SeedBrokers(bootstrap()), kgo.TransactionalID(source), kgo.ConsumerGroup(source), kgo.ConsumeTopics(source),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.RequireStableFetchOffsets(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	c.must(err)
	t.Cleanup(session.Close)
	for _, end := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
		c.must(session.Begin())
		for moved := 0; moved < 50; {
			records := session.PollFetches(c.ctx).Records()
			for _, record := range records {
				c.must(session.ProduceSync(c.ctx, &kgo.Record{Topic: sink, Value: record.Value}).FirstErr())
			}
			moved += len(records)
		}
		committed, err := session.End(c.ctx, end)
		c.must(err)
		c.check(committed == bool(end), "committed: %v", committed)
	}
	c.check(c.committed(source, source) == 50, "committed %d", c.committed(source, source))
	for i, value := range c.values(sink, kgo.ReadCommitted(), 50) {
		c.check(value == strconv.Itoa(i), "%s at %d", value, i)
	}
}
