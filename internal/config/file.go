package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"
	"github.com/google/renameio/v2/maybe"
)

// File is config.yaml.
type File struct {
	// CurrentContext is used when neither --context nor SUOKECTL_CONTEXT is
	// given.
	CurrentContext string             `yaml:"current_context,omitempty"`
	Contexts       map[string]Context `yaml:"contexts,omitempty"`

	path     string
	comments yaml.CommentMap
}

// ParseError says where a YAML file is wrong.
type ParseError struct {
	Path         string
	Line, Column int
	Message      string
	Err          error
}

func (e *ParseError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.Path, e.Line, e.Column, e.Message)
}

// Unwrap returns the YAML library's error.
func (e *ParseError) Unwrap() error { return e.Err }

// Load reads the file at path. A file that is not there is an empty one. A
// file that cannot be read as written, an unknown key among it, is a
// *ParseError.
func Load(path string) (*File, error) {
	f := &File{path: path, comments: yaml.CommentMap{}}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	if err := decodeStrict(path, b, f, yaml.CommentToMap(f.comments)); err != nil {
		return nil, err
	}
	return f, nil
}

// Save writes the file back whole or not at all, readable by its owner alone,
// with its comments kept.
func (f *File) Save() error {
	b, err := yaml.MarshalWithOptions(f, yaml.WithComment(f.comments), yaml.IndentSequence(true))
	if err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	if err := maybe.WriteFile(f.path, b, 0o600); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return nil
}

// DecodeStrict reads YAML from the file at path whose text is b. A key that into
// does not have, and text that does not parse, is a *ParseError.
func DecodeStrict(path string, b []byte, into any) error { return decodeStrict(path, b, into) }

func decodeStrict(path string, b []byte, into any, opts ...yaml.DecodeOption) error {
	err := yaml.UnmarshalWithOptions(b, into, append(opts, yaml.Strict())...)
	if err == nil {
		return nil
	}
	parse := &ParseError{Path: path, Line: 1, Column: 1, Message: err.Error(), Err: err}
	var located yaml.Error
	if errors.As(err, &located) {
		parse.Message = located.GetMessage()
		if tk := located.GetToken(); tk != nil && tk.Position != nil {
			parse.Line, parse.Column = tk.Position.Line, tk.Position.Column
		}
	}
	return parse
}

// Set puts a context into the file; the first one becomes the current one.
func (f *File) Set(name string, c Context) {
	if f.Contexts == nil {
		f.Contexts = map[string]Context{}
	}
	f.Contexts[name] = c
	if f.CurrentContext == "" && len(f.Contexts) == 1 {
		f.CurrentContext = name
	}
}

// Use makes a context the current one; one that is not there is an
// *UnknownContextError.
func (f *File) Use(name string) error {
	if !f.has(name) {
		return &UnknownContextError{Name: name, Path: f.path, Known: f.Names()}
	}
	f.CurrentContext = name
	return nil
}
