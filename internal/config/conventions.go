package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/suokelife/suokectl/pkg/spec"
)

// ConventionsFile is the name of the file that holds an organisation's
// conventions, at the root of a repository.
const ConventionsFile = "suokectl.yaml"

// FindConventions searches dir and the folders above it for ConventionsFile
// and returns its path, "" when there is none.
func FindConventions(dir string) string {
	for {
		path := filepath.Join(dir, ConventionsFile)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

// LoadConventions reads the conventions at path over the specification's
// defaults; with path "" they are the specification's. Text that does not
// parse is a *ParseError, names that cannot be used are a joined error that
// names each key.
func LoadConventions(path string) (spec.Conventions, error) {
	conventions := spec.Default()
	if path == "" {
		return conventions, nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return conventions, nil
	}
	if err != nil {
		return spec.Conventions{}, fmt.Errorf("read the conventions: %w", err)
	}
	if err := decodeStrict(path, b, &conventions); err != nil {
		return spec.Conventions{}, err
	}
	if err := conventions.Validate(); err != nil {
		return spec.Conventions{}, fmt.Errorf("%s: %w", path, err)
	}
	return conventions, nil
}
