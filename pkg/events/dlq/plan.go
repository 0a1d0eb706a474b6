package dlq

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Why a selected letter is not replayed.
const (
	SkipNoTarget   = "the target topic does not exist"
	SkipDeadLetter = "the target is a dead-letter topic"
	SkipInternal   = "the target is an internal topic"
	SkipTooLarge   = "the record is larger than a producer sends (1 MB)"
)

// Plan is what a replay would do.
type Plan struct {
	Topic      string           `json:"topic"`
	Replay     int64            `json:"replay"`     // letters that would be produced
	Already    int64            `json:"already"`    // selected, but replayed before
	Unselected int64            `json:"unselected"` // not selected, replayed before or not
	Skipped    map[string]int64 `json:"skipped"`    // selected, by the reason why they cannot be replayed
	Targets    map[string]int64 `json:"targets"`    // what would be produced, by target
	Classes    []PlannedClass   `json:"fingerprints"`
}

// PlannedClass is the part of a plan with one fingerprint.
type PlannedClass struct {
	Fingerprint string `json:"fingerprint"`
	Class       string `json:"class"`
	Target      string `json:"target"`
	Replay      int64  `json:"replay"`
}

// Plan reads the letters and the ledger and changes nothing. Errors are those of Letters.
func (c *Client) Plan(ctx context.Context, name string, s Selection) (Plan, error) {
	plan := Plan{Topic: name, Skipped: map[string]int64{}, Targets: map[string]int64{}, Classes: []PlannedClass{}}
	targets, err := c.targets(ctx)
	if err != nil {
		return plan, err
	}
	classes := map[string]*PlannedClass{}
	err = c.Letters(ctx, name, func(l Letter) error {
		skip := ""
		if s.Has(&l) {
			skip = targets.refuse(c.restore(&l))
		}
		switch {
		case !s.Has(&l):
			plan.Unselected++
		case l.Replayed:
			plan.Already++
		case skip != "":
			plan.Skipped[skip]++
		default:
			plan.Replay++
			plan.Targets[l.OriginalTopic]++
			class := classes[l.Fingerprint]
			if class == nil {
				class = &PlannedClass{Fingerprint: l.Fingerprint, Class: l.Class, Target: l.OriginalTopic}
				classes[l.Fingerprint] = class
			}
			class.Replay++
		}
		return nil
	})
	for _, f := range slices.Sorted(maps.Keys(classes)) {
		plan.Classes = append(plan.Classes, *classes[f])
	}
	return plan, err
}

// targets knows how many partitions each topic of the cluster has, and where letters may not go.
type targets struct {
	client     *Client
	partitions map[string]int
}

func (c *Client) targets(ctx context.Context) (targets, error) {
	details, err := c.admin.ListTopicsWithInternal(fresh(ctx))
	if err != nil {
		return targets{}, fmt.Errorf("list topics: %w", err)
	}
	t := targets{client: c, partitions: map[string]int{}}
	for name, detail := range details {
		if detail.Err == nil {
			t.partitions[name] = len(detail.Partitions)
		}
	}
	return t, nil
}

// maxRecord is a little less than the client's largest batch and the brokers' default, in bytes.
const maxRecord = 1_000_000

// refuse returns why a restored record may not go to its topic, or nothing. One that is too large would take the
// transaction of its neighbours with it.
func (t targets) refuse(r *kgo.Record) string {
	name := r.Topic
	switch {
	case t.client.isDeadLetter(name), strings.HasSuffix(name, t.client.conv.DeadLetter.ParkedSuffix):
		return SkipDeadLetter
	case strings.HasPrefix(name, "__"), strings.HasPrefix(name, ledgerPrefix):
		return SkipInternal
	case t.partitions[name] == 0:
		return SkipNoTarget
	case size(r) > maxRecord:
		return SkipTooLarge
	}
	return ""
}

// size is at least what a record takes in a batch of its own, in bytes.
func size(r *kgo.Record) int {
	n := 128 + len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		n += 10 + len(h.Key) + len(h.Value)
	}
	return n
}

// partition is where a letter goes: back to its partition where the numbers of partitions are the same, so that the
// number still means the same; else Unknown, which leaves it to the key.
func (t targets) partition(l *Letter) int32 {
	if l.OriginalPartition != Unknown && t.partitions[l.OriginalTopic] == t.partitions[l.Topic] &&
		int(l.OriginalPartition) < t.partitions[l.OriginalTopic] {
		return l.OriginalPartition
	}
	return Unknown
}
