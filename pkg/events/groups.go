package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/suokelife/suokectl/pkg/spec"
)

// GroupType is the protocol by which the members of a group share partitions.
type GroupType string

// The types of groups. Offsets are read and reset of the first two.
const (
	// GroupClassic members elect a leader among them, which assigns.
	GroupClassic GroupType = "classic"
	// GroupConsumer members are assigned by the broker (KIP-848).
	GroupConsumer GroupType = "consumer"
	// GroupShare members share partitions record by record (KIP-932).
	GroupShare GroupType = "share"
	// GroupStreams members are Kafka Streams applications (KIP-1071).
	GroupStreams GroupType = "streams"
)

// Group is a consumer group with the state of its work.
type Group struct {
	Name string    `json:"name"`
	Type GroupType `json:"type"`
	// State is Kafka's name of it, such as Stable, Empty or PreparingRebalance.
	State string `json:"state"`
	// Assignor is how partitions are shared, such as cooperative-sticky; empty
	// in a group without members.
	Assignor string `json:"assignor,omitempty"`
	// Coordinator is the id of the broker that looks after the group.
	Coordinator int32            `json:"coordinator"`
	Members     []GroupMember    `json:"members"`
	Partitions  []GroupPartition `json:"partitions"`
	// Lag is the sum of what is known of the partitions' lags.
	Lag int64 `json:"lag"`
	// At is when the offsets were read.
	At time.Time `json:"at"`
}

// GroupMember is one live member of a group.
type GroupMember struct {
	ID string `json:"id"`
	// InstanceID is set for static members.
	InstanceID string `json:"instance_id,omitempty"`
	ClientID   string `json:"client_id"`
	Host       string `json:"host"`
	// Assigned holds the partitions of each topic.
	Assigned map[string][]int32 `json:"assigned"`
}

// UnknownGroupError is returned for a group that does not exist.
type UnknownGroupError struct {
	Group string
	// Nearest is the group that was probably meant; may be empty.
	Nearest string
}

func (e *UnknownGroupError) Error() string {
	if e.Nearest == "" {
		return fmt.Sprintf("group %s does not exist", e.Group)
	}
	return fmt.Sprintf("group %s does not exist: did you mean %s?", e.Group, e.Nearest)
}

// GroupListing is what the list of groups says of one.
type GroupListing struct {
	Name        string
	Type        GroupType
	State       string
	Coordinator int32
}

// UnlistedGroupsError is returned when a broker did not tell the groups that it
// looks after.
type UnlistedGroupsError struct {
	// Broker is its id.
	Broker int32
	// Err is why; of the network's, or of the broker's.
	Err error
}

func (e *UnlistedGroupsError) Error() string {
	return fmt.Sprintf("list groups of broker %d: %s", e.Broker, problem(e.Err))
}

// Unwrap returns why the broker did not.
func (e *UnlistedGroupsError) Unwrap() error { return e.Err }

// GroupListings lists the groups that the client may see, sorted by name. What
// some brokers tell is returned beside the joined errors of the others, each an
// [*UnlistedGroupsError] or a [*DeniedError].
func (c *Client) GroupListings(ctx context.Context) ([]GroupListing, error) {
	if err := c.Ping(ctx); err != nil {
		return nil, err
	}
	var groups []GroupListing
	var failed []error
	for _, shard := range c.kafka.RequestSharded(ctx, kmsg.NewPtrListGroupsRequest()) {
		answer, err := listedGroups(shard)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		for _, g := range answer.Groups {
			kind := GroupType(g.GroupType)
			if kind == "" { // a broker before Kafka 3.8 has no other
				kind = GroupClassic
			}
			groups = append(groups, GroupListing{g.Group, kind, g.GroupState, shard.Meta.NodeID})
		}
	}
	slices.SortFunc(groups, func(a, b GroupListing) int { return cmp.Compare(a.Name, b.Name) })
	if ctx.Err() != nil {
		return nil, fmt.Errorf("list groups: %w", context.Cause(ctx))
	}
	return groups, errors.Join(failed...)
}

// listedGroups is what one broker says of its groups.
func listedGroups(shard kgo.ResponseShard) (*kmsg.ListGroupsResponse, error) {
	if shard.Err != nil {
		return nil, &UnlistedGroupsError{shard.Meta.NodeID, shard.Err}
	}
	answer := shard.Resp.(*kmsg.ListGroupsResponse)
	err := kerr.ErrorForCode(answer.ErrorCode)
	switch {
	case err == nil:
		return answer, nil
	case isDenied(err):
		return nil, refused(fmt.Sprintf("list groups of broker %d", shard.Meta.NodeID), err)
	}
	return nil, &UnlistedGroupsError{shard.Meta.NodeID, err}
}

// GroupNames lists the names of the groups that the client may see.
func (c *Client) GroupNames(ctx context.Context) ([]string, error) {
	listed, err := c.GroupListings(ctx)
	var names []string
	for _, g := range listed {
		names = append(names, g.Name)
	}
	return names, err
}

// Groups describes the named groups with their lag, or with no names all that
// the client may see, sorted by name. What can be told of some is returned
// beside the joined errors of the others: an [*UnknownGroupError], a
// [*DeniedError] or an [*UnlistedGroupsError] each. Members and lag are told of
// classic and KIP-848 groups alone.
func (c *Client) Groups(ctx context.Context, names ...string) ([]Group, error) {
	all, unlisted := c.GroupListings(ctx)
	if len(all) == 0 && unlisted != nil {
		return nil, unlisted
	}
	wanted, failed := all, unlisted
	if len(names) > 0 {
		wanted, failed = c.pickGroups(ctx, all, unlisted, names)
	}
	described, err := c.describeGroups(ctx, wanted)
	if err != nil {
		return nil, err
	}
	return described, errors.Join(failed, c.measureLag(ctx, described))
}

// pickGroups finds the named ones in the list, and says why one is not there: a
// list that lacks those of some brokers does not say that there is none.
func (c *Client) pickGroups(ctx context.Context, all []GroupListing, unlisted error, names []string) ([]GroupListing, error) {
	byName := make(map[string]GroupListing, len(all))
	for _, g := range all {
		byName[g.Name] = g
	}
	var picked []GroupListing
	var failed []error
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		if g, ok := byName[name]; ok {
			picked = append(picked, g)
			continue
		}
		if unlisted != nil {
			failed = append(failed, fmt.Errorf("look for group %s: %w", name, unlisted))
			continue
		}
		failed = append(failed, c.missingGroup(ctx, name, slices.Sorted(maps.Keys(byName))))
	}
	return picked, errors.Join(failed...)
}

// missingGroup asks for a group that the list lacks: the list holds only what
// the client may see.
func (c *Client) missingGroup(ctx context.Context, name string, known []string) error {
	if _, err := c.admin.DescribeGroups(ctx, name); err != nil {
		return refused("describe group "+name, err)
	}
	return &UnknownGroupError{Group: name, Nearest: spec.Nearest(name, known)}
}

// describeGroups adds the members to what the list says.
func (c *Client) describeGroups(ctx context.Context, listed []GroupListing) ([]Group, error) {
	names := make(map[GroupType][]string)
	groups := make([]Group, len(listed))
	index := make(map[string]*Group, len(listed))
	for i, g := range listed {
		names[g.Type] = append(names[g.Type], g.Name)
		groups[i] = Group{Name: g.Name, Type: g.Type, State: g.State, Coordinator: g.Coordinator,
			Members: []GroupMember{}, Partitions: []GroupPartition{}}
		index[g.Name] = &groups[i]
	}
	if len(names[GroupClassic]) > 0 {
		described, err := c.admin.DescribeGroups(ctx, names[GroupClassic]...)
		if err != nil {
			return nil, refused("describe groups", err)
		}
		for name, d := range described {
			index[name].fromClassic(d)
		}
	}
	if len(names[GroupConsumer]) > 0 {
		described, err := c.admin.DescribeConsumerGroups(ctx, names[GroupConsumer]...)
		if err != nil {
			return nil, refused("describe groups", err)
		}
		for name, d := range described {
			index[name].fromConsumer(d)
		}
	}
	return groups, nil
}

// fromClassic takes over a description. One that failed leaves what the list
// said: the group went in between.
func (g *Group) fromClassic(d kadm.DescribedGroup) {
	if d.Err != nil {
		return
	}
	g.State, g.Assignor = d.State, d.Protocol
	for _, m := range d.Members {
		member := GroupMember{ID: m.MemberID, InstanceID: deref(m.InstanceID), ClientID: m.ClientID, Host: m.ClientHost, Assigned: map[string][]int32{}}
		if assigned, ok := m.Assigned.AsConsumer(); ok {
			for _, t := range assigned.Topics {
				member.Assigned[t.Topic] = slices.Sorted(slices.Values(t.Partitions))
			}
		}
		g.Members = append(g.Members, member)
	}
}

func (g *Group) fromConsumer(d kadm.DescribedConsumerGroup) {
	if d.Err != nil {
		return
	}
	g.State, g.Assignor = d.State, d.AssignorName
	for _, m := range d.Members {
		member := GroupMember{ID: m.MemberID, InstanceID: deref(m.InstanceID), ClientID: m.ClientID, Host: m.ClientHost, Assigned: map[string][]int32{}}
		for topic, partitions := range m.Assignment {
			member.Assigned[topic] = slices.Sorted(maps.Keys(partitions))
		}
		g.Members = append(g.Members, member)
	}
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
