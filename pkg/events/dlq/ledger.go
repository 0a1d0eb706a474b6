package dlq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Entry is the ledger's record of one letter.
type Entry struct {
	Letter    int64  `json:"-"`       // the letter's offset, the record's key
	Outcome   string `json:"outcome"` // OutcomeReplayed
	Target    string `json:"target"`
	Partition int32  `json:"partition"` // of the target
	Offset    int64  `json:"offset"`    // in the target
}

// OutcomeReplayed is the outcome of a letter that was produced to its target.
const OutcomeReplayed = "replayed"

// claim says who is at work on a partition. Its time is the ledger record's own, so that only one clock counts.
type claim struct {
	Owner    string    `json:"owner"`
	Released bool      `json:"released,omitempty"`
	At       time.Time `json:"-"`
}

const (
	claimKey = "claim"
	// heartbeatEvery is how often a run renews its claim; a claim older than claimLives is dead.
	heartbeatEvery = 3 * time.Second
	claimLives     = 15 * time.Second
)

func (c *claim) alive() bool {
	return c != nil && !c.Released && time.Since(c.At) < claimLives
}

// parseKey tells a claim from the offset of a letter.
func parseKey(key []byte) (offset int64, isClaim bool, err error) {
	if string(key) == claimKey {
		return 0, true, nil
	}
	n, err := strconv.ParseUint(string(key), 10, 63)
	if err != nil || strconv.FormatUint(n, 10) != string(key) {
		return 0, false, fmt.Errorf("ledger key %q is neither %q nor an offset", key, claimKey)
	}
	return int64(n), false, nil
}

func parseEntry(offset int64, value []byte) (Entry, error) {
	e := Entry{Letter: offset}
	if err := json.Unmarshal(value, &e); err != nil {
		return Entry{}, fmt.Errorf("ledger entry of offset %d: %w", offset, err)
	}
	if e.Outcome == "" || e.Partition < 0 || e.Offset < 0 {
		return Entry{}, fmt.Errorf("ledger entry of offset %d is not whole: %s", offset, value)
	}
	return e, nil
}

func (e Entry) record(ledger string, partition int32) *kgo.Record {
	value, _ := json.Marshal(e) // strings and numbers always marshal
	return &kgo.Record{Topic: ledger, Partition: partition, Key: strconv.AppendInt(nil, e.Letter, 10), Value: value}
}

func (c claim) record(ledger string, partition int32) *kgo.Record {
	value, _ := json.Marshal(c)
	return &kgo.Record{Topic: ledger, Partition: partition, Key: []byte(claimKey), Value: value}
}

// book is what the ledger says of one partition.
type book struct {
	done  *bitmap
	stale []int64 // letters below the dead-letter topic's log start
	claim *claim
}

func newBook() *book { return &book{done: newBitmap()} }

// take reads one record, in the order of the log. Below start are letters that expired.
func (b *book) take(r *kgo.Record, start int64) error {
	offset, isClaim, err := parseKey(r.Key)
	switch {
	case err != nil:
		return err
	case isClaim && r.Value == nil:
		b.claim = nil
	case isClaim:
		b.claim = &claim{At: r.Timestamp}
		if err := json.Unmarshal(r.Value, b.claim); err != nil {
			return fmt.Errorf("ledger claim: %w", err)
		}
	case r.Value == nil:
		b.done.set(offset, false)
	default:
		if _, err := parseEntry(offset, r.Value); err != nil {
			return err
		}
		b.done.set(offset, true)
		if offset < start {
			b.stale = append(b.stale, offset)
		}
	}
	return nil
}

// books reads the ledger as it is committed at present, for every partition of the topic. A ledger that does not exist
// has nothing in it.
func (c *Client) books(ctx context.Context, t topic) (map[int32]*book, error) {
	spans, err := c.spans(ctx, t.ledger())
	if err != nil {
		return nil, err
	}
	return c.readBooks(ctx, t, spans, nil)
}

func (c *Client) readBooks(ctx context.Context, t topic, spans, letters map[int32]span) (map[int32]*book, error) {
	out := map[int32]*book{}
	for _, p := range t.partitions {
		out[p] = newBook()
	}
	err := c.scan(ctx, t.ledger(), spans, func(r *kgo.Record) error {
		b := out[r.Partition]
		if b == nil {
			return nil // the ledger has more partitions than its topic
		}
		if err := b.take(r, letters[r.Partition].start); err != nil {
			return fmt.Errorf("%s partition %d offset %d: %w", t.ledger(), r.Partition, r.Offset, err)
		}
		return nil
	})
	return out, err
}

// Entries reads what the ledger of a dead-letter topic holds, by partition, in no order.
func (c *Client) Entries(ctx context.Context, name string) (map[int32][]Entry, error) {
	t, err := c.describe(ctx, name)
	if err != nil {
		return nil, err
	}
	spans, err := c.spans(ctx, t.ledger())
	if err != nil {
		return nil, err
	}
	latest := map[int32]map[int64]Entry{}
	err = c.scan(ctx, t.ledger(), spans, func(r *kgo.Record) error {
		offset, isClaim, err := parseKey(r.Key)
		if err != nil || isClaim {
			return err
		}
		if latest[r.Partition] == nil {
			latest[r.Partition] = map[int64]Entry{}
		}
		if r.Value == nil {
			delete(latest[r.Partition], offset)
			return nil
		}
		latest[r.Partition][offset], err = parseEntry(offset, r.Value)
		return err
	})
	out := map[int32][]Entry{}
	for p, entries := range latest {
		for _, e := range entries {
			out[p] = append(out[p], e)
		}
	}
	return out, err
}

// ensureLedger makes the ledger with as many partitions as its topic, and waits until each has a leader.
func (c *Client) ensureLedger(ctx context.Context, t topic) error {
	configs := map[string]*string{
		"cleanup.policy":         kadm.StringPtr("compact"),
		"message.timestamp.type": kadm.StringPtr("LogAppendTime"), // claims are dated by the broker's clock
	}
	n := int32(len(t.partitions))
	_, err := c.admin.CreateTopic(ctx, n, t.replicas, configs, t.ledger())
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("create the ledger %s of %s: %w", t.ledger(), t.name, err)
	}
	if err != nil { // it was there, perhaps from a time when its topic had less partitions
		if _, err := c.admin.UpdatePartitions(ctx, len(t.partitions), t.ledger()); err != nil {
			return fmt.Errorf("give the ledger %s as many partitions as %s: %w", t.ledger(), t.name, err)
		}
	}
	return c.awaitLeaders(ctx, t.ledger(), len(t.partitions))
}

func (c *Client) awaitLeaders(ctx context.Context, ledger string, want int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Second, errors.New("not within 10s"))
	defer cancel()
	for wait := 10 * time.Millisecond; ; wait *= 2 {
		details, err := c.admin.ListTopics(fresh(ctx), ledger)
		if err != nil {
			return fmt.Errorf("describe the ledger %s: %w", ledger, err)
		}
		have := 0
		for _, p := range details[ledger].Partitions {
			if p.Err == nil && p.Leader >= 0 {
				have++
			}
		}
		if have >= want {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until the ledger %s has leaders for %d partitions (it has %d): %w", ledger, want, have, context.Cause(ctx))
		case <-time.After(wait):
		}
	}
}

// settle waits until nothing is open in a partition of the ledger, and returns what is to be read of it.
func (c *Client) settle(ctx context.Context, ledger string, partition int32) (map[int32]span, error) {
	const patience = 2 * time.Second
	for began, wait := time.Now(), 5*time.Millisecond; ; wait *= 2 {
		high, err := c.admin.ListEndOffsets(ctx, ledger)
		if err != nil {
			return nil, fmt.Errorf("list the offsets of %s: %w", ledger, err)
		}
		stable, err := c.spans(ctx, ledger)
		if err != nil {
			return nil, err
		}
		end, _ := high.Lookup(ledger, partition)
		if end.Err != nil {
			return nil, fmt.Errorf("list the offsets of %s: %w", ledger, end.Err)
		}
		if stable[partition].end == end.Offset {
			return map[int32]span{partition: stable[partition]}, nil
		}
		if time.Since(began) > patience {
			return nil, &HangingTransactionError{Ledger: ledger, Partition: partition, LastStable: stable[partition].end,
				High: end.Offset, ProducerIDs: c.openProducers(ctx, ledger, partition)}
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(wait):
		}
	}
}

// openProducers asks who has a transaction open; brokers that do not tell leave it empty.
func (c *Client) openProducers(ctx context.Context, ledger string, partition int32) []int64 {
	var set kadm.TopicsSet
	set.Add(ledger, partition)
	described, err := c.admin.DescribeProducers(ctx, set)
	if err != nil {
		return nil
	}
	var out []int64
	for _, p := range described[ledger].Partitions[partition].ActiveProducers.Sorted() {
		if p.CurrentTxnStartOffset >= 0 {
			out = append(out, p.ProducerID)
		}
	}
	return out
}
