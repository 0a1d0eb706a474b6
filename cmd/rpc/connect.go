package rpc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/rpc"
)

// dial opens a channel; it is [app.Factory.Channel].
type dial func(context.Context, app.RPCOptions) (*rpc.Channel, error)

// connection is what all verbs say of theirs.
type connection struct {
	app.RPCOptions
	MaxTime    time.Duration
	MaxMessage byteSize
}

// bind adds the flags of a connection to cmd.
func (c *connection) bind(cmd *cobra.Command) {
	c.Retry = rpc.DefaultRetry()
	flags := cmd.Flags()
	flags.StringVar(&c.Version, "version", "", "`version` of the service, such as v1; it is also sent as x-api-version")
	flags.StringArrayVar(&c.Tags, "tag", nil, "`tag` that an instance must have; may be repeated")
	flags.StringVar(&c.Transport, "transport", "", "`direct` to instances from Consul, or mesh through the sidecar, over what the context says")
	_ = cmd.RegisterFlagCompletionFunc("transport", cobra.FixedCompletions([]string{"direct", "mesh"}, cobra.ShellCompDirectiveNoFileComp))
	flags.BoolVar(&c.Plaintext, "plaintext", false, "speak no TLS")
	flags.BoolVar(&c.TLS, "tls", false, "speak TLS although the context says plaintext")
	flags.StringVar(&c.Authority, "authority", "", "`name` to send as :authority in place of the target's")
	flags.StringVar(&c.ClientTLS.CA, "cacert", "", "PEM `file` of the roots that may vouch for the server")
	flags.StringVar(&c.ClientTLS.Cert, "cert", "", "PEM `file` of a client certificate")
	flags.StringVar(&c.ClientTLS.Key, "key", "", "PEM `file` of its key")
	flags.StringVar(&c.ClientTLS.ServerName, "servername", "", "`name` to verify in place of the target's host")
	flags.BoolVar(&c.ClientTLS.Insecure, "insecure", false, "do not verify the server's certificate")
	flags.StringVar(&c.TokenFile, "token-file", "", "`file` with the token to send in place of the context's")
	flags.BoolVar(&c.Anonymous, "anonymous", false, "send no token")
	flags.IntVar(&c.Retry.Tries, "tries", c.Retry.Tries, "`number` of tries in all, on UNAVAILABLE and DEADLINE_EXCEEDED")
	flags.DurationVar(&c.Retry.AttemptTimeout, "attempt-timeout", c.Retry.AttemptTimeout, "how long one try may take, as a `duration`")
	flags.DurationVar(&c.MaxTime, "max-time", 0, "how long everything may take, as a `duration`; 0 sets no bound")
	c.MaxMessage = rpc.MaxMessageBytes
	flags.Var(&c.MaxMessage, "max-msg-size", "largest message that is received, as a `size` such as 64MiB")
	for _, name := range []string{"authority", "max-msg-size", "servername", "tries", "attempt-timeout", "max-time", "version", "tag"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
}

func (c *connection) validate() error {
	switch {
	case c.Retry.Tries < 1:
		return failure.Usagef("--tries %d: at least one try is needed", c.Retry.Tries)
	case c.Retry.AttemptTimeout < 0:
		return failure.Usagef("--attempt-timeout %s is negative", c.Retry.AttemptTimeout)
	case c.MaxTime < 0:
		return failure.Usagef("--max-time %s is negative", c.MaxTime)
	}
	c.MaxMessageBytes = int(c.MaxMessage)
	return nil
}

// bounded returns a context that --max-time ends.
func (c *connection) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.MaxTime == 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, c.MaxTime, fmt.Errorf("--max-time ran out after %s", c.MaxTime))
}

// reflect asks the target's server for its descriptors, and closes all after use.
func (c *connection) reflect(ctx context.Context, dial dial, use func(*rpc.Descriptors) error) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	channel, err := dial(ctx, c.RPCOptions)
	if err != nil {
		return explain(err, c.Target)
	}
	defer channel.Close() //nolint:errcheck // it only says that it is closed
	descriptors := channel.Reflect(ctx)
	defer descriptors.Close()
	err = use(descriptors)
	if err != nil && errors.Is(context.Cause(ctx), failure.ErrTimeout) {
		return err // no call was made whose status could be the exit code
	}
	return explain(err, c.Target)
}

// explain gives an error of a call its exit code, and says what to do next.
func explain(err error, target string) error {
	if err == nil {
		return nil
	}
	var none *discover.NoInstanceError
	if errors.As(err, &none) {
		return failure.WithHint(err, "`suokectl discover instances "+none.Service+" --health any` shows every instance")
	}
	var lookup *rpc.DiscoveryError
	if errors.As(err, &lookup) {
		return err // no call was made whose status could be the exit code
	}
	if code, ok := rpc.Code(err); ok {
		return failure.WithCode(failure.WithHint(err, hint(err, code)), failure.CodeRPC+int(code))
	}
	var broken *rpc.ImportError
	if errors.As(err, &broken) {
		return failure.WithHint(err, "other services can be used; --proto FILE with --import-path DIR, or --protoset FILE, can fill the gap")
	}
	var field *rpc.FieldError
	if errors.As(err, &field) {
		if target == "" {
			return &failure.UsageError{Err: err}
		}
		return failure.WithHint(&failure.UsageError{Err: err}, "`suokectl rpc describe "+target+" "+field.Message+"` shows the message")
	}
	var unknown *rpc.NotFoundError
	if errors.As(err, &unknown) && target != "" {
		return failure.WithHint(err, "`suokectl rpc list "+target+"` shows the services")
	}
	return err
}

// hint returns what may help against a failed call, or "".
func hint(err error, code codes.Code) string {
	switch {
	case errors.Is(err, rpc.ErrPlaintextServer):
		return "add --plaintext, or set rpc.plaintext in the context"
	case errors.Is(err, rpc.ErrTLSServer):
		return "leave out --plaintext, or add --tls when the context says plaintext"
	case errors.Is(err, rpc.ErrCertificate):
		return "name its root with --cacert FILE, or its name with --servername NAME"
	case errors.Is(err, rpc.ErrClientCertificate):
		return "give one that it trusts with --cert FILE --key FILE"
	case errors.Is(err, rpc.ErrRefused):
		return "nothing listens there: is the server running, and the address right?"
	case errors.Is(err, rpc.ErrNoAnswer):
		return "the address swallows packets, or what listens there is stuck or waits for TLS: is it the right one?"
	case errors.Is(err, rpc.ErrNoReflection):
		return "register the reflection service in the server, or define its services by --protoset FILE or --proto FILE"
	case code == codes.ResourceExhausted && strings.Contains(err.Error(), "received message larger than max"):
		return "the message is larger than one side takes; --max-msg-size says what this side takes"
	case code == codes.DeadlineExceeded:
		return "--attempt-timeout and --max-time say how long is waited"
	default:
		return ""
	}
}

// targets completes the names of services in Consul.
func targets(f *app.Factory) cobra.CompletionFunc {
	return complete.Values(f, "services", func(ctx context.Context) ([]string, error) {
		client, err := f.Discover()
		if err != nil {
			return nil, err
		}
		return client.Names(ctx)
	})
}

// names completes what the server of the first argument has: from what is kept of
// it when that is young, else the server is asked, and when it does not answer in
// time what is kept has to do.
func names(f *app.Factory, c *connection, kind string, ask func(*rpc.Descriptors) ([]string, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		c.Target = args[0]
		kept, when, err := rpc.KeptDescriptors(f.DescriptorCache(c.RPCOptions))
		fromKept := func() ([]string, cobra.ShellCompDirective) {
			found, _ := ask(kept) // a shell has no use for the reason
			return complete.Prefixed(found, prefix), cobra.ShellCompDirectiveNoFileComp
		}
		if err == nil && time.Since(when) < keptYoung {
			return fromKept()
		}
		fetch := func(ctx context.Context) (found []string, err error) {
			err = c.reflect(ctx, f.Channel, func(d *rpc.Descriptors) error {
				found, err = ask(d)
				return err
			})
			return found, err
		}
		found, directive := complete.Values(f, kind+"-"+c.Target+"-"+c.Version, fetch)(cmd, args, prefix)
		if len(found) == 0 && err == nil {
			return fromKept()
		}
		return found, directive
	}
}

// keptYoung is how long a TAB does without asking the server.
const keptYoung = time.Minute
