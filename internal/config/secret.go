package config

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// commandTimeout bounds a ${cmd:…} reference.
const commandTimeout = 10 * time.Second

// reference is ${env:NAME}, ${file:PATH} or ${cmd:COMMAND}.
var reference = regexp.MustCompile(`\$\{(env|file|cmd):([^}]*)\}`)

// IsReference reports whether a value is, or holds, a reference to something
// outside the file.
func IsReference(value string) bool {
	return strings.Contains(value, "${") && reference.MatchString(value)
}

// Expander replaces references by what they stand for.
type Expander struct {
	// Getenv reads the environment.
	Getenv func(string) string
	// Commands allows ${cmd:…}: in the user's own config.yaml only, never in
	// what a repository or a saved call brings.
	Commands bool
}

// Expand replaces every reference in value. The error names the reference,
// never what it resolved to.
func (x Expander) Expand(ctx context.Context, value string) (string, error) {
	if !IsReference(value) {
		return value, nil
	}
	var failed error
	out := reference.ReplaceAllStringFunc(value, func(ref string) string {
		m := reference.FindStringSubmatch(ref)
		text, err := x.resolve(ctx, m[1], m[2])
		if err != nil && failed == nil {
			failed = fmt.Errorf("%s: %w", ref, err)
		}
		return text
	})
	if failed != nil {
		return "", failed
	}
	return out, nil
}

func (x Expander) resolve(ctx context.Context, kind, arg string) (string, error) {
	switch kind {
	case "env":
		if value := x.Getenv(arg); value != "" {
			return value, nil
		}
		return "", errors.New("the variable is not set")
	case "file":
		b, err := os.ReadFile(arg)
		return strings.TrimRight(string(b), "\r\n"), err
	default:
		return x.run(ctx, arg)
	}
}

func (x Expander) run(ctx context.Context, command string) (string, error) {
	if !x.Commands {
		return "", errors.New("commands are allowed in your own config.yaml only")
	}
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "sh", "-c", command).Output()
	if err != nil {
		return "", fmt.Errorf("the command failed: %w", err)
	}
	return strings.TrimRight(string(out), "\r\n"), nil
}
