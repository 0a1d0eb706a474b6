package events_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/events"
)

// fill puts n records into partition 0, of which the group has committed some.
func (c *cluster) fill(group string, n, committed int) {
	c.Helper()
	raw := c.raw(kgo.ConsumerGroup(group), kgo.ConsumeTopics(registered), kgo.DisableAutoCommit(), kgo.ClientID("billing-1"))
	var records []*kgo.Record
	for i := range n {
		records = append(records, &kgo.Record{Topic: registered, Value: event(fmt.Sprint(i)), Timestamp: time.UnixMilli(int64(1000 * (i + 1)))})
	}
	c.put(raw, records...)
	c.join(raw, committed)
	raw.Close()
}

// join waits until a member has read n records, and commits them.
func (c *cluster) join(member *kgo.Client, n int) {
	c.Helper()
	var got []*kgo.Record
	for len(got) < n {
		fetches := member.PollRecords(c.ctx, n-len(got))
		c.must(fetches.Err())
		got = append(got, fetches.Records()...)
	}
	c.must(member.CommitRecords(c.ctx, got...))
}

func (c *cluster) group(name string) events.Group {
	c.Helper()
	groups, err := c.client.Groups(c.ctx, name)
	c.must(err)
	return groups[0]
}

func TestGroupLag(t *testing.T) {
	c := newCluster(t, registeredTopics(2)...)
	c.fill("billing", 10, 4)
	g := c.group("billing")
	if g.Type != events.GroupClassic || g.State != "Empty" || g.Lag != 6 || len(g.Members) != 0 || len(g.Partitions) != 2 {
		t.Fatalf("got %+v", g)
	}
	if p := g.Partitions[0]; p.Committed != 4 || p.End != 10 || p.Lag != 6 || p.Problem != "" {
		t.Errorf("partition 0: %+v", p)
	}
	if p := g.Partitions[1]; p.Committed != -1 || p.Lag != 0 {
		t.Errorf("partition 1, which nobody began: %+v", p)
	}
}

func TestGroupMembersOfBothProtocols(t *testing.T) {
	c := newCluster(t, registeredTopics(2)...)
	for kind, opts := range map[events.GroupType][]kgo.Opt{
		events.GroupClassic:  {kgo.Balancers(kgo.CooperativeStickyBalancer())},
		events.GroupConsumer: {kgo.ServerSideBalancer()},
	} {
		name := unique("group")
		member := c.raw(append(opts, kgo.ConsumerGroup(name), kgo.ConsumeTopics(registered), kgo.ClientID("billing-1"), kgo.DisableAutoCommit(),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
		c.put(member, &kgo.Record{Topic: registered, Value: event("e-1")}, &kgo.Record{Topic: registered, Partition: 1, Value: event("e-2")})
		c.join(member, 2)
		g := c.group(name)
		if g.Type != kind || g.State != "Stable" || g.Assignor == "" || len(g.Members) != 1 || g.Members[0].ClientID != "billing-1" ||
			!slices.Equal(g.Members[0].Assigned[registered], []int32{0, 1}) || g.Partitions[0].Member != g.Members[0].ID {
			t.Errorf("%s: got %+v", kind, g)
		}
		for what, err := range map[string]error{"reset": c.reset(name, events.ResetTo{}), "delete": c.client.DeleteGroup(c.ctx, name)} {
			var live *events.LiveGroupError
			if !errors.As(err, &live) || len(live.Members) != 1 || live.Members[0].ClientID != "billing-1" {
				t.Errorf("%s of a live %s group: %v", what, kind, err)
			}
		}
		member.Close()
		eventually(c.ctx, t, "the group is empty", func() bool { return c.group(name).State == "Empty" })
		c.must(c.reset(name, events.ResetTo{}))
		if p := c.group(name).Partitions[1]; p.Committed != p.Start {
			t.Errorf("%s group after its reset: %+v", kind, p)
		}
		c.must(c.client.DeleteGroup(c.ctx, name))
	}
}

func (c *cluster) reset(group string, to events.ResetTo) error {
	plan, err := c.client.PlanReset(c.ctx, group, nil, to)
	if err != nil {
		return err
	}
	return c.client.Reset(c.ctx, plan)
}

func TestGroupThatDoesNotExist(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	c.fill("billing", 2, 1)
	groups, err := c.client.Groups(c.ctx, "billing", "biling", "nothing-like-it")
	var unknown *events.UnknownGroupError
	if len(groups) != 1 || !errors.As(err, &unknown) || unknown.Group != "biling" || unknown.Nearest != "billing" {
		t.Errorf("got %v, %v", groups, err)
	}
	if err := c.client.DeleteGroup(c.ctx, "biling"); !errors.As(err, &unknown) || unknown.Nearest != "billing" {
		t.Errorf("delete: %v", err)
	}
	if err := c.reset("biling", events.ResetTo{}); !errors.As(err, &unknown) {
		t.Errorf("reset: %v", err)
	}
}

func TestResetPlans(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	c.fill("billing", 10, 4)
	for name, want := range map[string]struct {
		to           events.ResetTo
		after, again int64
		bounded      bool
	}{
		"start":          {events.ResetTo{Bound: events.Start()}, 0, 4, false},
		"end":            {events.ResetTo{Bound: events.End()}, 10, -6, false},
		"offset":         {events.ResetTo{Bound: events.AtOffset(7)}, 7, -3, false},
		"beyond the end": {events.ResetTo{Bound: events.AtOffset(99)}, 10, -6, true},
		"time":           {events.ResetTo{Bound: events.AtTime(time.UnixMilli(2500))}, 2, 2, false},
		"late time":      {events.ResetTo{Bound: events.AtTime(time.UnixMilli(99999))}, 10, -6, false},
		"tail":           {events.ResetTo{Bound: events.Tail(3)}, 7, -3, false},
		"back":           {events.ResetTo{Shift: -3}, 1, 3, false},
		"far back":       {events.ResetTo{Shift: -30}, 0, 4, true},
		"forward":        {events.ResetTo{Shift: 2}, 6, -2, false},
	} {
		plan, err := c.client.PlanReset(c.ctx, "billing", nil, want.to)
		c.must(err)
		if p := plan.Partitions[0]; len(plan.Partitions) != 1 || p.Before != 4 || p.After != want.after || p.Again != want.again || p.Bounded != want.bounded {
			t.Errorf("%s: got %+v", name, plan)
		}
	}
	if c.group("billing").Lag != 6 {
		t.Error("a plan moved the group")
	}
}

func TestResetOfSomePartitions(t *testing.T) {
	c := newCluster(t, registeredTopics(2)...)
	c.fill("billing", 10, 4)
	plan, err := c.client.PlanReset(c.ctx, "billing", map[string][]int32{registered: {0}}, events.ResetTo{Bound: events.End()})
	c.must(err)
	if len(plan.Partitions) != 1 || plan.Changes() != 1 {
		t.Fatalf("got %+v", plan)
	}
	c.must(c.client.Reset(c.ctx, plan))
	if g := c.group("billing"); g.Lag != 0 || g.Partitions[1].Committed != -1 {
		t.Errorf("got %+v", g)
	}
	if err := c.client.Reset(c.ctx, plan); !errors.Is(err, events.ErrGroupMoved) {
		t.Errorf("the plan of a group that has moved: %v", err)
	}
	var partition *events.UnknownPartitionError
	if _, err := c.client.PlanReset(c.ctx, "billing", map[string][]int32{registered: {7}}, events.ResetTo{}); !errors.As(err, &partition) || partition.Count != 2 {
		t.Errorf("a partition that does not exist: %v", err)
	}
	var topic *events.UnknownTopicError
	if _, err := c.client.PlanReset(c.ctx, "billing", map[string][]int32{registered + "x": nil}, events.ResetTo{}); !errors.As(err, &topic) {
		t.Errorf("a topic that does not exist: %v", err)
	}
}

func TestResetOfANewGroup(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	c.fill("billing", 10, 4)
	topics := map[string][]int32{registered: nil}
	plan, err := c.client.PlanReset(c.ctx, "biling", topics, events.ResetTo{Bound: events.End()})
	c.must(err)
	if !plan.New || plan.Nearest != "billing" || plan.Changes() != 1 || plan.Partitions[0].Before != -1 || plan.Partitions[0].After != 10 {
		t.Errorf("got %+v", plan)
	}
	c.must(c.client.Reset(c.ctx, plan))
	if g := c.group("biling"); g.Lag != 0 {
		t.Errorf("got %+v", g)
	}
	if err := c.client.Reset(c.ctx, plan); !errors.Is(err, events.ErrGroupMoved) {
		t.Errorf("the plan of a group that is not new any more: %v", err)
	}
	for name, try := range map[string]func() error{
		"no topics": func() error { return c.reset("other", events.ResetTo{}) },
		"a shift": func() error {
			_, err := c.client.PlanReset(c.ctx, "other", topics, events.ResetTo{Shift: 1})
			return err
		},
	} {
		var unknown *events.UnknownGroupError
		if err := try(); !errors.As(err, &unknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGroupOffsetsOutsideOfTheLog(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	c.fill("billing", 10, 4)
	admin, err := c.client.Admin(c.ctx)
	c.must(err)
	commit := func(at int64) events.GroupPartition {
		c.must(admin.CommitAllOffsets(c.ctx, "billing", kadm.Offsets{registered: {0: {Topic: registered, At: at, LeaderEpoch: -1}}}))
		return c.group("billing").Partitions[0]
	}
	if p := commit(99); p.Lag != 0 || !strings.Contains(p.Problem, "beyond the end") {
		t.Errorf("beyond the end: %+v", p)
	}
	_, err = admin.DeleteRecords(c.ctx, kadm.Offsets{registered: {0: {Topic: registered, At: 6}}})
	c.must(err)
	if p := commit(4); p.Lag != 4 || p.Start != 6 || !strings.Contains(p.Problem, "deleted before they were read") {
		t.Errorf("before the start: %+v", p)
	}
	plan, err := c.client.PlanReset(c.ctx, "billing", nil, events.ResetTo{})
	c.must(err)
	if p := plan.Partitions[0]; p.After != 6 || p.Again != 0 {
		t.Errorf("a reset from before the start reads nothing again: %+v", p)
	}
}

func TestTrend(t *testing.T) {
	began := time.Now()
	look := func(after time.Duration, end, committed int64) events.Group {
		return events.Group{At: began.Add(after), Lag: end - committed,
			Partitions: []events.GroupPartition{{Topic: registered, Committed: committed, End: end, Lag: end - committed}}}
	}
	for name, c := range map[string]struct {
		end, committed int64
		verdict        events.Verdict
		lag            float64
	}{
		"nothing new":     {100, 60, events.VerdictStuck, 0},
		"nobody consumes": {120, 60, events.VerdictStuck, 10},
		"falls behind":    {140, 80, events.VerdictFallingBehind, 10},
		"catches up":      {110, 90, events.VerdictCatchingUp, -10},
		"keeps up":        {120, 80, events.VerdictKeepingUp, 0},
	} {
		trend := look(2*time.Second, c.end, c.committed).Since(look(0, 100, 60))
		if trend.Verdict != c.verdict || trend.Lag != c.lag || (trend.CatchUp != nil) != (c.lag < 0) {
			t.Errorf("%s: got %+v", name, trend)
		}
	}
	if idle := look(time.Second, 100, 100).Since(look(0, 100, 100)); idle.Verdict != events.VerdictIdle {
		t.Errorf("got %+v", idle)
	}
	if catch := look(2*time.Second, 110, 90).Since(look(0, 100, 60)); *catch.CatchUp != 2 {
		t.Errorf("20 left at 10 a second: %v", *catch.CatchUp)
	}
}
