package events_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/suokelife/suokectl/pkg/events"
)

// troubled is a cluster of two brokers that can be made to misbehave.
type troubled struct {
	*cluster
	kafka *kfake.Cluster
}

func newTroubled(t *testing.T, opts ...kfake.Opt) *troubled {
	t.Helper()
	fake, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(2), kfake.SeedTopics(2, registered)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	c := &cluster{T: t, ctx: ctx, addrs: fake.ListenAddrs()}
	c.client = c.connect(events.Config{Brokers: c.addrs})
	return &troubled{cluster: c, kafka: fake}
}

// duringFetch does something while the first fetch waits.
func (c *troubled) duringFetch(do func()) {
	arrived, done := make(chan struct{}), make(chan struct{})
	var once sync.Once
	c.kafka.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		once.Do(func() { close(arrived) })
		c.kafka.SleepControl(func() { <-done })
		return nil, nil, false
	})
	go func() {
		defer close(done)
		<-arrived
		do()
	}()
}

func (c *troubled) scan(o events.ScanOptions) ([]*kgo.Record, events.ScanResult, error) {
	if o.Until == nil {
		end := events.End()
		o.Until = &end
	}
	var got []*kgo.Record
	result, err := c.client.Scan(c.ctx, o, func(r *kgo.Record) error { got = append(got, r); return nil })
	return got, result, err
}

// TestScanOutlivesTrouble: what a broker refuses for a while is read when it
// does not any more.
func TestScanOutlivesTrouble(t *testing.T) {
	for _, trouble := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.FencedLeaderEpoch,
		kerr.KafkaStorageError, kerr.OffsetNotAvailable, kerr.UnknownTopicID, kerr.UnknownTopicOrPartition} {
		c := newTroubled(t)
		c.put(c.raw(), records(10, time.Now())...)
		c.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: trouble, Count: 2})
		got, _, err := c.scan(events.ScanOptions{Topic: registered})
		if len(got) != 10 || err != nil {
			t.Errorf("%v: got %d records, %v", trouble, len(got), err)
		}
	}
}

func TestScanFollowsAMovingLeader(t *testing.T) {
	c := newTroubled(t)
	const n = 3000
	client := c.raw()
	for i := range n / 100 {
		var batch []*kgo.Record
		for range 100 {
			batch = append(batch, &kgo.Record{Topic: registered, Value: fmt.Append(nil, i, strings.Repeat("x", 2000))})
		}
		c.put(client, batch...)
	}
	node := int32(0)
	moves := 0
	got := 0
	until := events.End()
	_, err := c.client.Scan(c.ctx, events.ScanOptions{Topic: registered, Until: &until}, func(r *kgo.Record) error {
		if r.Offset != int64(got) {
			t.Fatalf("offset %d is the record number %d", r.Offset, got)
		}
		if got++; got%1000 == 1 {
			node = 1 - node
			moves++
			return c.kafka.MoveTopicPartition(registered, 0, node)
		}
		return nil
	})
	if err != nil || got != n || moves != 3 {
		t.Fatalf("got %d records over %d moves: %v", got, moves, err)
	}
}

func TestScanSaysWhatIsRefused(t *testing.T) {
	c := newTroubled(t)
	c.put(c.raw(), records(10, time.Now())...)
	c.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.TopicAuthorizationFailed, Count: -1})
	_, result, err := c.scan(events.ScanOptions{Topic: registered})
	if !errors.Is(err, kerr.TopicAuthorizationFailed) || !strings.Contains(err.Error(), registered+" partition 0 at offset 0") || result.Records != 0 {
		t.Errorf("got %v after %d records", err, result.Records)
	}
}

// TestScanReadsNoOtherTopic: a topic that is deleted while it is read ends the
// scan, also when there is a new one of that name.
func TestScanReadsNoOtherTopic(t *testing.T) {
	for name, follow := range map[string]bool{"to its end": false, "following": true} {
		for _, recreate := range []bool{false, true} {
			c := newTroubled(t)
			c.put(c.raw(), records(3, time.Now())...)
			admin, err := c.client.Admin(c.ctx)
			c.must(err)
			replace := func() {
				_, err := admin.DeleteTopic(c.ctx, registered)
				c.must(err)
				if recreate {
					c.create(registered, 2)
					c.put(c.raw(), &kgo.Record{Topic: registered, Value: []byte("another")}, &kgo.Record{Topic: registered, Value: []byte("another")},
						&kgo.Record{Topic: registered, Value: []byte("another")}, &kgo.Record{Topic: registered, Value: []byte("another")})
				}
			}
			until := events.End()
			o := events.ScanOptions{Topic: registered, Until: &until}
			if follow {
				o.Until = nil
			} else {
				c.duringFetch(replace)
			}
			var got []string
			_, err = c.client.Scan(c.ctx, o, func(r *kgo.Record) error {
				if got = append(got, string(r.Value)); follow && len(got) == 3 {
					replace()
				}
				return nil
			})
			var gone *events.TopicGoneError
			// A follower may notice before the name is taken again.
			if !errors.As(err, &gone) || !follow && gone.Recreated != recreate || slices.Contains(got, "another") {
				t.Errorf("%s, recreated %v: got %q, %v", name, recreate, got, err)
			}
		}
	}
}

// TestScanGoesOnBehindRetention: what is deleted before it is read is counted.
func TestScanGoesOnBehindRetention(t *testing.T) {
	for name, c := range map[string]struct {
		until   int64
		expired int64
		want    []string
	}{
		"before the end": {10, 6, []string{"6", "7", "8", "9"}},
		"behind the end": {5, 5, nil},
	} {
		cl := newTroubled(t)
		cl.put(cl.raw(), records(10, time.Now())...)
		admin, err := cl.client.Admin(cl.ctx)
		cl.must(err)
		cl.duringFetch(func() {
			_, err := admin.DeleteRecords(cl.ctx, kadm.Offsets{registered: {0: {Topic: registered, At: 6}}})
			if err != nil {
				t.Error(err)
			}
		})
		until := events.AtOffset(c.until)
		got, result, err := cl.scan(events.ScanOptions{Topic: registered, Until: &until})
		if err != nil || result.Expired != c.expired || !slices.Equal(valuesOf(got), append([]string{}, c.want...)) {
			t.Errorf("%s: got %q, %d expired, %v", name, valuesOf(got), result.Expired, err)
		}
	}
}

// TestScanRefusesACorruptBatch: bytes that changed on their way are not handed
// on; those before them are.
func TestScanRefusesACorruptBatch(t *testing.T) {
	c := newTroubled(t)
	client := c.raw()
	for _, r := range records(2, time.Now()) {
		c.put(client, r)
	}
	c.kafka.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fetch := req.(*kmsg.FetchRequest)
		resp := fetch.ResponseKind().(*kmsg.FetchResponse)
		topic := kmsg.NewFetchResponseTopic()
		topic.TopicID = fetch.Topics[0].TopicID
		partition := kmsg.NewFetchResponseTopicPartition()
		partition.HighWatermark, partition.LastStableOffset = 2, 2
		partition.RecordBatches = append(plainBatch(0), plainBatch(1)...)
		partition.RecordBatches[len(partition.RecordBatches)-1] ^= 1
		topic.Partitions = append(topic.Partitions, partition)
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	got, _, err := c.scan(events.ScanOptions{Topic: registered, Partitions: []int32{0}})
	if err == nil || !strings.Contains(err.Error(), "partition 0: offset 1: corrupt") || len(got) != 1 {
		t.Errorf("got %q, %v", valuesOf(got), err)
	}
}

// plainBatch is a batch with one record.
func plainBatch(offset int64) []byte {
	record := kmsg.Record{Value: []byte("x")}
	record.Length = int32(len(record.AppendTo(nil)) - 1)
	payload := record.AppendTo(nil)
	b := kmsg.RecordBatch{FirstOffset: offset, Magic: 2, ProducerID: -1, NumRecords: 1, Records: payload, Length: int32(49 + len(payload))}
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

// TestScanReadsOldFormats: messages from before Kafka 0.11 are read by the
// Kafka client.
func TestScanReadsOldFormats(t *testing.T) {
	c := newTroubled(t)
	client := c.raw()
	for _, r := range records(2, time.Now()) {
		c.put(client, r)
	}
	c.kafka.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fetch := req.(*kmsg.FetchRequest)
		resp := fetch.ResponseKind().(*kmsg.FetchResponse)
		topic := kmsg.NewFetchResponseTopic()
		topic.TopicID = fetch.Topics[0].TopicID
		partition := kmsg.NewFetchResponseTopicPartition()
		partition.HighWatermark, partition.LastStableOffset = 2, 2
		partition.RecordBatches = append(oldMessage(0), oldMessage(1)...)
		topic.Partitions = append(topic.Partitions, partition)
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	got, _, err := c.scan(events.ScanOptions{Topic: registered, Partitions: []int32{0}})
	if err != nil || !slices.Equal(valuesOf(got), []string{"old", "old"}) {
		t.Errorf("got %q, %v", valuesOf(got), err)
	}
}

func oldMessage(offset int64) []byte {
	m := kmsg.MessageV1{Offset: offset, Magic: 1, Timestamp: 1, Value: []byte("old")}
	m.MessageSize = int32(len(m.AppendTo(nil)) - 12)
	raw := m.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[12:], crc32.ChecksumIEEE(raw[16:]))
	return raw
}

// TestScanReadsAnEnormousValue: a batch is read however large it is, beside
// partitions whose records fill the answers.
func TestScanReadsAnEnormousValue(t *testing.T) {
	const enormous = 20 << 20
	c := newTroubled(t, kfake.BrokerConfigs(map[string]string{"message.max.bytes": fmt.Sprint(enormous + 1<<20)}))
	client := c.raw(kgo.ProducerBatchMaxBytes(enormous+1<<20), kgo.ProducerBatchCompression(kgo.NoCompression()))
	value := []byte(strings.Repeat("0123456789abcdef", enormous/16))
	c.put(client, &kgo.Record{Topic: registered, Partition: 1, Value: value}, &kgo.Record{Topic: registered, Partition: 1, Value: []byte("behind it")})
	c.put(client, records(100, time.Now())...)
	for _, byTime := range []bool{false, true} {
		got, _, err := c.scan(events.ScanOptions{Topic: registered, ByTime: byTime})
		found := slices.ContainsFunc(got, func(r *kgo.Record) bool { return len(r.Value) == enormous })
		if err != nil || len(got) != 102 || !found {
			t.Errorf("by time %v: %d records, found it %v: %v", byTime, len(got), found, err)
		}
	}
}

// TestScanByTimeSaysWhatIsRefused: partitions that wait for each other do not wait
// for one of which nothing comes any more.
func TestScanByTimeSaysWhatIsRefused(t *testing.T) {
	const topic, partitions = "by-time", 8
	c := newTroubled(t, kfake.NumBrokers(1))
	c.create(topic, partitions)
	var sent []*kgo.Record
	for i := range 2 * partitions {
		sent = append(sent, &kgo.Record{Topic: topic, Partition: int32(i % partitions), Value: []byte("x")})
	}
	c.put(c.raw(), sent...)
	c.kafka.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.kafka.KeepControl()
		fetch := req.(*kmsg.FetchRequest)
		resp := fetch.ResponseKind().(*kmsg.FetchResponse)
		answered := kmsg.NewFetchResponseTopic()
		answered.TopicID = fetch.Topics[0].TopicID
		for _, asked := range fetch.Topics[0].Partitions {
			partition := kmsg.NewFetchResponseTopicPartition()
			partition.Partition, partition.HighWatermark, partition.LastStableOffset = asked.Partition, 2, 2
			if asked.FetchOffset == 0 {
				partition.RecordBatches = plainBatch(0)
			} else {
				partition.ErrorCode = kerr.TopicAuthorizationFailed.Code
			}
			answered.Partitions = append(answered.Partitions, partition)
		}
		resp.Topics = append(resp.Topics, answered)
		return resp, nil, true
	})
	for range 5 { // the partition that is asked for first is another each time
		got, _, err := c.scan(events.ScanOptions{Topic: topic, ByTime: true})
		if !errors.Is(err, kerr.TopicAuthorizationFailed) || len(got) > partitions {
			t.Fatalf("got %d records, %v", len(got), err)
		}
	}
}
