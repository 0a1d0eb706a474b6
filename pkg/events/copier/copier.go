package copier

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/internal/progress"
	"github.com/suokelife/suokectl/pkg/spec"
)

// ProgressTopic is where copies and imports keep how far they have come, on the
// cluster that they write to.
const ProgressTopic = progress.Topic

var (
	// ErrOntoItself is returned when source and target are one topic.
	ErrOntoItself = errors.New("a topic cannot be copied onto itself: it would never end")
	// ErrInternal is returned for a target that holds the books of Kafka or of
	// suokectl.
	ErrInternal = errors.New("the target is an internal topic")
)

// FencedError is returned when another run of the same copy has begun: this one
// ended, and what it had committed stays.
type FencedError struct {
	Source, Target string
	// Err is what the broker said; nil when the other run's mark was found.
	Err error
}

func (e *FencedError) Error() string {
	return fmt.Sprintf("another run copies %s to %s now: this one stopped, and nothing is copied twice", e.Source, e.Target)
}

// Unwrap returns what the broker said.
func (e *FencedError) Unwrap() error { return e.Err }

// Options say what is copied.
type Options struct {
	Source, Target string
	// Partitions are the only ones to be read; empty for all.
	Partitions []int32
	// From is where a copy begins that has not begun yet. Default: the start.
	From events.Bound
	// Until is where it ends, not included. Nil follows the source.
	Until *events.Bound
	// Uncommitted copies the records of open and aborted transactions too.
	Uncommitted bool
	// Match chooses records; nil takes all. One goroutine calls it.
	Match func(*kgo.Record) bool
	// Selection tells copies with one source and target from each other: a text
	// of all that decides on what is copied. Those with the same go on with each
	// other.
	Selection string
	// Count is how many records this run copies at most; 0 is all.
	Count int64
	// Present gives the copies the present as their timestamp.
	Present bool
	// Restart forgets how far the copy has come.
	Restart bool
	// Compression of the batches. Default: none.
	Compression events.Compression
	// OnProgress, when set, is called after each transaction, and must not
	// block.
	OnProgress func(Progress)
}

// Progress is how far a run has come.
type Progress struct {
	Copied int64 // committed
	Read   int64
	// Total is at most how many records there are to read; 0 when the source is
	// followed.
	Total int64
}

// Copier copies from one cluster to another, or within one. It may be used by
// several goroutines.
type Copier struct{ source, target *events.Client }

// New takes the clients of both clusters, which may be the same one, and which
// stay their owners'.
func New(source, target *events.Client) *Copier { return &Copier{source, target} }

// job is one copy.
type job struct {
	Options
	*Copier
	name       string // of its progress and of its transactional id
	run        string // of this run of it
	from, to   events.TopicDescription
	sameNumber bool // both have as many partitions
}

// job looks at both topics. Made, when not nil, is in the place of a target that
// is not there yet.
func (c *Copier) job(ctx context.Context, o Options, made *events.NewTopic) (*job, error) {
	j := &job{Options: o, Copier: c}
	var err error
	if j.from, err = describe(ctx, c.source, o.Source); err != nil {
		return nil, err
	}
	if strings.HasPrefix(o.Target, "__") || strings.HasPrefix(o.Target, "suokectl.") {
		return nil, fmt.Errorf("%s: %w", o.Target, ErrInternal)
	}
	if made != nil {
		j.to = imagine(*made, c.target.Conventions())
	} else if j.to, err = describe(ctx, c.target, o.Target); err != nil {
		return nil, err
	}
	if j.from.ID == j.to.ID {
		return nil, fmt.Errorf("%s: %w", o.Source, ErrOntoItself)
	}
	for _, id := range o.Partitions {
		if int(id) >= len(j.from.Partitions) || id < 0 {
			return nil, &events.UnknownPartitionError{Topic: o.Source, Partition: id, Count: len(j.from.Partitions)}
		}
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s", j.from.ID, j.to.ID, o.Selection))
	j.name = "suokectl.copy." + base64.RawURLEncoding.EncodeToString(sum[:16])
	j.sameNumber = len(j.from.Partitions) == len(j.to.Partitions)
	return j, nil
}

func describe(ctx context.Context, client *events.Client, topic string) (events.TopicDescription, error) {
	described, err := client.DescribeTopics(ctx, topic)
	if err != nil {
		return events.TopicDescription{}, err
	}
	return described[0], nil
}

// imagine describes a topic that is not there yet.
func imagine(t events.NewTopic, conventions spec.Conventions) events.TopicDescription {
	d := events.TopicDescription{Topic: events.Topic{
		Name: t.Name, Kind: conventions.ExplainTopic(t.Name).Kind, Partitions: make([]events.Partition, t.Partitions),
	}}
	for name, value := range t.Configs {
		d.Configs = append(d.Configs, events.TopicConfig{Name: name, Value: value})
	}
	return d
}

// state is how far a copy has come, as it stands in the progress topic.
type state struct {
	Source string `json:"source"`
	Target string `json:"target"`
	// Run is the last run that wrote it.
	Run    string          `json:"run"`
	Next   map[int32]int64 `json:"next"` // the source's offsets to go on at
	Copied int64           `json:"copied"`
	Time   time.Time       `json:"time"`
}

// load reads how far the copy has come; nil when it has not begun.
func (j *job) load(ctx context.Context) (*state, error) {
	text, err := progress.Read(ctx, j.target, j.name)
	if err != nil || text == nil {
		return nil, err
	}
	var s state
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("how far the copy has come is not readable in %s: %w", progress.Topic, err)
	}
	return &s, nil
}

// begin is the state of a copy that has not begun.
func (j *job) begin(ctx context.Context) (*state, error) {
	offsets, err := j.source.Offsets(ctx, j.Source, &j.From)
	if err != nil {
		return nil, err
	}
	s := &state{Source: j.Source, Target: j.Target, Next: make(map[int32]int64)}
	for _, o := range offsets {
		if o.At == nil {
			return nil, fmt.Errorf("find where to begin in %s partition %d: %s", j.Source, o.Partition, o.Problem)
		}
		s.Next[o.Partition] = *o.At
	}
	return s, nil
}

// record is the state as it is written.
func (j *job) record(s *state) *kgo.Record {
	s.Run, s.Time = j.run, time.Now().UTC()
	text, _ := json.Marshal(s) // texts and numbers always marshal
	return progress.Record(j.name, text)
}
