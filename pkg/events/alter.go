package events

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/suokelife/suokectl/pkg/spec"
)

// TopicChange says how a topic is to be altered.
type TopicChange struct {
	// Partitions is their new number; 0 leaves it.
	Partitions int
	// Set holds configurations and their new values, Unset those that go back to
	// their defaults.
	Set   map[string]string
	Unset []string
}

// AlterPlan is what an alteration will do, row by row.
type AlterPlan struct {
	Topic   string       `json:"topic"`
	Changes []PlannedSet `json:"changes"`

	change TopicChange
}

// PlannedSet is one value before and after.
type PlannedSet struct {
	// Name is that of a configuration, or "partitions".
	Name   string `json:"name"`
	Before string `json:"before"`
	After  string `json:"after"`
	// Warning is what the change does besides; may be empty.
	Warning string `json:"warning,omitempty"`
}

// Differs counts the rows whose value changes.
func (p AlterPlan) Differs() int {
	n := 0
	for _, c := range p.Changes {
		if c.Before != c.After {
			n++
		}
	}
	return n
}

// UnknownConfigError is returned for a topic configuration that Kafka does not
// have.
type UnknownConfigError struct {
	Name string
	// Nearest is the one that was probably meant; may be empty.
	Nearest string
}

func (e *UnknownConfigError) Error() string {
	if e.Nearest == "" {
		return fmt.Sprintf("topics have no configuration %q", e.Name)
	}
	return fmt.Sprintf("topics have no configuration %q: did you mean %s?", e.Name, e.Nearest)
}

// FewerPartitionsError is returned when a topic was to have fewer partitions
// than it has: Kafka cannot take any away.
type FewerPartitionsError struct {
	Topic       string
	Now, Wanted int
}

func (e *FewerPartitionsError) Error() string {
	return fmt.Sprintf("topic %s has %d partitions and cannot have only %d: none can be taken away", e.Topic, e.Now, e.Wanted)
}

// PlanAlter computes an alteration and has the cluster check it; nothing is
// changed. The error is an [*UnknownTopicError], an [*UnknownConfigError], a
// [*FewerPartitionsError], a [*DeniedError] or what the cluster says.
func (c *Client) PlanAlter(ctx context.Context, topic string, change TopicChange) (AlterPlan, error) {
	plan := AlterPlan{Topic: topic, change: change}
	details, err := c.details(ctx, topic)
	if err != nil {
		return plan, err
	}
	configs, err := c.topicConfigs(ctx, topic)
	if err != nil {
		return plan, err
	}
	known := make(map[string]TopicConfig, len(configs))
	for _, config := range configs {
		known[config.Name] = config
	}
	for _, name := range slices.Concat(slices.Sorted(maps.Keys(change.Set)), change.Unset) {
		config, ok := known[name]
		if !ok {
			return plan, &UnknownConfigError{Name: name, Nearest: spec.Nearest(name, slices.Sorted(maps.Keys(known)))}
		}
		after, set := change.Set[name]
		if !set {
			after = config.Default
		}
		plan.Changes = append(plan.Changes, PlannedSet{Name: name, Before: config.Value, After: after, Warning: configWarning(config, after)})
	}
	now := len(details[topic].Partitions)
	if change.Partitions != 0 {
		if change.Partitions < now {
			return plan, &FewerPartitionsError{Topic: topic, Now: now, Wanted: change.Partitions}
		}
		plan.Changes = append(plan.Changes, PlannedSet{Name: "partitions", Before: strconv.Itoa(now), After: strconv.Itoa(change.Partitions),
			Warning: partitionsWarning(now, change.Partitions)})
	}
	return plan, c.alter(ctx, plan, c.admin.ValidateAlterTopicConfigs, c.admin.ValidateUpdatePartitions)
}

func partitionsWarning(now, wanted int) string {
	if now == wanted {
		return ""
	}
	return "keys move to other partitions: events of a key may be read out of order around the change; it cannot be undone"
}

func configWarning(config TopicConfig, after string) string {
	switch {
	case after == "": // the cluster's default, which is not told
	case (config.Name == "retention.ms" || config.Name == "retention.bytes") && lessThan(after, config.Value):
		return "records beyond the new limit will be deleted"
	case config.Name == "cleanup.policy" && strings.Contains(after, "compact") && !strings.Contains(config.Value, "compact"):
		return "records without a key will be refused; of each key the last is kept"
	}
	return ""
}

// lessThan compares limits, of which -1 is none.
func lessThan(a, b string) bool {
	limit := func(text string) uint64 {
		n, _ := strconv.ParseInt(text, 10, 64)
		return uint64(n) // -1, no limit, is the greatest
	}
	return cmp.Less(limit(a), limit(b))
}

// Alter does what was planned.
func (c *Client) Alter(ctx context.Context, plan AlterPlan) error {
	if _, err := c.administer(ctx, "alter topic "+plan.Topic); err != nil {
		return err
	}
	return c.alter(ctx, plan, c.admin.AlterTopicConfigs, c.admin.UpdatePartitions)
}

func (c *Client) alter(ctx context.Context, plan AlterPlan,
	configs func(context.Context, []kadm.AlterConfig, ...string) (kadm.AlterConfigsResponses, error),
	partitions func(context.Context, int, ...string) (kadm.CreatePartitionsResponses, error),
) error {
	what := "alter topic " + plan.Topic
	var alter []kadm.AlterConfig
	for _, row := range plan.Changes {
		value, set := plan.change.Set[row.Name]
		switch {
		case row.Name == "partitions" || row.Before == row.After && set:
		case set:
			alter = append(alter, kadm.AlterConfig{Op: kadm.SetConfig, Name: row.Name, Value: &value})
		default:
			alter = append(alter, kadm.AlterConfig{Op: kadm.DeleteConfig, Name: row.Name})
		}
	}
	if len(alter) > 0 {
		answers, err := configs(ctx, alter, plan.Topic)
		if err == nil && len(answers) > 0 {
			err = withMessage(answers[0].Err, answers[0].ErrMessage)
		}
		if err != nil {
			return refused(what, err)
		}
	}
	if wanted := plan.change.Partitions; wanted != 0 && plan.grows() {
		answers, err := partitions(ctx, wanted, plan.Topic)
		if err == nil {
			err = withMessage(answers[plan.Topic].Err, answers[plan.Topic].ErrMessage)
		}
		if err != nil {
			return refused(what, err)
		}
	}
	return nil
}

func (p AlterPlan) grows() bool {
	return slices.ContainsFunc(p.Changes, func(c PlannedSet) bool { return c.Name == "partitions" && c.Before != c.After })
}

// withMessage adds what the broker says of its error.
func withMessage(err error, message string) error {
	if err == nil || message == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, message)
}

// unknownConfig looks for a configuration that the cluster does not know among
// those that were to be set; nil when all are known or nobody can tell.
func (c *Client) unknownConfig(ctx context.Context, names []string) error {
	topics, err := c.admin.ListTopicsWithInternal(ctx)
	if err != nil || len(topics) == 0 {
		return nil
	}
	configs, err := c.topicConfigs(ctx, topics.Names()[0])
	if err != nil {
		return nil //nolint:nilerr // the caller has a better one
	}
	var known []string
	for _, config := range configs {
		known = append(known, config.Name)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return &UnknownConfigError{Name: name, Nearest: spec.Nearest(name, known)}
		}
	}
	return nil
}
