package rpc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/pkg/rpc"
)

// definitions is what verbs say of where definitions come from: files, else the
// server, else what is kept of what it said.
type definitions struct {
	Kept           func(app.RPCOptions) string
	Protosets      []string
	Protos         []string
	ImportPaths    []string
	ReflectHeaders []string
	ProtosetOut    string
}

// bindDefinitions adds the flags.
func (d *definitions) bindDefinitions(cmd *cobra.Command) {
	d.bindSources(cmd)
	cmd.Flags().StringVar(&d.ProtosetOut, "protoset-out", "", "write the definitions that were used to this `file`, for --protoset")
}

// bindSources adds those that say where definitions come from.
func (d *definitions) bindSources(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&d.Protosets, "protoset", nil, "`file` with an encoded FileDescriptorSet to take definitions from in place of the server; may be repeated")
	flags.StringArrayVar(&d.Protos, "proto", nil, "proto source `file` to take definitions from in place of the server; may be repeated")
	flags.StringArrayVar(&d.ImportPaths, "import-path", nil, "`folder` in which proto sources and their imports are; may be repeated")
	flags.StringArrayVar(&d.ReflectHeaders, "reflect-header", nil, "`name: value` to send with questions to server reflection alone; may be repeated")
	_ = cmd.RegisterFlagCompletionFunc("reflect-header", cobra.NoFileCompletions)
	_ = cmd.MarkFlagDirname("import-path")
	_ = cmd.MarkFlagFilename("proto", "proto")
	cmd.MarkFlagsMutuallyExclusive("protoset", "proto")
}

// fromFiles reports whether no server is asked.
func (d *definitions) fromFiles() bool { return len(d.Protosets)+len(d.Protos) > 0 }

// files reads the definitions, nil when a server is to be asked.
func (d *definitions) files() (*rpc.Descriptors, error) {
	var read *rpc.Descriptors
	var err error
	switch {
	case len(d.Protosets) > 0:
		read, err = rpc.ReadProtoset(d.Protosets...)
	case len(d.Protos) > 0:
		read, err = rpc.CompileProtos(d.ImportPaths, d.Protos...)
		if err != nil && len(d.ImportPaths) == 0 {
			err = failure.WithHint(err, "imports are looked for in the working folder and beside the files; --import-path names other folders")
		}
	case len(d.ImportPaths) > 0:
		err = errors.New("--import-path says where the files of --proto are, and there is none")
	}
	if err != nil {
		return nil, &failure.UsageError{Err: err}
	}
	return read, nil
}

// reflectHeaders reads --reflect-header.
func (d *definitions) reflectHeaders() (metadata.MD, error) {
	headers := metadata.MD{}
	for _, text := range d.ReflectHeaders {
		if err := addHeader(headers, "--reflect-header", text); err != nil {
			return nil, err
		}
	}
	return headers, nil
}

// given reads the definitions that files give, nil when there are none, and has the
// connection send the headers for reflection.
func (d *definitions) given(c *connection) (*rpc.Descriptors, error) {
	var err error
	if c.RPCOptions.ReflectHeaders, err = d.reflectHeaders(); err != nil {
		return nil, err
	}
	return d.files()
}

// arguments returns target and symbol; with files there is only a symbol.
func (d *definitions) arguments(args []string) (target, symbol string, err error) {
	switch {
	case d.fromFiles() && len(args) == 2:
		return args[0], args[1], nil
	case d.fromFiles() && len(args) == 1:
		return "", args[0], nil
	case d.fromFiles():
		return "", "", nil
	case len(args) == 0:
		return "", "", failure.WithHint(failure.Usagef("the target is missing"), "name a service or host:port; with --protoset or --proto none is needed")
	case len(args) == 1:
		return args[0], "", nil
	default:
		return args[0], args[1], nil
	}
}

var errNoSymbol = failure.Usagef("--template wants a SYMBOL: the method or the message to fill in")

// keepTime is how long a list may last after it was shown, to be kept.
const keepTime = 300 * time.Millisecond

// use calls use with the definitions that are meant.
func (d *definitions) use(ctx context.Context, ios *iostreams.IOStreams, c *connection, dial dial, use func(*rpc.Descriptors) error) error {
	all := func(from *rpc.Descriptors) error {
		if err := use(from); err != nil {
			return err
		}
		return d.write(from)
	}
	files, err := d.given(c)
	if err != nil {
		return err
	}
	if files != nil {
		return explain(all(files), "")
	}
	err = c.reflect(ctx, dial, func(server *rpc.Descriptors) error {
		if err := all(server); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, keepTime)
		defer cancel()
		_ = server.Keep(ctx) // without it there is nothing to show while the server is away
		return nil
	})
	if !isAway(err) {
		return err
	}
	kept, when, keptErr := rpc.KeptDescriptors(d.Kept(c.RPCOptions))
	if keptErr != nil {
		return err
	}
	ios.Infof("%v", err)
	ios.Infof("this is what the server said %s ago, %s", time.Since(when).Round(time.Second), when.Format("2006-01-02 15:04:05"))
	return explain(all(kept), c.Target)
}

// isAway reports whether a server cannot be asked, as against one that refuses or
// settings that do not fit it.
func isAway(err error) bool {
	if err == nil {
		return false
	}
	if transport, ok := errors.AsType[*rpc.TransportError](err); ok {
		return slices.Contains([]error{rpc.ErrRefused, rpc.ErrNoAnswer, rpc.ErrUnreachable}, transport.Reason)
	}
	if _, ok := errors.AsType[*rpc.DiscoveryError](err); ok {
		return true
	}
	code, ok := rpc.Code(err)
	return ok && (code == codes.Unavailable || code == codes.DeadlineExceeded)
}

// write writes the definitions of services, of all when none is named.
func (d *definitions) write(from *rpc.Descriptors, services ...string) error {
	if d.ProtosetOut == "" {
		return nil
	}
	set, err := from.Protoset(services...)
	if err != nil {
		return err
	}
	if err := writeFile(d.ProtosetOut, set, 0o644); err != nil {
		return fmt.Errorf("write the protoset: %w", err)
	}
	return nil
}
