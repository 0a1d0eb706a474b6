package lint

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Config is the section lint of suokectl.yaml. Its words are buf's, so that
// what is written in a buf.yaml can be copied.
type Config struct {
	// Except are rules that are switched off.
	Except []string `json:"except,omitempty" yaml:"except"`
	// Severities gives rules another severity than their own.
	Severities map[string]Severity `json:"severities,omitempty" yaml:"severities"`
	// Ignore are files and folders in which nothing is found.
	Ignore []string `json:"ignore,omitempty" yaml:"ignore"`
	// IgnoreOnly are files and folders in which a rule is switched off.
	IgnoreOnly map[string][]string `json:"ignore_only,omitempty" yaml:"ignore_only"`

	// Base is the folder that paths are relative to; "" is the working folder.
	Base string `json:"-" yaml:"-"`
}

// Validate says which names of rules and severities are unknown, in one joined error.
func (c Config) Validate(rules []Rule) error {
	var errs []error
	check := func(key, id string) {
		if !slices.ContainsFunc(rules, func(r Rule) bool { return r.ID == id }) {
			errs = append(errs, fmt.Errorf("lint.%s: %w %q", key, ErrUnknownRule, id))
		}
	}
	for _, id := range c.Except {
		check("except", id)
	}
	for id, severity := range c.Severities {
		check("severities", id)
		if severity != Error && severity != Warning {
			errs = append(errs, fmt.Errorf("lint.severities: %s is %q: want error or warning", id, severity))
		}
	}
	for id := range c.IgnoreOnly {
		check("ignore_only", id)
	}
	return errors.Join(errs...)
}

// drops reports whether a finding is switched off.
func (c Config) drops(f Finding) bool {
	return slices.Contains(c.Except, f.Rule) || c.holds(c.Ignore, f.File) || c.holds(c.IgnoreOnly[f.Rule], f.File)
}

// holds reports whether a file is one of paths, or in one that is a folder.
func (c Config) holds(paths []string, file string) bool {
	if len(paths) == 0 {
		return false
	}
	name := c.relative(file)
	return slices.ContainsFunc(paths, func(path string) bool {
		path = filepath.ToSlash(filepath.Clean(path))
		return path == "." || name == path || strings.HasPrefix(name, path+"/")
	})
}

// relative returns a file's path as the configuration writes it.
func (c Config) relative(file string) string {
	if c.Base == "" {
		return file
	}
	absolute, err := filepath.Abs(filepath.FromSlash(file))
	if err != nil {
		return file
	}
	name, err := filepath.Rel(c.Base, absolute)
	if err != nil {
		return file
	}
	return filepath.ToSlash(name)
}
