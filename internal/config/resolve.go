package config

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// LabName is the name of the context that a running lab provides.
const LabName = "lab"

// ErrNoContext is returned when nothing says where the services are: no
// context is chosen, no variable is set and no lab runs.
var ErrNoContext = errors.New("no context is configured and no lab is running")

// UnknownContextError is returned when the chosen context is not in the file.
type UnknownContextError struct {
	Name, Path string
	Known      []string
}

func (e *UnknownContextError) Error() string {
	if len(e.Known) == 0 {
		return fmt.Sprintf("there is no context %q: %s has none", e.Name, e.Path)
	}
	return fmt.Sprintf("there is no context %q in %s: it has %s", e.Name, e.Path, strings.Join(e.Known, ", "))
}

// Source is all that a context is resolved from.
type Source struct {
	File *File
	// Flag is --context; "" when not given.
	Flag string
	// Lab is the running lab's context, nil when none runs.
	Lab    *Context
	Getenv func(string) string
}

// Resolved is a context with its values in place and where each came from.
type Resolved struct {
	Context
	// Origins maps the key of each setting that has a value to its origin.
	Origins map[string]string
}

// Resolve finds the context and fills in its values. References are replaced
// by what they stand for. It returns ErrNoContext, an *UnknownContextError,
// or an error that names the setting whose reference cannot be resolved.
func (s Source) Resolve(ctx context.Context) (*Resolved, error) {
	r, err := s.Merge()
	if err != nil {
		return nil, err
	}
	x := Expander{Getenv: s.Getenv, Commands: true}
	for _, setting := range Settings() {
		err := setting.expand(&r.Context, func(value string) (string, error) { return x.Expand(ctx, value) })
		if err != nil {
			return nil, fmt.Errorf("resolve %s, which %s says: %w", setting.Key, r.saidBy(setting), err)
		}
	}
	return r, nil
}

// saidBy names who gave the setting its value.
func (r *Resolved) saidBy(setting Setting) string {
	origin := r.Origins[setting.Key]
	if r.Name != "" && !strings.HasPrefix(origin, "SUOKECTL_") && !slices.Contains(setting.ecosystem(), origin) {
		return fmt.Sprintf("context %q", r.Name)
	}
	return origin
}

// Merge is Resolve with references left as they are written, for showing.
func (s Source) Merge() (*Resolved, error) {
	base, origin, err := s.choose()
	if err != nil {
		return nil, err
	}
	r := &Resolved{Context: *base, Origins: map[string]string{}}
	for _, setting := range Settings() {
		if err := s.fill(r, setting, origin); err != nil {
			return nil, err
		}
	}
	if base.Name == "" && len(r.Origins) == 0 {
		return nil, ErrNoContext
	}
	return r, nil
}

// choose returns the context that flag, variable, file or lab name.
func (s Source) choose() (*Context, string, error) {
	name := s.Flag
	if name == "" {
		name = s.Getenv("SUOKECTL_CONTEXT")
	}
	if name == "" {
		name = s.File.CurrentContext
	}
	if name == "" && s.Lab != nil || name == LabName && s.Lab != nil && !s.File.has(LabName) {
		return s.Lab, "the running lab", nil
	}
	if name == "" {
		return &Context{}, "", nil
	}
	c, ok := s.File.Contexts[name]
	if !ok {
		return nil, "", &UnknownContextError{Name: name, Path: s.File.path, Known: s.File.Names()}
	}
	c.Name = name
	return &c, s.File.path, nil
}

// fill applies the precedence to one setting. The lab is a whole context: no
// variable is mixed into it.
func (s Source) fill(r *Resolved, setting Setting, origin string) error {
	value := setting.Get(&r.Context)
	if value != "" {
		r.Origins[setting.Key] = origin
	}
	if s.Lab != nil && r.Name == LabName {
		return nil
	}
	if own := s.Getenv(setting.Variable()); own != "" {
		return s.take(r, setting, own, setting.Variable())
	}
	if value == "" {
		return s.borrow(r, setting)
	}
	return nil
}

// borrow fills the setting from an ecosystem variable.
func (s Source) borrow(r *Resolved, setting Setting) error {
	for _, variable := range setting.ecosystem() {
		text := s.Getenv(variable)
		if text == "" || !mayBorrow(r, setting) {
			continue
		}
		value, err := translate(variable, text)
		if err != nil {
			return fmt.Errorf("%s: %w", variable, err)
		}
		return s.take(r, setting, value, variable)
	}
	return nil
}

// mayBorrow reports whether an ecosystem variable may fill the setting. What
// the variables say of Consul goes with the address that they say: a token
// meant for one server must not reach another.
func mayBorrow(r *Resolved, setting Setting) bool {
	return setting.Key == "consul.address" || !strings.HasPrefix(setting.Key, "consul.") ||
		r.Origins["consul.address"] == "CONSUL_HTTP_ADDR"
}

func (s Source) take(r *Resolved, setting Setting, value, variable string) error {
	if err := setting.Set(&r.Context, value); err != nil {
		return fmt.Errorf("%s: %w", variable, err)
	}
	r.Origins[setting.Key] = variable
	return nil
}

// Names returns the names of the file's contexts, sorted.
func (f *File) Names() []string {
	var names []string
	for name := range f.Contexts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Path is where the file is, or would be.
func (f *File) Path() string { return f.path }

func (f *File) has(name string) bool {
	_, ok := f.Contexts[name]
	return ok
}

// ContextNames returns the names that --context takes: the file's, and "lab"
// while a lab runs.
func (s Source) ContextNames() []string {
	names := s.File.Names()
	if s.Lab != nil && !s.File.has(LabName) {
		names = append(names, LabName)
	}
	return names
}
