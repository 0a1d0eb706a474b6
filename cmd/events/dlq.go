package events

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/dlq"
)

// NewCmdDLQ returns the verbs on dead letters.
func NewCmdDLQ(f *app.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dlq",
		Short: "List, understand and replay dead letters",
		Long: `A dead letter is an event that a consumer could not handle; it lies in the topic
TOPIC.dlq. Letters that failed for the same reason share a fingerprint. A replay
puts letters back into the topic they came from, exactly once: a ledger in Kafka
says which were replayed, and is written in the same transaction.`,
		Example: "suokectl events dlq list\nsuokectl events dlq show dev.auth-service.user-registered.v1.dlq",
	}
	cmd.AddCommand(NewCmdDLQList(f, nil), NewCmdDLQShow(f, nil), NewCmdDLQReplay(f, nil))
	return cmd
}

// openDLQ reaches the dead letters of a cluster.
func openDLQ(ctx context.Context, open func() (*events.Client, error)) (*dlq.Client, error) {
	client, err := open()
	if err != nil {
		return nil, err
	}
	return dlq.Open(ctx, client)
}

// dlqTopics completes dead-letter topics.
func dlqTopics(f *app.Factory) cobra.CompletionFunc {
	return complete.At(complete.Values(f, "dlq-topics", func(ctx context.Context) ([]string, error) {
		client, err := openDLQ(ctx, f.Events)
		if err != nil {
			return nil, err
		}
		return client.Names(ctx)
	}))
}

// fingerprints completes the fingerprints of the topic that is the first argument.
func fingerprints(f *app.Factory) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		values := complete.Values(f, "fingerprints-"+args[0], func(ctx context.Context) ([]string, error) {
			client, err := openDLQ(ctx, f.Events)
			if err != nil {
				return nil, err
			}
			groups, err := client.Groups(ctx, args[0])
			if err != nil {
				return nil, err
			}
			out := make([]string, len(groups))
			for i, g := range groups {
				out[i] = g.Fingerprint
			}
			return out, nil
		})
		return values(cmd, nil, prefix)
	}
}

// selectionFlags say which letters are meant.
type selectionFlags struct {
	all          bool
	fingerprints []string
	offsets      []string
}

func (s *selectionFlags) bind(f *app.Factory, cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&s.fingerprints, "fingerprint", nil, "letters with this `fingerprint`, or its beginning; may be repeated")
	flags.StringSliceVar(&s.offsets, "offset", nil, "letters at `PARTITION:OFFSET` or PARTITION:FIRST-LAST; may be repeated")
	_ = cmd.RegisterFlagCompletionFunc("fingerprint", fingerprints(f))
	_ = cmd.RegisterFlagCompletionFunc("offset", cobra.NoFileCompletions)
}

func (s *selectionFlags) selection() (dlq.Selection, error) {
	out := dlq.Selection{All: s.all}
	if s.all && len(s.fingerprints)+len(s.offsets) > 0 {
		return out, failure.Usagef("--all leaves nothing to choose with --fingerprint or --offset")
	}
	for _, text := range s.fingerprints {
		f, err := dlq.ParseFingerprint(text)
		if err != nil {
			return out, failure.Usagef("--fingerprint: %w", err)
		}
		out.Fingerprints = append(out.Fingerprints, f)
	}
	for _, text := range s.offsets {
		r, err := dlq.ParseOffsetRange(text)
		if err != nil {
			return out, failure.Usagef("--offset: %w", err)
		}
		out.Offsets = append(out.Offsets, r)
	}
	return out, nil
}

// explainDLQ adds to an error what to do next.
func explainDLQ(err error) error {
	var claimed *dlq.ClaimedError
	var fenced *dlq.FencedError
	var hanging *dlq.HangingTransactionError
	switch {
	case errors.As(err, &claimed):
		return failure.WithHint(err, "let it end; --take-over stops it and goes on from where it is (nothing is replayed twice)")
	case errors.As(err, &fenced):
		return failure.WithHint(err, "what was committed stays; run it again to replay what is left")
	case errors.As(err, &hanging):
		return failure.WithHint(err, "other partitions were not held up; run it again when the transaction is gone")
	case errors.Is(err, dlq.ErrNotDeadLetter):
		return failure.WithHint(err, "`suokectl events dlq list` shows the dead-letter topics")
	}
	return explain(err)
}
