package clients

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// member is a consumer of a group: what it was given, and what came to it, gathered in the background.
type member struct {
	*kgo.Client
	mutex  sync.Mutex
	has    []int32
	events []int
	came   []*kgo.Record
}

func (c *cluster) member(group, topic string, options ...kgo.Opt) *member {
	c.Helper()
	m := &member{}
	given := func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
		m.mutex.Lock()
		defer m.mutex.Unlock()
		m.has = append(m.has, partitions[topic]...)
		if len(partitions[topic]) > 0 {
			m.events = append(m.events, len(partitions[topic]))
		}
	}
	taken := func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
		m.mutex.Lock()
		defer m.mutex.Unlock()
		m.has = slices.DeleteFunc(m.has, func(one int32) bool { return slices.Contains(partitions[topic], one) })
		if len(partitions[topic]) > 0 {
			m.events = append(m.events, -len(partitions[topic]))
		}
	}
	m.Client = c.client(append([]kgo.Opt{
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(), kgo.SessionTimeout(6 * time.Second),
		kgo.HeartbeatInterval(200 * time.Millisecond), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.OnPartitionsAssigned(given), kgo.OnPartitionsRevoked(taken), kgo.OnPartitionsLost(taken)}, options...)...)
	go func() {
		for {
			fetches := m.PollFetches(c.ctx)
			if fetches.IsClientClosed() || c.ctx.Err() != nil {
				return
			}
			m.mutex.Lock()
			m.came = append(m.came, fetches.Records()...)
			m.mutex.Unlock()
		}
	}()
	return m
}

// seen is what it has, in order, what it was given and what was taken, and what came.
func (m *member) seen() (has []int32, events []int, came []*kgo.Record) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return slices.Sorted(slices.Values(m.has)), slices.Clone(m.events), slices.Clone(m.came)
}

func (m *member) partitions() int {
	has, _, _ := m.seen()
	return len(has)
}

func (m *member) records() int {
	_, _, came := m.seen()
	return len(came)
}

func (c *cluster) committed(group, topic string) int64 {
	c.Helper()
	offsets, err := c.admin.FetchOffsets(c.ctx, group)
	c.must(err)
	found, ok := offsets.Lookup(topic, 0)
	c.check(ok && found.Err == nil, "nothing committed: %+v", offsets)
	return found.At
}

// groups is a cluster whose broker has them.
func groups(t *testing.T) *cluster {
	c := newCluster(t)
	c.needs("JoinGroup", 11)
	c.needs("OffsetCommit", 8)
	return c
}

func TestGroupSharesAndInherits(t *testing.T) {
	for name, balancer := range map[string]kgo.GroupBalancer{
		"range": kgo.RangeBalancer(), "roundrobin": kgo.RoundRobinBalancer(), "sticky": kgo.StickyBalancer(),
		"cooperative-sticky": kgo.CooperativeStickyBalancer(),
	} {
		c := groups(t)
		topic := c.topic(4, nil)
		one, two := c.member(topic, topic, kgo.Balancers(balancer)), c.member(topic, topic, kgo.Balancers(balancer))
		c.eventually(name+": two partitions each", func() bool { return one.partitions() == 2 && two.partitions() == 2 })
		for partition := range int32(4) {
			c.fill(topic, partition, 50)
		}
		c.eventually(name+": all records", func() bool { return one.records() == 100 && two.records() == 100 })
		one.Close()
		c.eventually(name+": all partitions", func() bool { return two.partitions() == 4 })
	}
}

func TestGroupMovesOnlyWhatMustMove(t *testing.T) {
	c := groups(t)
	topic := c.topic(4, nil)
	sticky := kgo.Balancers(kgo.CooperativeStickyBalancer())
	one := c.member(topic, topic, sticky)
	c.eventually("all partitions", func() bool { return one.partitions() == 4 })
	two := c.member(topic, topic, sticky)
	c.eventually("two partitions each", func() bool { return one.partitions() == 2 && two.partitions() == 2 })
	_, first, _ := one.seen()
	_, second, _ := two.seen()
	c.check(slices.Equal(first, []int{4, -2}) && slices.Equal(second, []int{2}), "%v and %v", first, second)
}

func TestGroupCommitsAndResumes(t *testing.T) {
	c := groups(t)
	topic := c.topic(1, nil)
	c.fill(topic, 0, 100)
	one := c.member(topic, topic)
	c.eventually("all records", func() bool { return one.records() == 100 })
	_, _, came := one.seen()
	c.must(one.CommitRecords(c.ctx, came[:42]...))
	c.check(c.committed(topic, topic) == 42, "committed %d", c.committed(topic, topic))
	one.Close()
	two := c.member(topic, topic)
	c.eventually("the rest", func() bool { return two.records() == 58 })
	_, _, came = two.seen()
	c.numbered(came, 42)
}

func TestGroupStaticMemberComesBack(t *testing.T) {
	c := groups(t)
	topic := c.topic(4, nil)
	one, two := c.member(topic, topic, kgo.InstanceID("one")), c.member(topic, topic, kgo.InstanceID("two"))
	c.eventually("two partitions each", func() bool { return one.partitions() == 2 && two.partitions() == 2 })
	had, _, _ := one.seen()
	_, before, _ := two.seen()
	one.Close()
	again := c.member(topic, topic, kgo.InstanceID("one"))
	c.eventually("two partitions back", func() bool { return again.partitions() == 2 })
	has, _, _ := again.seen()
	c.check(slices.Equal(has, had), "%v, had %v", has, had)
	_, after, _ := two.seen()
	c.check(slices.Equal(before, after), "the other saw %v", after)
}

func TestGroupIsToldOfAndDeleted(t *testing.T) {
	c := groups(t)
	topic := c.topic(1, nil)
	c.fill(topic, 0, 10)
	one := c.member(topic, topic)
	c.eventually("all records", func() bool { return one.records() == 10 })
	_, _, came := one.seen()
	c.must(one.CommitRecords(c.ctx, came...))
	described, err := c.admin.DescribeGroups(c.ctx, topic)
	c.must(err)
	group := described[topic]
	c.check(group.State == "Stable" && group.ProtocolType == "consumer" && len(group.Members) == 1, "%+v", group)
	listed, err := c.admin.ListGroups(c.ctx, "Stable")
	c.must(err)
	c.check(slices.Contains(listed.Groups(), topic), "%s among %v", topic, listed.Groups())
	_, err = c.admin.DeleteGroup(c.ctx, topic)
	c.is(kerr.NonEmptyGroup, err)
	one.Close()
	var wish kadm.Offsets
	wish.AddOffset(topic, 0, 3, -1)
	c.must(c.admin.CommitAllOffsets(c.ctx, topic, wish))
	c.check(c.committed(topic, topic) == 3, "committed %d", c.committed(topic, topic))
	_, err = c.admin.DeleteGroup(c.ctx, topic)
	c.must(err)
	_, err = c.admin.DeleteGroup(c.ctx, topic)
	c.is(kerr.GroupIDNotFound, err)
}

func TestGroupRefusesAStrangersCommit(t *testing.T) {
	c := groups(t)
	topic := c.topic(1, nil)
	one := c.member(topic, topic)
	c.eventually("the partition", func() bool { return one.partitions() == 1 })
	var wish kadm.Offsets
	wish.AddOffset(topic, 0, 3, -1)
	err := c.admin.CommitAllOffsets(c.ctx, topic, wish)
	c.check(errors.Is(err, kerr.UnknownMemberID), "%v", err)
}
