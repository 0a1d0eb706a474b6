package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/suokelife/suokectl/pkg/lint"
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

// repositoryFile is the whole of ConventionsFile.
type repositoryFile struct {
	spec.Conventions `yaml:",inline"`
	Lint             lint.Config `yaml:"lint"`
}

// LoadConventions reads the conventions at path over the specification's
// defaults; with path "" they are the specification's. Text that does not
// parse is a *ParseError, names that cannot be used are a joined error that
// names each key.
func LoadConventions(path string) (spec.Conventions, error) {
	file, err := loadRepositoryFile(path)
	if err != nil {
		return spec.Conventions{}, err
	}
	if err := file.Validate(); err != nil {
		return spec.Conventions{}, fmt.Errorf("%s: %w", path, err)
	}
	return file.Conventions, nil
}

// LoadLint reads the section lint of the file at path, with paths relative to
// its folder; the zero Config when path is "" or the file has none. Names of
// rules are not checked: see lint.Config.Validate.
func LoadLint(path string) (lint.Config, error) {
	file, err := loadRepositoryFile(path)
	if path != "" {
		file.Lint.Base = filepath.Dir(path)
	}
	return file.Lint, err
}

func loadRepositoryFile(path string) (repositoryFile, error) {
	file := repositoryFile{Conventions: spec.Default()}
	if path == "" {
		return file, nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return file, nil
	}
	if err != nil {
		return repositoryFile{}, fmt.Errorf("read the conventions: %w", err)
	}
	return file, decodeStrict(path, b, &file)
}
