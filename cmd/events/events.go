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
	"github.com/suokelife/suokectl/internal/config"
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
checked before it is sent; what is read is handed on as it is.

-X sets properties of the Kafka client by the names that librdkafka and kcat have
for them, over what the context says. A secret is given by reference:
-X 'sasl.password=${env:KAFKA_PASSWORD}' or ${file:PATH}.`,
		Example: "suokectl events topics list\n" +
			"suokectl events cluster -X socket.timeout.ms=2000 -X client.id=on-call\n" +
			"suokectl events consume dev.auth-service.user-registered.v1 --until now",
	}
	cmd.PersistentFlags().StringArrayVarP(&f.KafkaProperties, "property", "X", nil, "Kafka client `property` as kcat takes it, such as security.protocol=ssl; may be repeated")
	_ = cmd.RegisterFlagCompletionFunc("property", completeProperty)
	cmd.AddCommand(
		NewCmdCluster(f, nil),
		NewCmdTopics(f),
		NewCmdGroups(f),
		NewCmdEmit(f, nil),
		NewCmdProduce(f, nil),
		NewCmdConsume(f, nil),
		NewCmdSearch(f, nil),
		NewCmdCopy(f, nil),
		NewCmdExport(f, nil),
		NewCmdImport(f, nil),
		NewCmdSchema(f),
		NewCmdDLQ(f),
	)
	return cmd
}

// completeProperty offers the names of properties.
func completeProperty(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, name := range config.PropertyNames() {
		names = append(names, name+"=")
	}
	return complete.Prefixed(names, prefix), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
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
	var unlisted *events.UnlistedGroupsError
	switch {
	case errors.As(err, &connect):
		return failure.WithHint(err, connect.Hint+setBy(connect.Reason))
	case errors.As(err, &unknown) && unknown.Nearest == "":
		return failure.WithHint(err, "`suokectl events topics list` shows what there is; `suokectl events topics create "+unknown.Topic+"` makes it")
	case errors.As(err, &name):
		return failure.WithHint(err, "a topic is named env.service.event-type.version, such as prod.auth-service.user-registered.v1")
	case errors.As(err, &group) && group.Nearest == "" && failure.Hint(err) == "":
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
	case isComingBack(err), errors.As(err, &unlisted):
		return failure.WithHint(err, "a broker is down or starting, or the cluster elects: try again in some seconds; `suokectl events cluster` shows who is there")
	case errors.Is(err, spool.ErrInUse):
		return failure.WithHint(err, "another suokectl uses the spool of this context: wait until it ends")
	case errors.As(err, &outcome) && outcome.Spool != "":
		return failure.WithHint(err, "`suokectl events produce --spool` sends it with the same id; it may then be stored twice, so consumers must be idempotent by meta.id")
	case errors.As(err, &outcome):
		return failure.WithHint(err, "look with `suokectl events consume "+outcome.Topic+" --from -5m --until now` before sending it again; consumers must be idempotent by meta.id")
	}
	return err
}

// setBy names the settings that a failed connection may lack.
func setBy(reason events.ConnectReason) string {
	switch reason {
	case events.ReasonUnknownCA:
		return " (kafka.tls.ca, or -X ssl.ca.location=FILE)"
	case events.ReasonOtherName:
		return " (kafka.tls.server_name)"
	case events.ReasonNoCertificate, events.ReasonCertificate:
		return " (kafka.tls.cert and kafka.tls.key, or -X ssl.certificate.location=FILE -X ssl.key.location=FILE)"
	case events.ReasonPlaintext, events.ReasonSecured:
		return " (kafka.tls.enabled, or -X security.protocol=plaintext|ssl|sasl_plaintext|sasl_ssl)"
	case events.ReasonUnauthorised, events.ReasonCredentials, events.ReasonMechanism:
		return " (kafka.sasl, or -X sasl.mechanism=…, -X sasl.username=…, -X 'sasl.password=${env:…}')"
	case events.ReasonToken:
		return " (kafka.sasl.token_file, kafka.sasl.token_url, or -X 'sasl.oauthbearer.token=${file:…}')"
	}
	return ""
}

// isComingBack reports an error that a cluster gives while a broker starts or a
// leader, coordinator or controller is elected.
func isComingBack(err error) bool {
	for _, known := range []error{events.ErrNoController, kerr.NotController, kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress,
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
