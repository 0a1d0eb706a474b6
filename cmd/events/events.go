// Package events is `suokectl events`: topics, producing and reading events,
// their schemas and their dead letters.
package events

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/spool"
	"github.com/suokelife/suokectl/pkg/spec"
)

// NewCmdEvents returns the noun with its verbs.
func NewCmdEvents(f *app.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Produce, read and repair events on Kafka",
		Long: `An event is {"meta": {id, type, version, source, time, correlation_id}, "data": …}
on a topic named {env}.{service}.{event-type}.{version}. What is produced is
checked before it is sent; what is read is handed on as it is.`,
		Example: "suokectl events topics list\n" +
			"suokectl events consume dev.auth-service.user-registered.v1 --until now",
	}
	cmd.AddCommand(
		NewCmdCluster(f, nil),
		NewCmdTopics(f),
		NewCmdGroups(f),
		NewCmdEmit(f, nil),
		NewCmdProduce(f, nil),
		NewCmdConsume(f, nil),
		NewCmdSearch(f, nil),
		NewCmdSchema(f),
		NewCmdDLQ(f),
	)
	return cmd
}

// explain gives the errors of pkg/events a hint on what to do next.
func explain(err error) error {
	var connect *events.ConnectError
	var unknown *events.UnknownTopicError
	var name *spec.TopicError
	var outcome *events.UnknownOutcomeError
	var group *events.UnknownGroupError
	var live *events.LiveGroupError
	var denied *events.DeniedError
	var config *events.UnknownConfigError
	switch {
	case errors.As(err, &connect):
		return failure.WithHint(err, connect.Hint)
	case errors.As(err, &unknown) && unknown.Nearest == "":
		return failure.WithHint(err, "`suokectl events topics list` shows what there is; `suokectl events topics create "+unknown.Topic+"` makes it")
	case errors.As(err, &name):
		return failure.WithHint(err, "a topic is named env.service.event-type.version, such as prod.auth-service.user-registered.v1")
	case errors.As(err, &group) && group.Nearest == "":
		return failure.WithHint(err, "`suokectl events groups list` shows what there is; a group begins with its first member")
	case errors.As(err, &live):
		return failure.WithHint(err, "stop its members and try again; `suokectl events groups describe "+live.Group+"` shows them")
	case errors.Is(err, events.ErrGroupMoved):
		return failure.WithHint(err, "nothing was changed: somebody still consumes; look with `suokectl events groups list`")
	case errors.Is(err, events.ErrNothingToReset):
		return failure.WithHint(err, "add --topic TOPIC for each")
	case errors.As(err, &denied):
		return failure.WithHint(err, "ask who runs the cluster for the right, or use other credentials; what is not named is not affected")
	case errors.As(err, &config) && config.Nearest == "":
		return failure.WithHint(err, "`suokectl events topics describe TOPIC -o wide` lists the configurations of a topic")
	case errors.Is(err, kerr.PolicyViolation):
		return failure.WithHint(err, "the cluster has a policy against it: ask who runs the cluster")
	case errors.Is(err, kerr.InvalidReplicationFactor):
		return failure.WithHint(err, "a topic has at most as many replicas as there are brokers: `suokectl events cluster` lists them")
	case isComingBack(err):
		return failure.WithHint(err, "a broker is starting or the cluster elects: try again in some seconds; `suokectl events cluster` shows who is there")
	case errors.Is(err, spool.ErrInUse):
		return failure.WithHint(err, "another suokectl uses the spool of this context: wait until it ends")
	case errors.As(err, &outcome) && outcome.Spool != "":
		return failure.WithHint(err, "`suokectl events produce --spool` sends it with the same id; it may then be stored twice, so consumers must be idempotent by meta.id")
	case errors.As(err, &outcome):
		return failure.WithHint(err, "look with `suokectl events consume "+outcome.Topic+" --from -5m --until now` before sending it again; consumers must be idempotent by meta.id")
	}
	return err
}

// isComingBack reports an error that a cluster gives while a broker starts or a
// leader, coordinator or controller is elected.
func isComingBack(err error) bool {
	for _, known := range []error{kerr.NotController, kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress,
		kerr.NotCoordinator, kerr.LeaderNotAvailable, kerr.NotLeaderForPartition, kerr.BrokerNotAvailable} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// topicNames completes the names of topics.
func topicNames(f *app.Factory) cobra.CompletionFunc {
	return complete.Values(f, "topics", func(ctx context.Context) ([]string, error) {
		client, err := f.Events()
		if err != nil {
			return nil, err
		}
		return client.TopicNames(ctx)
	})
}
