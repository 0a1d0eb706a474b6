package dlq

import (
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/spec"
)

// Unknown is the original partition and offset of a letter that does not tell them.
const Unknown = -1

// Letter is a dead letter with what is known of its failure. Headers are read before the fields in meta: on a letter
// that failed again they tell of the last hop.
type Letter struct {
	Topic     string
	Partition int32
	Offset    int64
	Timestamp time.Time
	Key       []byte // nil when there is none
	Value     []byte // nil for a tombstone
	Headers   []kgo.RecordHeader

	Error             string // empty when the letter does not tell
	OriginalTopic     string // by the dead-letter topic's name when the letter does not tell
	OriginalPartition int32  // or Unknown
	OriginalOffset    int64  // or Unknown
	Attempts          int    // 0 when the letter does not tell
	FailedAt          time.Time
	EventID           string
	EventType         string

	Class       string // see [Class]
	Fingerprint string
	Replayed    bool // by the ledger
}

// letterOf reads a record of a dead-letter topic. It takes whatever bytes there are.
func (c *Client) letterOf(r *kgo.Record) Letter {
	l := Letter{
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp,
		Key: r.Key, Value: r.Value, Headers: r.Headers,
		OriginalPartition: Unknown, OriginalOffset: Unknown,
	}
	event, _ := c.conv.ParseEvent(r.Value) // what could be read is there beside the error
	l.EventID, l.EventType = event.Meta.ID, event.Meta.Type
	l.Error, l.OriginalTopic, l.FailedAt = event.DeadLetter.Error, event.DeadLetter.OriginalTopic, event.DeadLetter.Time
	for _, h := range r.Headers {
		if strings.HasPrefix(h.Key, spec.HeaderDLQPrefix) {
			l.header(h.Key, string(h.Value))
		}
	}
	if l.OriginalTopic == "" {
		l.OriginalTopic = c.original(r.Topic)
	}
	l.Class = Class(l.Error)
	l.Fingerprint = fingerprint(l.OriginalTopic, l.EventType, l.Class)
	return l
}

// header takes a fact from a header, unless it cannot be one.
func (l *Letter) header(key, value string) {
	switch key {
	case spec.HeaderDLQError:
		l.Error = value
	case spec.HeaderDLQOriginalTopic:
		l.OriginalTopic = value
	case spec.HeaderDLQOriginalPartition:
		if n, err := strconv.ParseInt(value, 10, 32); err == nil && n >= 0 {
			l.OriginalPartition = int32(n)
		}
	case spec.HeaderDLQOriginalOffset:
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= 0 {
			l.OriginalOffset = n
		}
	case spec.HeaderDLQAttempts:
		if n, err := strconv.Atoi(value); err == nil && n > 0 {
			l.Attempts = n
		}
	case spec.HeaderDLQTime:
		if t, err := time.Parse(time.RFC3339Nano, value); err == nil {
			l.FailedAt = t
		}
	}
}

// place is where AddDeadLetter put its fields, by the header; empty when there is none.
func (l *Letter) place() string {
	for _, h := range l.Headers {
		if h.Key == spec.HeaderDLQPlace {
			return string(h.Value)
		}
	}
	return ""
}

// restore is the record as it was before it failed. Of our headers the attempts stay, so that a consumer that fails
// again can count on: at least one, for the letter was tried.
func (c *Client) restore(l *Letter) *kgo.Record {
	headers := make([]kgo.RecordHeader, 0, len(l.Headers)+1)
	for _, h := range l.Headers {
		if !strings.HasPrefix(h.Key, spec.HeaderDLQPrefix) {
			headers = append(headers, h)
		}
	}
	attempts := strconv.Itoa(max(1, l.Attempts))
	return &kgo.Record{
		Topic: l.OriginalTopic, Partition: Unknown, Key: l.Key,
		Value:   c.conv.StripDeadLetter(l.Value, l.place()),
		Headers: append(headers, kgo.RecordHeader{Key: spec.HeaderDLQAttempts, Value: []byte(attempts)}),
	}
}
