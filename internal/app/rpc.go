package app

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/grpc/metadata"

	"github.com/suokelife/suokectl/internal/config"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/rpc"
	"github.com/suokelife/suokectl/pkg/secure"
)

// RPCOptions is what a command line says of a connection; the context says the
// rest.
type RPCOptions struct {
	// Target may name a service or an address. Version and Tags narrow a service.
	Target  string
	Version string
	Tags    []string
	// Transport is direct or mesh, over what the context says; "" leaves it.
	Transport string
	// OneVersion refuses a service that runs in several versions, when Version
	// says none: what one of them describes another may not have.
	OneVersion bool
	// Plaintext and TLS choose between them, over what the context says.
	Plaintext, TLS bool
	// ClientTLS replaces the context's TLS settings when it is not zero, and
	// chooses TLS.
	ClientTLS secure.ClientTLS
	// TokenFile replaces the context's token. Anonymous sends none.
	TokenFile string
	Anonymous bool
	Retry     rpc.Retry
	// Bare leaves out what a channel adds to calls, see [rpc.Config].
	Bare bool
	// Authority replaces the :authority of calls.
	Authority string
	// MaxMessageBytes bounds a received message; 0 is the default.
	MaxMessageBytes int
	// ReflectHeaders go with questions to server reflection alone.
	ReflectHeaders metadata.MD
	// Timings has calls tell the times of their connections.
	Timings bool
}

// The values of rpc.transport: calls go to instances from Consul, or to a
// sidecar, which balances.
const (
	DirectTransport = "direct"
	MeshTransport   = "mesh"
)

// Channel opens a channel as the command line and the context say. An address
// can be called without a context.
func (f *Factory) Channel(ctx context.Context, o RPCOptions) (*rpc.Channel, error) {
	target, err := rpc.ParseTarget(o.Target)
	if err != nil {
		return nil, &failure.UsageError{Err: err}
	}
	if target.Version == "" {
		target.Version = o.Version
	}
	target.Tags = append(target.Tags, o.Tags...)
	settings, err := f.rpcSettings(target)
	if err != nil {
		return nil, err
	}
	if o.Transport != "" {
		settings.Transport = o.Transport
	}
	if t := settings.Transport; t != "" && t != DirectTransport && t != MeshTransport {
		return nil, failure.Usagef("unknown transport %q: it is %s or %s", t, DirectTransport, MeshTransport)
	}
	conventions, err := f.Conventions()
	if err != nil {
		return nil, err
	}
	retry := o.Retry
	retry.AfterDeadline = conventions.RetryAfterDeadline
	channel := rpc.Config{
		Target: target.String(), ClientVersion: "suokectl/" + f.Version, APIVersion: target.Version,
		Headers: conventions.Headers, Retry: &retry, Bare: o.Bare,
		Authority: o.Authority, MaxMessageBytes: o.MaxMessageBytes, ReflectHeaders: o.ReflectHeaders, Timings: o.Timings,
		DescriptorCache: f.DescriptorCache(o),
	}
	pruneDescriptors(channel.DescriptorCache)
	mesh := target.Service != "" && settings.Transport == MeshTransport
	if channel.TLS, err = o.transport(settings, mesh); err != nil {
		return nil, err
	}
	switch {
	case mesh && settings.MeshAddress == "":
		return nil, f.Missing("rpc.mesh_address")
	case mesh:
		channel.Target, channel.Name, channel.Authority = settings.MeshAddress, target.Service, cmp.Or(o.Authority, target.Service)
	case target.Service != "":
		channel.Instances = f.instances(target, o.OneVersion)
	}
	if err := f.addToken(&channel, o, settings, mesh); err != nil {
		return nil, err
	}
	return rpc.NewChannel(ctx, channel)
}

// DescriptorCache returns the folder for the descriptors of a target, which a
// context, version and tags of a service have for themselves; "" when there is none.
func (f *Factory) DescriptorCache(o RPCOptions) string {
	paths, err := f.Paths()
	if err != nil {
		return ""
	}
	target, err := rpc.ParseTarget(o.Target)
	if err != nil {
		return ""
	}
	where := "" // an address is the same in each context
	if c, err := f.Context(); err == nil && target.Service != "" {
		where = c.Name
	}
	key := append([]string{where, target.String(), cmp.Or(target.Version, o.Version), o.Transport, o.Authority}, append(target.Tags, o.Tags...)...)
	sum := sha256.Sum256([]byte(strings.Join(key, "\x00")))
	return filepath.Join(paths.Cache, "descriptors", hex.EncodeToString(sum[:16]))
}

// descriptorTargets is of how many targets the descriptors are kept.
const descriptorTargets = 200

// pruneDescriptors makes room for a target of which there are no descriptors yet. A
// cache that cannot be pruned is only a larger one.
func pruneDescriptors(dir string) {
	if dir == "" {
		return
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		_ = rpc.PruneDescriptorCache(filepath.Dir(dir), descriptorTargets-1)
	}
}

// GuardCall is Guard for a call, which needs no context when the target is an
// address.
func (f *Factory) GuardCall(ctx context.Context, what string) error {
	if _, err := f.Context(); errors.Is(err, config.ErrNoContext) {
		return nil // what needs a context says so itself
	}
	return f.Guard(ctx, what)
}

// rpcSettings returns the context's, or none for an address without a context.
func (f *Factory) rpcSettings(target rpc.Target) (config.RPC, error) {
	c, err := f.Context()
	if errors.Is(err, config.ErrNoContext) && target.Service == "" {
		return config.RPC{}, nil
	}
	if err != nil {
		return config.RPC{}, err
	}
	return c.RPC, nil
}

// instances asks the context's Consul when the channel does.
func (f *Factory) instances(target rpc.Target, oneVersion bool) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		client, err := f.Discover()
		if err != nil {
			return nil, err
		}
		list, err := client.Instances(ctx, target.Service, discover.Query{Version: target.Version, Tags: target.Tags})
		if err != nil {
			return nil, err
		}
		if versions := discover.Versions(list); oneVersion && len(versions) > 1 {
			return nil, failure.WithHint(
				failure.Usagef("%s runs in versions %s, which may have different methods", target.Service, strings.Join(versions, " and ")),
				"choose one: --version "+versions[0])
		}
		return discover.HostPorts(list), nil
	}
}

// transport returns nil for plaintext. To a sidecar it is always plaintext: the
// mesh encrypts, and a client's own TLS would hide the call from it.
func (o RPCOptions) transport(settings config.RPC, mesh bool) (*tls.Config, error) {
	wanted := o.TLS || o.ClientTLS != secure.ClientTLS{}
	switch {
	case o.Plaintext && wanted:
		return nil, failure.Usagef("--plaintext excludes --tls and its settings")
	case mesh && wanted:
		return nil, failure.Usagef("the context's transport is mesh, which encrypts by itself: leave out the TLS flags")
	case mesh, o.Plaintext, settings.Plaintext && !wanted:
		return nil, nil
	}
	chosen := o.ClientTLS
	if chosen == (secure.ClientTLS{}) {
		chosen = settings.TLS.Client()
	}
	return chosen.Config()
}

// addToken puts the context's or the given token on the channel's calls. It
// travels in plaintext only where the context says plaintext, to a sidecar, or
// to this machine.
func (f *Factory) addToken(channel *rpc.Config, o RPCOptions, settings config.RPC, mesh bool) error {
	token, err := f.token(o, settings.Token)
	if err != nil || token == nil {
		return err
	}
	allowed := mesh || settings.Plaintext || Local(channel.Target)
	if channel.TLS == nil && !allowed {
		return failure.WithHint(
			fmt.Errorf("%s: a service token is not sent in plaintext to another machine", channel.Target),
			"use --tls, or --anonymous to send no token; rpc.plaintext in the context allows it for good")
	}
	channel.Credentials = secure.CallCredentials{Token: token, AllowPlaintext: allowed, Header: channel.Headers.Authorization}
	return nil
}

// token returns nil when no token is known.
func (f *Factory) token(o RPCOptions, t config.Token) (func() (string, error), error) {
	switch {
	case o.Anonymous && o.TokenFile != "":
		return nil, failure.Usagef("--anonymous and --token-file exclude each other")
	case o.Anonymous:
		return nil, nil
	case o.TokenFile != "":
		return fileToken(o.TokenFile)
	case t.File != "":
		return fileToken(t.File)
	case t.Secret == "":
		return nil, nil
	}
	conventions, err := f.Conventions()
	if err != nil {
		return nil, err
	}
	if t.Issuer == "" {
		t.Issuer = "suokectl"
	}
	source, err := secure.NewTokenSource(secure.TokenConfig{
		Issuer: t.Issuer, Secret: []byte(t.Secret), Subject: conventions.Token.Subject, Audience: conventions.Token.Audience,
	})
	if err != nil {
		return nil, err
	}
	return source.Token, nil
}

// fileToken reads the file once, so that what is wrong with it is known before a
// call is made.
func fileToken(path string) (func() (string, error), error) {
	token := secure.FileToken(path)
	_, err := token()
	return token, err
}

// Local reports whether an address is on this machine.
func Local(address string) bool {
	if strings.HasPrefix(address, "unix:") {
		return true
	}
	host, _, err := net.SplitHostPort(strings.TrimPrefix(address, "dns:///"))
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
