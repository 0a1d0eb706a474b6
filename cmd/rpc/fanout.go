package rpc

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/rpc"
)

// FanoutOptions are what `rpc fanout` needs.
type FanoutOptions struct {
	Discover func() (*discover.Client, error)
	Health   string
	CallOptions
}

// NewCmdFanout returns the verb; runF replaces its run in tests.
func NewCmdFanout(f *app.Factory, runF func(*FanoutOptions) error) *cobra.Command {
	opts := &FanoutOptions{Discover: f.Discover, CallOptions: CallOptions{IO: f.IO, Dial: f.Channel, Guard: f.GuardCall}}
	cmd := &cobra.Command{
		Use:   "fanout TARGET METHOD",
		Short: "Call a method at each instance by itself, and show how the answers differ",
		Long: `Send the same request to every instance of a service at once, each over a
connection of its own. Equal answers are shown once; one that differs is shown as a
diff from the answer that most instances gave. An instance is given as many tries as
a call, and never passed over for another one.

The exit code is 1 when an instance failed, else 100 when answers differ.`,
		Example: `suokectl rpc fanout user-service Stats
suokectl rpc fanout auth-service VerifyToken --version v1 -d '{"token":"none"}' -o json # exits 1`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: complete.At(targets(f), names(f, &opts.connection, "rpc-methods", allMethods)),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Target, opts.Method, opts.Verbose = args[0], args[1], f.Verbose
			if err := errors.Join(opts.validate(), opts.Output.Validate()); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return runFanout(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.Health, "health", string(discover.Passing), "least `health` wanted of an instance: passing, warning, any")
	levels := []string{string(discover.Passing), string(discover.Warning), string(discover.Any)}
	_ = cmd.RegisterFlagCompletionFunc("health", cobra.FixedCompletions(levels, cobra.ShellCompDirectiveNoFileComp))
	opts.bindRequest(cmd)
	opts.bindSources(cmd)
	opts.bind(cmd)
	opts.Output.Bind(cmd)
	return cmd
}

// answer is what one instance said.
type answer struct {
	Instance string `json:"instance"`
	Version  string `json:"version,omitempty"`
	// Group numbers equal answers from 1, the largest group first.
	Group int `json:"group"`
	// Call is nil when the instance could not be called at all.
	Call  *rpc.Call `json:"call,omitempty"`
	Error string    `json:"error,omitempty"`
	text  string    // that is compared
}

// failed reports whether the call did not end with OK.
func (a answer) failed() bool { return a.Call == nil || a.Call.Err() != nil }

func runFanout(ctx context.Context, opts *FanoutOptions) error {
	request, err := opts.request()
	if err != nil {
		return err
	}
	request.OnMessage = nil
	if request.Descriptors, err = opts.given(&opts.connection); err != nil {
		return err
	}
	source, err := open(opts.Data, opts.IO)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(source) // it is sent more than once
	if err := errors.Join(err, source.Close()); err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	if err := opts.Guard(ctx, fmt.Sprintf("call %s of each instance of %s", opts.Method, opts.Target)); err != nil {
		return err
	}
	ctx, cancel := opts.bounded(ctx)
	defer cancel()
	list, err := instances(ctx, opts.Discover, opts.RPCOptions, discover.Health(opts.Health))
	if err != nil {
		return explain(err, opts.Target)
	}
	answers := each(ctx, list, opts.Dial, opts.RPCOptions, func(ctx context.Context, in instance, channel *rpc.Channel, err error) answer {
		a := answer{Instance: in.Address, Version: in.Version}
		if err == nil {
			mine := request
			mine.Body = bytes.NewReader(body)
			a.Call, err = channel.Call(ctx, mine)
		}
		return a.said(err, request.Text)
	})
	group(answers)
	if err := opts.show(answers); err != nil {
		return err
	}
	return differ(answers)
}

// said notes the text that is compared: the messages, which may be in text form, or
// why there are none.
func (a answer) said(err error, inText bool) answer {
	var text strings.Builder
	switch {
	case err != nil:
		a.Error = reason(err)
		fmt.Fprintln(&text, a.Error)
	default:
		for _, message := range a.Call.Messages {
			text.WriteString(compared(message, inText))
		}
		if failed := a.Call.Err(); failed != nil {
			a.Error = a.Call.Status.Code + ": " + lastMessage(a.Call, failed)
			fmt.Fprintln(&text, a.Error)
		}
	}
	a.text = text.String()
	return a
}

// compared returns a message with the fields of its objects in the order of their
// names, since instances that define them in another order answer the same. In text
// form it is a string, of lines.
func compared(message json.RawMessage, inText bool) string {
	var lines string
	if inText && json.Unmarshal(message, &lines) == nil {
		return strings.TrimSuffix(lines, "\n") + "\n"
	}
	decoder := json.NewDecoder(bytes.NewReader(message))
	decoder.UseNumber()
	var value any
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if decoder.Decode(&value) != nil || encoder.Encode(value) != nil {
		return string(message) + "\n" // which is no JSON
	}
	return text.String()
}

// lastMessage is why a call failed without what may differ although answers are the
// same: the number of tries, and the address that could not be reached.
func lastMessage(call *rpc.Call, err error) string {
	if _, ok := errors.AsType[*rpc.TransportError](err); ok {
		return reason(err)
	}
	if n := len(call.Attempts); n > 0 {
		return call.Attempts[n-1].Message
	}
	return call.Status.Message
}

// group numbers equal answers, those of the most instances first.
func group(answers []answer) {
	count := map[string]int{}
	for _, a := range answers {
		count[a.text]++
	}
	var texts []string
	for _, a := range answers {
		if !slices.Contains(texts, a.text) {
			texts = append(texts, a.text)
		}
	}
	slices.SortStableFunc(texts, func(a, b string) int { return cmp.Compare(count[b], count[a]) })
	for i := range answers {
		answers[i].Group = slices.Index(texts, answers[i].text) + 1
	}
}

func (o *FanoutOptions) show(answers []answer) error {
	if !o.Output.Human() {
		return output.List(o.IO, o.Output, output.View[answer]{Name: func(a answer) string { return a.Instance }}, answers)
	}
	byGroup := map[int][]answer{}
	for _, a := range answers {
		byGroup[a.Group] = append(byGroup[a.Group], a)
	}
	style := o.IO.Style()
	for number := 1; number <= len(byGroup); number++ {
		members := byGroup[number]
		names := make([]string, len(members))
		for i, a := range members {
			names[i] = strings.TrimSpace(a.Instance + " " + a.Version)
		}
		title := fmt.Sprintf("%d of %d: %s", len(members), len(answers), strings.Join(names, ", "))
		text := members[0].text
		if number > 1 {
			text = string(diff.Diff(byGroup[1][0].Instance, []byte(byGroup[1][0].text), members[0].Instance, []byte(text)))
		}
		if err := output.Text(o.IO, "%s\n%s", style.Bold(o.IO.Clean(title)), o.IO.Clean(text)); err != nil {
			return err
		}
	}
	return nil
}

// differ says by the exit code what came out.
func differ(answers []answer) error {
	var failed []string
	groups := 0
	for _, a := range answers {
		groups = max(groups, a.Group)
		if a.failed() {
			failed = append(failed, a.Instance)
		}
	}
	switch {
	case len(failed) > 0:
		return fmt.Errorf("%d of %d instances failed: %s", len(failed), len(answers), strings.Join(failed, ", "))
	case groups > 1:
		return failure.Findings(groups - 1)
	default:
		return nil
	}
}
