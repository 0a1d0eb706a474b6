package events

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events"
)

// NewCmdTopics returns the verbs on topics.
func NewCmdTopics(f *app.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "topics",
		Short:   "List, describe, create, alter, delete and check topics",
		Long:    "Topics are named {env}.{service}.{event-type}.{version}; dead letters are in <topic>.dlq.",
		Example: "suokectl events topics list\nsuokectl events topics check dev.auth-service.user-registered.v1",
	}
	cmd.AddCommand(
		NewCmdTopicsList(f, nil),
		NewCmdTopicsDescribe(f, nil),
		NewCmdTopicsOffsets(f, nil),
		NewCmdTopicsCreate(f, nil),
		NewCmdTopicsAlter(f, nil),
		NewCmdTopicsDelete(f, nil),
		NewCmdTopicsCheck(f, nil),
	)
	return cmd
}

func topicView() output.View[events.Topic] {
	return output.View[events.Topic]{
		Columns: []output.Column[events.Topic]{
			{Name: "TOPIC", Whole: true, Value: func(t events.Topic) string { return t.Name }},
			{Name: "KIND", Value: func(t events.Topic) string { return string(t.Kind) }},
			{Name: "PARTITIONS", Value: func(t events.Topic) string { return strconv.Itoa(len(t.Partitions)) }},
			{Name: "REPLICAS", Value: func(t events.Topic) string { return strconv.Itoa(t.Replicas) }},
			{Name: "OFFSETS", Value: func(t events.Topic) string { return strconv.FormatInt(t.Span(), 10) }},
			{
				Name: "HEALTH", Value: func(t events.Topic) string { return health(t.UnderReplicated, t.Offline) },
				Style: func(st iostreams.Style, t events.Topic, cell string) string {
					return styleHealth(st, t.UnderReplicated, t.Offline, cell)
				},
			},
			{Name: "ID", Value: func(t events.Topic) string { return t.ID }, Wide: true},
		},
		Name:  func(t events.Topic) string { return t.Name },
		Empty: "the cluster has no topics",
	}
}
