package clients

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestCodecs(t *testing.T) {
	c := newCluster(t)
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	for name, codec := range codecs {
		topic := c.topic(1, nil)
		client := c.client(kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(50*time.Millisecond))
		var sent []*kgo.Record
		for i := range 2000 {
			value := bytes.Repeat(fmt.Appendf(nil, "value %d, compressible ", i), 3)
			sent = append(sent, &kgo.Record{Topic: topic, Key: fmt.Appendf(nil, "key %d", i), Value: value})
		}
		c.produce(client, sent...)
		for i, record := range c.read(topic, 1, len(sent)) {
			c.check(bytes.Equal(record.Key, sent[i].Key) && bytes.Equal(record.Value, sent[i].Value), "%s at %d", name, i)
			c.check(record.Offset == int64(i), "offset %d at %d", record.Offset, i)
		}
		stored, _ := c.stored(topic, 0)
		c.check(len(stored) == 1 && stored[name], "%s is stored as %v", name, stored)
	}
}

// Five requests in flight and many small batches: order, and one producer id.
func TestIdempotentInOrder(t *testing.T) {
	c := newCluster(t)
	topic := c.topic(4, nil)
	for partition := range int32(4) {
		records := c.fill(topic, partition, 5000, kgo.ProducerBatchMaxBytes(1000), kgo.ProducerLinger(0))
		for i, record := range records {
			c.check(record.Offset == int64(i), "offset %d at %d", record.Offset, i)
		}
		_, producers := c.stored(topic, int(partition))
		c.check(len(producers) == 1 && !producers["-1"], "producer ids %v", producers)
	}
	next := map[int32]int{}
	for _, record := range c.read(topic, 4, 20000) {
		c.numbered([]*kgo.Record{record}, next[record.Partition])
		next[record.Partition]++
	}
}

func TestAcks(t *testing.T) {
	c := newCluster(t)
	topic := c.topic(1, nil)
	for _, acks := range []kgo.Acks{kgo.AllISRAcks(), kgo.LeaderAck(), kgo.NoAck()} {
		c.fill(topic, 0, 100, kgo.DisableIdempotentWrite(), kgo.RequiredAcks(acks), kgo.MaxProduceRequestsInflightPerBroker(1))
	}
	records := c.read(topic, 1, 300)
	for i := range 3 {
		c.numbered(records[100*i:100*i+100], 0)
	}
}

func TestHeadersAndNulls(t *testing.T) {
	c := newCluster(t)
	topic := c.topic(1, nil)
	headers := []kgo.RecordHeader{{Key: "name", Value: []byte("value")}, {Key: "name", Value: []byte{}}, {Key: "null"}}
	at := time.UnixMilli(1_600_000_000_123)
	c.produce(c.client(), &kgo.Record{Topic: topic, Value: []byte{}, Headers: headers, Timestamp: at},
		&kgo.Record{Topic: topic, Key: []byte{}})
	records := c.read(topic, 1, 2)
	c.check(fmt.Sprint(records[0].Headers) == fmt.Sprint(headers), "headers %v", records[0].Headers)
	c.check(records[0].Headers[2].Value == nil && records[0].Headers[1].Value != nil, "null and empty header values")
	c.check(records[0].Timestamp.Equal(at), "timestamp %v", records[0].Timestamp)
	c.check(records[0].Key == nil && records[0].Value != nil, "a null key and an empty value")
	c.check(records[1].Key != nil && records[1].Value == nil, "an empty key and a null value")
}

func TestTooLargeIsRefused(t *testing.T) {
	c := newCluster(t)
	topic := c.topic(1, map[string]string{"max.message.bytes": "1000"})
	client := c.client(kgo.ProducerBatchCompression(kgo.NoCompression()))
	result := client.ProduceSync(c.ctx, &kgo.Record{Topic: topic, Value: make([]byte, 2000)})
	c.check(errors.Is(result.FirstErr(), kerr.MessageTooLarge), "%v", result.FirstErr())
	c.produce(client, &kgo.Record{Topic: topic, Value: []byte("0")})
	c.numbered(c.read(topic, 1, 1), 0)
}

func TestPositions(t *testing.T) {
	c := newCluster(t)
	topic := c.topic(1, nil)
	c.fill(topic, 0, 100)
	places := map[int]kgo.Offset{
		0: kgo.NewOffset().AtStart(), 42: kgo.NewOffset().At(42), 95: kgo.NewOffset().AtEnd().Relative(-5),
	}
	for first, offset := range places {
		c.numbered(c.take(c.client(from(topic, 1, offset)), 100-first), first)
	}
	client := c.client(from(topic, 1, kgo.NewOffset().At(90)))
	c.take(client, 10)
	client.SetOffsets(map[string]map[int32]kgo.EpochOffset{topic: {0: {Epoch: -1, Offset: 7}}})
	c.numbered(c.take(client, 93), 7)
}

func TestOutOfRange(t *testing.T) {
	c := newCluster(t)
	topic := c.topic(1, nil)
	c.fill(topic, 0, 10)
	strict := c.client(from(topic, 1, kgo.NewOffset().At(11)), kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	fetches := strict.PollFetches(c.ctx)
	c.check(errors.Is(fetches.Err(), kerr.OffsetOutOfRange), "%v", fetches.Err())
	lenient := c.client(from(topic, 1, kgo.NewOffset().At(11)), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	c.numbered(c.take(lenient, 10), 0)
}

// A batch larger than every limit of a fetch must come all the same.
func TestSmallFetches(t *testing.T) {
	c := newCluster(t)
	topic := c.topic(1, nil)
	sizes := []int{10, 900_000, 1, 300_000}
	for _, size := range sizes {
		c.produce(c.client(), &kgo.Record{Topic: topic, Value: make([]byte, size)})
	}
	for _, level := range []kgo.IsolationLevel{kgo.ReadUncommitted(), kgo.ReadCommitted()} {
		client := c.client(from(topic, 1, kgo.NewOffset().AtStart()), kgo.FetchMaxBytes(1),
			kgo.FetchMaxPartitionBytes(1), kgo.FetchIsolationLevel(level))
		for i, record := range c.take(client, len(sizes)) {
			c.check(len(record.Value) == sizes[i], "size %d at %d", len(record.Value), i)
		}
	}
}

func TestWaitingAtTheEndIsWoken(t *testing.T) {
	c := newCluster(t)
	topic := c.topic(1, nil)
	client := c.client(from(topic, 1, kgo.NewOffset().AtEnd()), kgo.FetchMaxWait(15*time.Second))
	short, cancel := context.WithTimeout(c.ctx, 2*time.Second)
	defer cancel()
	c.check(client.PollFetches(short).NumRecords() == 0, "nothing is there yet")
	began := time.Now()
	c.fill(topic, 0, 1)
	c.numbered(c.take(client, 1), 0)
	c.check(time.Since(began) < 3*time.Second, "came after %v", time.Since(began))
}

func TestManyPartitions(t *testing.T) {
	c := newCluster(t)
	topic := c.topic(32, nil)
	client := c.client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	var sent []*kgo.Record
	for i := range 3200 {
		sent = append(sent, &kgo.Record{Topic: topic, Partition: int32(i % 32), Value: fmt.Append(nil, i)})
	}
	c.produce(client, sent...)
	next := map[int32]int{}
	for _, record := range c.read(topic, 32, 3200) {
		c.numbered([]*kgo.Record{record}, int(record.Partition)+32*next[record.Partition])
		next[record.Partition]++
	}
}
