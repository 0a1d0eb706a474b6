package rpc

import (
	"context"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/config"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/pkg/rpc"
)

// savedCall is a call as a file that can be committed and shared. What is not
// there is not set; ${env:NAME} stands for a variable of who makes the call.
// Tokens are never in it.
type savedCall struct {
	Target  string   `yaml:"target"`
	Method  string   `yaml:"method"`
	Version string   `yaml:"version,omitempty"`
	Tags    []string `yaml:"tags,omitempty"`
	Headers []string `yaml:"headers,omitempty"`
	// Flags are other flags of the call by their names.
	Flags map[string]string `yaml:"flags,omitempty"`
	Body  string            `yaml:"body,omitempty"`
}

// savedFlags are those that change what a call means. What says who makes it, or
// from where, is not among them.
func savedFlags() []string {
	return []string{
		"transport", "plaintext", "tls", "authority", "servername", "max-msg-size", "anonymous",
		"tries", "attempt-timeout", "max-time", "format", "emit-defaults", "allow-unknown-fields", "expect",
	}
}

// readSaved reads a call and expands its references.
func readSaved(ctx context.Context, path string, getenv func(string) string) (*savedCall, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the saved call: %w", err)
	}
	saved := new(savedCall)
	if err := config.DecodeStrict(path, b, saved); err != nil {
		return nil, &failure.UsageError{Err: err}
	}
	if saved.Target == "" || saved.Method == "" {
		return nil, failure.Usagef("%s: a saved call needs the keys target and method", path)
	}
	for name := range saved.Flags {
		if !slices.Contains(savedFlags(), name) {
			return nil, failure.Usagef("%s: flags.%s is no flag that a saved call may set; these are: %s", path, name, strings.Join(savedFlags(), ", "))
		}
	}
	if err := saved.expand(ctx, config.Expander{Getenv: getenv}); err != nil {
		return nil, &failure.UsageError{Err: fmt.Errorf("%s: %w", path, err)}
	}
	return saved, nil
}

// forbidden are references that would let a shared file read from, or run on, the
// machine of who makes the call.
var forbidden = regexp.MustCompile(`\$\{(cmd|file):[^}]*\}`)

func (s *savedCall) expand(ctx context.Context, x config.Expander) error {
	texts := []*string{&s.Target, &s.Method, &s.Version, &s.Body}
	for i := range s.Tags {
		texts = append(texts, &s.Tags[i])
	}
	for i := range s.Headers {
		texts = append(texts, &s.Headers[i])
	}
	for _, text := range texts {
		if ref := forbidden.FindString(*text); ref != "" {
			return fmt.Errorf("%s: a saved call may refer to ${env:NAME} alone", ref)
		}
		expanded, err := x.Expand(ctx, *text)
		if err != nil {
			return err
		}
		*text = expanded
	}
	return nil
}

// apply sets what the command line leaves open.
func (s *savedCall) apply(cmd *cobra.Command, o *CallOptions) error {
	flags := cmd.Flags()
	given := func(name string) bool { return flags.Changed(name) }
	if !given("version") {
		o.Version = s.Version
	}
	if !given("tag") {
		o.Tags = s.Tags
	}
	if !given("data") {
		o.body = &s.Body
	}
	o.Headers = append(slices.Clone(s.Headers), o.Headers...)
	for _, name := range slices.Sorted(maps.Keys(s.Flags)) {
		if given(name) || name == "tls" && given("plaintext") || name == "plaintext" && given("tls") {
			continue
		}
		if err := flags.Set(name, s.Flags[name]); err != nil {
			return failure.Usagef("flags.%s of the saved call: %v", name, err)
		}
	}
	return nil
}

// secretName are headers whose values say who calls.
var secretName = regexp.MustCompile(`(?i)authorization|cookie|token|secret|password|passwd|api-?key|credential`)

// save writes the call of a command line. Headers that hold credentials are left
// out, and said, unless they refer to a variable.
func (o *CallOptions) save(cmd *cobra.Command, headers []string, body string) error {
	saved := savedCall{Target: o.Target, Method: o.Method, Version: o.Version, Tags: o.Tags, Flags: map[string]string{}, Body: body}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ":")
		if secretName.MatchString(name) && !config.IsReference(value) {
			o.IO.Infof("the header %s is not saved: write it as '%s: ${env:NAME}' to have it in the file", strings.TrimSpace(name), strings.TrimSpace(name))
			continue
		}
		saved.Headers = append(saved.Headers, header)
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if slices.Contains(savedFlags(), f.Name) {
			saved.Flags[f.Name] = f.Value.String()
		}
	})
	b, err := yaml.MarshalWithOptions(saved, yaml.IndentSequence(true), yaml.UseLiteralStyleIfMultiline(true))
	if err != nil {
		return fmt.Errorf("save the call: %w", err)
	}
	if err := writeFile(o.SaveTo, b, 0o600); err != nil {
		return fmt.Errorf("save the call: %w", err)
	}
	o.IO.Infof("saved in %s; `suokectl rpc call --from %s` makes the call again", o.SaveTo, o.SaveTo)
	return nil
}

// fill takes target, method and what else the call needs from the command line
// and from --from, which the former goes before.
func (o *CallOptions) fill(ctx context.Context, cmd *cobra.Command, args []string, getenv func(string) string) error {
	if o.From == "" {
		if len(args) != 2 {
			return failure.Usagef("call wants TARGET and METHOD, or --from FILE")
		}
		o.Target, o.Method = args[0], args[1]
		return nil
	}
	saved, err := readSaved(ctx, o.From, getenv)
	if err != nil {
		return err
	}
	o.Target, o.Method = saved.Target, saved.Method
	if len(args) > 0 {
		o.Target = args[0]
	}
	if len(args) > 1 {
		o.Method = args[1]
	}
	if err := saved.apply(cmd, o); err != nil {
		return err
	}
	o.keepToken(len(args) > 0)
	return nil
}

// keepToken has no token of the context go to an address that a file alone names:
// who wrote the file may be waiting there for it.
func (o *CallOptions) keepToken(named bool) {
	target, err := rpc.ParseTarget(o.Target)
	if named || err != nil || target.Service != "" || app.Local(target.Address) || o.TokenFile != "" || o.Anonymous {
		return
	}
	o.Anonymous = true
	o.IO.Infof("%s comes from the file: it is sent no token; name it as an argument, or give --token-file, to send one", o.Target)
}

// expanded replaces the references of a call that is to be saved as it is made.
func (o *CallOptions) expanded(ctx context.Context, body string, getenv func(string) string) (string, []string, error) {
	c := savedCall{Body: body, Headers: slices.Clone(o.Headers)}
	if err := c.expand(ctx, config.Expander{Getenv: getenv}); err != nil {
		return "", nil, &failure.UsageError{Err: err}
	}
	return c.Body, c.Headers, nil
}
