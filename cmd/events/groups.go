package events

import (
	"context"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events"
)

// NewCmdGroups returns the verbs on consumer groups.
func NewCmdGroups(f *app.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "groups",
		Short:   "List, describe, reset and delete consumer groups",
		Long:    "A consumer group shares the partitions of its topics among its members, and keeps how far it has come in each.",
		Example: "suokectl events groups list\nsuokectl events groups describe user-service",
	}
	cmd.AddCommand(
		NewCmdGroupsList(f, nil),
		NewCmdGroupsDescribe(f, nil),
		NewCmdGroupsReset(f, nil),
		NewCmdGroupsDelete(f, nil),
	)
	return cmd
}

// groupNames completes the names of consumer groups.
func groupNames(f *app.Factory) cobra.CompletionFunc {
	return complete.Values(f, "groups", func(ctx context.Context) ([]string, error) {
		client, err := f.Events()
		if err != nil {
			return nil, err
		}
		return client.GroupNames(ctx)
	})
}

// consumerGroup is a group as it is printed, with the trend of its lag where two
// looks were taken.
type consumerGroup struct {
	events.Group
	Trend *events.Trend `json:"trend,omitempty"`
}

func consumerGroupView() output.View[consumerGroup] {
	return output.View[consumerGroup]{
		Name:  func(g consumerGroup) string { return g.Name },
		Empty: "the cluster has no consumer groups",
		Columns: []output.Column[consumerGroup]{
			{Name: "GROUP", Whole: true, Value: func(g consumerGroup) string { return g.Name }},
			{Name: "STATE", Value: func(g consumerGroup) string { return g.State }, Style: styleState},
			{Name: "PROTOCOL", Value: consumerGroup.protocol},
			{Name: "MEMBERS", Value: func(g consumerGroup) string { return strconv.Itoa(len(g.Members)) }},
			{Name: "LAG", Value: consumerGroup.lag},
			{Name: "TOPICS", Value: func(g consumerGroup) string { return strings.Join(g.topics(), ", ") }, Wide: true},
			{Name: "COORDINATOR", Value: func(g consumerGroup) string { return strconv.Itoa(int(g.Coordinator)) }, Wide: true},
		},
	}
}

func styleState(st iostreams.Style, g consumerGroup, cell string) string {
	switch g.State {
	case "Stable":
		return st.Good(cell)
	case "Empty":
		return st.Dim(cell)
	}
	return st.Warn(cell)
}

// protocol names the type of the group, and how it shares partitions.
func (g consumerGroup) protocol() string {
	name := string(g.Type)
	if g.Type == events.GroupConsumer {
		name = "KIP-848"
	}
	if g.Assignor == "" {
		return name
	}
	return name + " (" + g.Assignor + ")"
}

func (g consumerGroup) lag() string {
	if g.Type != events.GroupClassic && g.Type != events.GroupConsumer {
		return "-" // they have no offsets of this kind
	}
	if g.Trend == nil {
		return strconv.FormatInt(g.Lag, 10)
	}
	return fmt.Sprintf("%d, %s", g.Lag, trendText(*g.Trend))
}

// topics are what the group has committed or owns, in order.
func (g consumerGroup) topics() []string {
	var topics []string
	for _, p := range g.Partitions {
		if len(topics) == 0 || topics[len(topics)-1] != p.Topic {
			topics = append(topics, p.Topic)
		}
	}
	return topics
}

func trendText(t events.Trend) string {
	text := strings.ReplaceAll(string(t.Verdict), "-", " ")
	if t.Produced != 0 || t.Consumed != 0 {
		text += fmt.Sprintf(": %s produced, %s consumed", rate(t.Produced), rate(t.Consumed))
	}
	if t.CatchUp != nil && t.Verdict == events.VerdictCatchingUp {
		text += fmt.Sprintf(", done in %s", time.Duration(math.Ceil(*t.CatchUp))*time.Second)
	}
	return text
}

func rate(perSecond float64) string { return strconv.FormatFloat(perSecond, 'f', 1, 64) + "/s" }

func groupPartitionView() output.View[events.GroupPartition] {
	return output.View[events.GroupPartition]{Columns: []output.Column[events.GroupPartition]{
		{Name: "TOPIC", Whole: true, Value: func(p events.GroupPartition) string { return p.Topic }},
		{Name: "PARTITION", Value: func(p events.GroupPartition) string { return strconv.Itoa(int(p.Partition)) }},
		{Name: "COMMITTED", Value: func(p events.GroupPartition) string { return offset(p.Committed) }},
		{Name: "END", Value: func(p events.GroupPartition) string { return offset(p.End) }},
		{Name: "LAG", Value: func(p events.GroupPartition) string { return offset(p.Lag) }},
		{Name: "CLIENT", Value: func(p events.GroupPartition) string { return orDash(p.ClientID) }},
		{Name: "HOST", Value: func(p events.GroupPartition) string { return orDash(p.Host) }, Wide: true},
		{Name: "MEMBER", Value: func(p events.GroupPartition) string { return orDash(p.Member) }, Wide: true},
		{
			Name: "PROBLEM", Value: func(p events.GroupPartition) string { return orDash(p.Problem) },
			Style: func(st iostreams.Style, p events.GroupPartition, cell string) string {
				if p.Problem == "" {
					return st.Dim(cell)
				}
				return st.Bad(cell)
			},
		},
	}}
}

// offset is one that may not be there.
func offset(n int64) string {
	if n < 0 {
		return "-"
	}
	return strconv.FormatInt(n, 10)
}

// writeGroup writes what is known of a group, and where it is in each partition.
func writeGroup(w io.Writer, ios *iostreams.IOStreams, flags output.Flags, g consumerGroup) error {
	if err := output.Fields(w, ios, flags, consumerGroupView(), g); err != nil || len(g.Partitions) == 0 {
		return err
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return output.Part(w, ios, flags, groupPartitionView(), g.Partitions)
}

// plural counts things: 1 group, 2 groups.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}
