package kafka

import (
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func boundCases() []contractCase {
	return []contractCase{
		{"bounds/an empty partition starts and ends at zero", emptyPartition},
		{"bounds/end is behind the last record", endIsBehindTheLast},
		{"bounds/an idle partition keeps its end", idlePartition},
		{"bounds/offset of a time is the first record at or after it", offsetOfATime},
		{"bounds/a time behind the last record has no offset", timeBehindTheLast},
		{"bounds/out of order times", outOfOrderTimes},
		{"bounds/compaction leaves gaps, not a shorter log", compactionLeavesGaps},
	}
}

// ends returns the start, the last stable offset and the end of partition 0.
func (b *bench) ends(topic string) (start, stable, end int64) {
	b.Helper()
	starts, err := b.admin.ListStartOffsets(b.ctx, topic)
	b.must(err)
	stables, err := b.admin.ListCommittedOffsets(b.ctx, topic)
	b.must(err)
	ends, err := b.admin.ListEndOffsets(b.ctx, topic)
	b.must(err)
	return starts[topic][0].Offset, stables[topic][0].Offset, ends[topic][0].Offset
}

// wantEnds waits for start, stable end and end: a broker answers the end of a
// transaction before its markers are written.
func (b *bench) wantEnds(topic string, want ...int64) {
	b.Helper()
	b.eventually(fmt.Sprintf("start, stable end and end are %v", want), func() bool {
		start, stable, end := b.ends(topic)
		return slices.Equal([]int64{start, stable, end}, want)
	})
}

func emptyPartition(b *bench) { b.wantEnds(b.topic(1), 0, 0, 0) }

func endIsBehindTheLast(b *bench) {
	topic := b.topic(1)
	b.produce(values(topic, "a", "b", "c")...)
	b.wantEnds(topic, 0, 3, 3)
}

func idlePartition(b *bench) {
	topic := b.topic(2)
	b.produce(&kgo.Record{Topic: topic, Partition: 1, Value: []byte("x")})
	b.wantEnds(topic, 0, 0, 0)
}

// timed makes one record for each number of seconds after base.
func timed(topic string, base time.Time, seconds ...int) []*kgo.Record {
	var records []*kgo.Record
	for _, s := range seconds {
		records = append(records, &kgo.Record{Topic: topic, Value: fmt.Append(nil, s), Timestamp: base.Add(time.Duration(s) * time.Second)})
	}
	return records
}

func (b *bench) offsetOf(topic string, when time.Time) int64 {
	b.Helper()
	offsets, err := b.admin.ListOffsetsAfterMilli(b.ctx, when.UnixMilli(), topic)
	b.must(err)
	b.must(offsets.Error())
	return offsets[topic][0].Offset
}

func offsetOfATime(b *bench) {
	topic, base := b.topic(1), time.Now().Add(-time.Hour)
	b.produce(timed(topic, base, 0, 10, 20)...)
	for second, want := range map[int]int64{-5: 0, 0: 0, 5: 1, 10: 1, 20: 2} {
		equal(b, fmt.Sprintf("offset at second %d", second), b.offsetOf(topic, base.Add(time.Duration(second)*time.Second)), want)
	}
}

// timeBehindTheLast: kadm answers a time that no record reaches with the end.
func timeBehindTheLast(b *bench) {
	topic, base := b.topic(1), time.Now().Add(-time.Hour)
	b.produce(timed(topic, base, 0, 10)...)
	equal(b, "offset", b.offsetOf(topic, base.Add(time.Minute)), 2)
	equal(b, "offset in an empty topic", b.offsetOf(b.topic(1), base), 0)
}

func outOfOrderTimes(b *bench) {
	topic, base := b.topic(1), time.Now().Add(-time.Hour)
	b.produce(timed(topic, base, 30, 10, 20)...)
	equal(b, "first record at or after 15", b.offsetOf(topic, base.Add(15*time.Second)), 0)
}

// compactionLeavesGaps writes one key again and again, each record ten seconds
// younger, so that every record is a segment of its own (they roll by the
// records' time), until a cleaner has run.
func compactionLeavesGaps(b *bench) {
	topic := b.topic(1, "cleanup.policy", "compact", "segment.ms", "1000", "min.cleanable.dirty.ratio", "0.0001",
		"max.compaction.lag.ms", "1000", "delete.retention.ms", "0")
	base, written := time.Now().Add(-12*time.Hour), 0
	var got []*kgo.Record
	b.eventually("compaction has run", func() bool {
		record := timed(topic, base, 10*written)[0]
		record.Key = []byte("k")
		b.produce(record)
		written++
		got = b.read(topic, start(), 1)
		return got[0].Offset > 0
	})
	_, stable, end := b.ends(topic)
	equal(b, "end", end, int64(written))
	equal(b, "stable end", stable, int64(written))
	next := b.read(topic, at(0), 1)[0] // the first record is gone for good; which are left is the cleaner's affair
	equal(b, "a fetch from a gap gives a later record", next.Offset > 0, true)
}
