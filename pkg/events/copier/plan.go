package copier

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/spec"
)

// Plan is what a copy would do.
type Plan struct {
	Source string `json:"source"`
	Target string `json:"target"`
	// Create says that the target is not there, and is to be made first.
	Create bool `json:"create"`
	// ByKey says that the topics have not as many partitions, so that the key
	// decides on the target's.
	ByKey bool `json:"by_key"`
	// Copied is how many records earlier runs have copied; this one goes on.
	Copied     int64           `json:"copied"`
	Partitions []PlanPartition `json:"partitions"`
	// Records is the most that there is to read: compaction and transactions
	// leave gaps, and what is chosen is known when it is read.
	Records  int64    `json:"records"`
	Warnings []string `json:"warnings"`
}

// PlanPartition is what would be read of a partition.
type PlanPartition struct {
	Partition int32 `json:"partition"`
	Next      int64 `json:"next"`
	Until     int64 `json:"until"`
	// Expired are the offsets that went before the copy came to them.
	Expired int64 `json:"expired,omitempty"`
}

// Plan looks at both topics and at how far the copy has come, and changes
// nothing.
func (c *Copier) Plan(ctx context.Context, o Options) (Plan, error) {
	j, err := c.job(ctx, o, nil)
	if err != nil {
		return Plan{}, err
	}
	s, err := j.load(ctx)
	if err == nil && (s == nil || o.Restart) {
		s, err = j.begin(ctx)
	}
	if err != nil {
		return Plan{}, err
	}
	return j.plan(ctx, s)
}

// PlanNew is Plan where the target is not there, and is to be made as topic says,
// with a number of partitions.
func (c *Copier) PlanNew(ctx context.Context, o Options, topic events.NewTopic) (Plan, error) {
	j, err := c.job(ctx, o, &topic)
	if err != nil {
		return Plan{}, err
	}
	s, err := j.begin(ctx)
	if err != nil {
		return Plan{}, err
	}
	plan, err := j.plan(ctx, s)
	plan.Create = true
	return plan, err
}

func (j *job) plan(ctx context.Context, s *state) (Plan, error) {
	p := Plan{Source: j.Source, Target: j.Target, ByKey: !j.sameNumber, Copied: s.Copied, Partitions: []PlanPartition{}, Warnings: []string{}}
	until := events.End()
	if j.Until != nil {
		until = *j.Until
	}
	offsets, err := j.source.Offsets(ctx, j.Source, &until)
	if err != nil {
		return p, err
	}
	for _, o := range offsets {
		if o.At == nil || !j.reads(o.Partition) {
			continue
		}
		end := *o.At
		if !j.Uncommitted {
			end = min(end, o.Stable)
		}
		part := PlanPartition{Partition: o.Partition, Next: max(s.Next[o.Partition], o.Start), Until: end, Expired: max(0, o.Start-s.Next[o.Partition])}
		p.Partitions = append(p.Partitions, part)
		p.Records += max(0, part.Until-part.Next)
	}
	p.Warnings, err = j.warnings(ctx, p)
	return p, err
}

func (j *job) reads(partition int32) bool {
	for _, id := range j.Partitions {
		if id == partition {
			return true
		}
	}
	return len(j.Partitions) == 0
}

// warnings are what is likely to be a surprise.
func (j *job) warnings(ctx context.Context, p Plan) ([]string, error) {
	list := []string{}
	warn := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if p.ByKey {
		warn("%s has %d partitions and %s has %d: the key decides where a record goes, and records of several partitions without a key are mixed",
			j.Source, len(j.from.Partitions), j.Target, len(j.to.Partitions))
	}
	expired := int64(0)
	for _, part := range p.Partitions {
		expired += part.Expired
	}
	if expired > 0 {
		warn("%d offsets of %s expired before they were copied", expired, j.Source)
	}
	config := configs(j.to)
	gone, err := j.outlived(ctx, config["retention.ms"], p)
	if err != nil {
		return nil, err
	}
	if gone > 0 {
		warn("about %d records are older than %s keeps them (retention.ms=%s) and may be deleted at once: --timestamps now gives them the present", gone, j.Target, config["retention.ms"])
	}
	if config["message.timestamp.type"] == "LogAppendTime" && !j.Present {
		warn("%s has message.timestamp.type=LogAppendTime: timestamps are not kept", j.Target)
	}
	if config["cleanup.policy"] == "compact" {
		warn("%s is compacted: records without a key are refused, and older ones of a key go", j.Target)
	}
	if from, to := number(configs(j.from)["max.message.bytes"]), number(config["max.message.bytes"]); to > 0 && to < from {
		warn("%s takes batches of %d bytes, %s of %d: a record that is larger would end the copy", j.Target, to, j.Source, from)
	}
	if kind := j.to.Kind; kind == spec.TopicDeadLetters || kind == spec.TopicParked {
		warn("%s is a topic of dead letters: its copies will be counted as such", j.Target)
	}
	return list, nil
}

// outlived counts the offsets with a timestamp that the target's retention has
// left behind.
func (j *job) outlived(ctx context.Context, retention string, p Plan) (int64, error) {
	keeps := number(retention)
	if keeps <= 0 || j.Present {
		return 0, nil
	}
	oldest := events.AtTime(time.Now().Add(-time.Duration(keeps) * time.Millisecond))
	offsets, err := j.source.Offsets(ctx, j.Source, &oldest)
	if err != nil {
		return 0, err
	}
	at := make(map[int32]int64)
	for _, o := range offsets {
		if o.At != nil {
			at[o.Partition] = *o.At
		}
	}
	var n int64
	for _, part := range p.Partitions {
		n += max(0, min(at[part.Partition], part.Until)-part.Next)
	}
	return n, nil
}

func configs(t events.TopicDescription) map[string]string {
	m := make(map[string]string)
	for _, c := range t.Configs {
		m[c.Name] = c.Value
	}
	return m
}

func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return -1
	}
	return n
}
