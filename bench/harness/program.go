//go:build unix

package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// Build builds suokectl into dir as releases are built, and returns its path.
func Build(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "suokectl")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "github.com/suokelife/suokectl")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", cmd, err, output)
	}
	return path, nil
}

// Home returns the environment of a program that finds nothing but dir in the
// place of a user's folders, and no settings.
func Home(dir string) []string {
	return []string{"HOME=" + dir, "XDG_CONFIG_HOME=", "XDG_STATE_HOME=", "XDG_CACHE_HOME="}
}

// Report runs comparisons one after the other, writes the table of each to out,
// and all of them as a JSON array to a file, if it has a name.
func Report(ctx context.Context, out io.Writer, jsonFile string, comparisons ...Comparison) error {
	var results []*Result
	for i, comparison := range comparisons {
		result, err := comparison.Run(ctx)
		if err != nil {
			return err
		}
		if i > 0 {
			fmt.Fprintln(out)
		}
		if err := result.WriteTable(out); err != nil {
			return err
		}
		results = append(results, result)
	}
	if jsonFile == "" {
		return nil
	}
	file, err := os.Create(jsonFile)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(file)
	encoder.SetIndent("", "  ")
	return errors.Join(encoder.Encode(results), file.Close())
}
