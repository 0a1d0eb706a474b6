package app

import (
	"strings"
)

// In returns the factory of another context, for commands that reach two. What
// variables and -X say is about the context in use, and does not count there. It
// is closed with f.
func (f *Factory) In(name string) *Factory {
	other := &Factory{IO: f.IO, Version: f.Version, Dir: f.Dir, Verbose: f.Verbose, ContextName: name, ConfirmName: f.ConfirmName}
	other.Getenv = func(variable string) string {
		if strings.HasPrefix(variable, "SUOKECTL_") {
			return ""
		}
		return f.Getenv(variable)
	}
	f.onClose(other)
	return other
}
