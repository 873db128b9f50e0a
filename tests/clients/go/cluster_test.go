// Real-client tests with franz-go. Partitions are consumed directly unless a test is of groups.
package clients

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// cluster is the broker under test for one test: its clients end with it.
type cluster struct {
	*testing.T
	ctx   context.Context
	admin *kadm.Client
}

func newCluster(t *testing.T) *cluster {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	c := &cluster{T: t, ctx: ctx}
	t.Cleanup(cancel)
	c.admin = kadm.NewClient(c.client())
	return c
}

func (c *cluster) client(options ...kgo.Opt) *kgo.Client {
	options = append(options, kgo.SeedBrokers(bootstrap()))
	client, err := kgo.NewClient(options...)
	c.must(err)
	c.Cleanup(client.Close)
	return client
}

func bootstrap() string {
	return os.Getenv("BOOTSTRAP")
}

// needs skips the test where the broker does not offer the API of this name and key.
func (c *cluster) needs(name string, key int) {
	if !slices.Contains(strings.Fields(os.Getenv("OFFERS")), strconv.Itoa(key)) {
		c.Skipf("the broker does not offer %s", name)
	}
}

func (c *cluster) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// check fails the test with what, formatted, unless it is true.
func (c *cluster) check(truth bool, what string, values ...any) {
	c.Helper()
	if !truth {
		c.Fatalf(what, values...)
	}
}

// name is one that no earlier run used.
func (c *cluster) name() string {
	return fmt.Sprintf("go-%s-%d", c.Name(), time.Now().UnixNano())
}

// topic creates one and waits until each partition has a leader: Kafka answers CreateTopics earlier.
func (c *cluster) topic(partitions int32, settings map[string]string) string {
	c.Helper()
	name, configs := c.name(), map[string]*string{}
	for key, value := range settings {
		configs[key] = kadm.StringPtr(value)
	}
	created, err := c.admin.CreateTopic(c.ctx, partitions, 1, configs, name)
	c.must(err)
	c.check(created.NumPartitions == partitions && created.ReplicationFactor == 1, "created %+v", created)
	c.eventually("every partition has a leader", func() bool {
		offsets, err := c.admin.ListEndOffsets(c.ctx, name)
		return err == nil && offsets.Error() == nil && len(offsets[name]) == int(partitions)
	})
	return name
}

// produce sends the records and gives them back acknowledged.
func (c *cluster) produce(client *kgo.Client, records ...*kgo.Record) []*kgo.Record {
	c.Helper()
	results := client.ProduceSync(c.ctx, records...)
	c.must(results.FirstErr())
	return records
}

// fill writes numbered records.
func (c *cluster) fill(topic string, partition int32, count int, options ...kgo.Opt) []*kgo.Record {
	c.Helper()
	options = append(options, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	records := make([]*kgo.Record, count)
	for i := range records {
		records[i] = &kgo.Record{Topic: topic, Partition: partition, Value: []byte(strconv.Itoa(i))}
	}
	return c.produce(c.client(options...), records...)
}

// from is a consumer option: partitions 0..count of the topic from an offset on.
func from(topic string, count int32, offset kgo.Offset) kgo.Opt {
	partitions := map[int32]kgo.Offset{}
	for i := range count {
		partitions[i] = offset
	}
	return kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: partitions})
}

// take gives the next records, count exactly.
func (c *cluster) take(client *kgo.Client, count int) []*kgo.Record {
	c.Helper()
	var records []*kgo.Record
	for len(records) < count {
		fetches := client.PollFetches(c.ctx)
		c.must(fetches.Err0())
		for _, failed := range fetches.Errors() {
			c.Fatalf("%s-%d: %v", failed.Topic, failed.Partition, failed.Err)
		}
		records = append(records, fetches.Records()...)
	}
	c.check(len(records) == count, "%d records, should be %d", len(records), count)
	return records
}

func (c *cluster) read(topic string, partitions int32, count int) []*kgo.Record {
	c.Helper()
	return c.take(c.client(from(topic, partitions, kgo.NewOffset().AtStart())), count)
}

// codecs are those of the stored batches of more than one record; producers, the producer ids of all.
func (c *cluster) stored(topic string, partition int) (codecs, producers map[string]bool) {
	c.Helper()
	out, err := exec.Command(os.Getenv("STORED"), bootstrap(), topic, strconv.Itoa(partition)).Output()
	c.must(err)
	codecs, producers = map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		producers[fields[3]] = true
		if fields[1] != "1" {
			codecs[fields[2]] = true
		}
	}
	return codecs, producers
}

func (c *cluster) eventually(what string, truth func() bool) {
	c.Helper()
	for until := time.Now().Add(30 * time.Second); !truth(); time.Sleep(50 * time.Millisecond) {
		c.check(time.Now().Before(until), "%s", what)
	}
}

// numbered checks that the records are those of fill, first..first+len.
func (c *cluster) numbered(records []*kgo.Record, first int) {
	c.Helper()
	for i, record := range records {
		c.check(string(record.Value) == strconv.Itoa(first+i), "%s at %d", record.Value, first+i)
	}
}
