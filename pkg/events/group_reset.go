package events

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// ResetTo says where a group goes on. The zero value is the start.
type ResetTo struct {
	// Bound is a place in each partition: start, end, offset, time, tail.
	Bound Bound
	// Shift, when it is not 0, moves each committed offset by so many in place
	// of Bound; below 0 is backwards.
	Shift int64
}

// ResetPlan is what a reset will do.
type ResetPlan struct {
	Group string `json:"group"`
	// New is set when there is no such group yet: to reset it makes it.
	New bool `json:"new,omitempty"`
	// Nearest is, for a new group, the one that may be meant.
	Nearest    string          `json:"nearest,omitempty"`
	Partitions []PlannedOffset `json:"partitions"`
}

// PlannedOffset is what a reset will do to one partition.
type PlannedOffset struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	// Before is the committed offset, -1 when nothing is committed.
	Before int64 `json:"before"`
	After  int64 `json:"after"`
	// Again is how many offsets will be read a second time; below 0, how many
	// will be skipped without having been read.
	Again int64 `json:"again"`
	Start int64 `json:"start"`
	End   int64 `json:"end"`
	// Bounded is set when what was asked for lies outside of the log.
	Bounded bool `json:"bounded,omitempty"`
}

// Changes counts the partitions whose offset will move.
func (p ResetPlan) Changes() int {
	n := 0
	for _, o := range p.Partitions {
		if o.Before != o.After {
			n++
		}
	}
	return n
}

// LiveGroupError is returned for a group that has members where it must have
// none.
type LiveGroupError struct {
	Group   string
	State   string
	Members []GroupMember
}

func (e *LiveGroupError) Error() string {
	var members []string
	for _, m := range e.Members {
		members = append(members, fmt.Sprintf("%s at %s", m.ClientID, m.Host))
	}
	if len(members) == 0 {
		return fmt.Sprintf("group %s is not empty: its state is %s", e.Group, e.State)
	}
	return fmt.Sprintf("group %s has live members: %s", e.Group, strings.Join(slices.Compact(members), ", "))
}

// ErrGroupMoved is returned by [Client.Reset] when offsets were committed after
// the plan was made.
var ErrGroupMoved = errors.New("offsets were committed after the plan was made")

// ErrNothingToReset is returned when a group has committed nothing, and either
// no topics are named or offsets are to be shifted.
var ErrNothingToReset = errors.New("the group has committed nothing: name the topics")

// PlanReset computes where a group would go on, and changes nothing. Topics maps
// each topic to its partitions, none meaning all; nil is every topic that the
// group has committed. A group that does not exist can be given a place in named
// topics; else the error is an [*UnknownGroupError]. Others are a
// [*LiveGroupError], an [*UnknownTopicError], an [*UnknownPartitionError], a
// [*DeniedError] or [ErrNothingToReset].
func (c *Client) PlanReset(ctx context.Context, group string, topics map[string][]int32, to ResetTo) (ResetPlan, error) {
	plan := ResetPlan{Group: group}
	g, err := c.emptyGroup(ctx, group)
	var unknown *UnknownGroupError
	switch {
	case errors.As(err, &unknown) && len(topics) > 0 && to.Shift == 0:
		plan.New, plan.Nearest = true, unknown.Nearest
	case err != nil:
		return plan, err
	}
	committed := make(map[string]map[int32]int64)
	for _, p := range g.Partitions {
		if p.Committed >= 0 {
			put(committed, p.Topic, p.Partition, p.Committed)
		}
	}
	if len(topics) == 0 {
		topics = make(map[string][]int32)
		for topic := range committed {
			topics[topic] = nil
		}
	}
	if len(topics) == 0 {
		return plan, fmt.Errorf("group %s: %w", group, ErrNothingToReset)
	}
	for _, topic := range slices.Sorted(maps.Keys(topics)) {
		planned, err := c.planTopic(ctx, topic, topics[topic], committed[topic], to)
		if err != nil {
			return plan, err
		}
		plan.Partitions = append(plan.Partitions, planned...)
	}
	return plan, nil
}

// emptyGroup describes a group that must exist and have no members.
func (c *Client) emptyGroup(ctx context.Context, name string) (Group, error) {
	groups, err := c.Groups(ctx, name)
	if err != nil {
		return Group{}, err
	}
	g := groups[0]
	switch {
	case !g.hasOffsets():
		return g, fmt.Errorf("group %s is a %s group, whose offsets are not reset so", name, g.Type)
	case len(g.Members) > 0 || g.State != "Empty" && g.State != "Dead":
		return g, &LiveGroupError{Group: name, State: g.State, Members: g.Members}
	}
	return g, nil
}

func (c *Client) planTopic(ctx context.Context, topic string, chosen []int32, committed map[int32]int64, to ResetTo) ([]PlannedOffset, error) {
	details, err := c.details(ctx, topic)
	if err != nil {
		return nil, err
	}
	all := details[topic].Partitions
	if len(chosen) == 0 {
		chosen = all.Numbers()
	}
	edges := make(map[int32]edge, len(chosen))
	ends := c.listEnds(ctx, details)
	for _, id := range chosen {
		if _, ok := all[id]; !ok {
			return nil, &UnknownPartitionError{Topic: topic, Partition: id, Count: len(all)}
		}
		e, err := ends.of(topic, id)
		if err != nil {
			return nil, refused(fmt.Sprintf("list the offsets of %s, partition %d", topic, id), err)
		}
		edges[id] = edge{e.start, e.end}
	}
	places, err := to.Bound.offsets(ctx, c, topic, edges)
	if err != nil {
		return nil, err
	}
	var planned []PlannedOffset
	for _, id := range union(chosen) {
		before, ok := committed[id]
		if !ok {
			before = -1
		}
		if to.Shift != 0 && before < 0 {
			continue // there is nothing to move
		}
		planned = append(planned, planOffset(topic, id, before, places[id], edges[id], to))
	}
	return planned, nil
}

func planOffset(topic string, id int32, before, place int64, e edge, to ResetTo) PlannedOffset {
	asked := place
	switch {
	case to.Shift != 0:
		asked = before + to.Shift
	case to.Bound.kind == boundOffset:
		asked = to.Bound.offset
	}
	o := PlannedOffset{Topic: topic, Partition: id, Before: before, Start: e.start, End: e.end}
	o.After = min(max(asked, e.start), e.end)
	o.Bounded = o.After != asked
	if read := max(before, e.start); before >= 0 {
		o.Again = min(read, e.end) - o.After
	}
	return o
}

// Reset commits the offsets of a plan. Nothing is committed when the group has
// got members meanwhile, which is a [*LiveGroupError], or has committed, which
// is [ErrGroupMoved]. The broker itself refuses a commit from outside to a group
// with members, so that none that joins at this moment is put off its track. A
// group that the plan calls new begins with the commit.
func (c *Client) Reset(ctx context.Context, plan ResetPlan) error {
	g, err := c.emptyGroup(ctx, plan.Group)
	var unknown *UnknownGroupError
	if err != nil && !(plan.New && errors.As(err, &unknown)) {
		return err
	}
	committed := make(map[string]map[int32]int64)
	for _, p := range g.Partitions {
		put(committed, p.Topic, p.Partition, p.Committed)
	}
	offsets := make(kadm.Offsets)
	for _, o := range plan.Partitions {
		if now, ok := committed[o.Topic][o.Partition]; ok && now != o.Before || !ok && o.Before >= 0 {
			return fmt.Errorf("group %s: %w: %s, partition %d was at %d", plan.Group, ErrGroupMoved, o.Topic, o.Partition, o.Before)
		}
		if o.Before != o.After {
			offsets.AddOffset(o.Topic, o.Partition, o.After, -1)
		}
	}
	if len(offsets) == 0 {
		return nil
	}
	return c.commit(ctx, plan.Group, offsets)
}

func (c *Client) commit(ctx context.Context, group string, offsets kadm.Offsets) error {
	answers, err := c.admin.CommitOffsets(ctx, group, offsets)
	if err != nil {
		return refused("commit the offsets of group "+group, err)
	}
	var failed []error
	answers.Each(func(o kadm.OffsetResponse) {
		if o.Err != nil {
			failed = append(failed, refused(fmt.Sprintf("commit %s, partition %d, of group %s", o.Topic, o.Partition, group), o.Err))
		}
	})
	if err := errors.Join(failed...); errors.Is(err, kerr.UnknownMemberID) || errors.Is(err, kerr.IllegalGeneration) ||
		errors.Is(err, kerr.RebalanceInProgress) || errors.Is(err, kerr.StaleMemberEpoch) {
		return &LiveGroupError{Group: group, State: "that a member has just joined"}
	}
	return errors.Join(failed...)
}
