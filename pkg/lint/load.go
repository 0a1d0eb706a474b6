package lint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// MaxFileSize is the size in bytes above which a file in a folder is passed
// over, and one that was named is refused.
const MaxFileSize = 16 << 20

// ErrUnrecognized is wrapped by the error of [Load] for a named file that no
// kind recognises.
var ErrUnrecognized = errors.New("not recognised")

// Load reads files, and all files in folders, that some kind recognises. In
// folders it passes over what begins with a dot, and vendor, node_modules and
// testdata; symbolic links to folders are not followed. A path that was named
// must exist, be readable and, if it is a file, be recognised: other errors
// are joined, and the sources that could be read are returned all the same.
func Load(kinds []Kind, paths ...string) ([]*Source, error) {
	l := loader{kinds: kinds, seen: map[string]bool{}}
	var errs []error
	for _, path := range paths {
		errs = append(errs, l.load(path))
	}
	return l.sources, errors.Join(errs...)
}

type loader struct {
	kinds   []Kind
	seen    map[string]bool
	sources []*Source
}

func (l *loader) load(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return l.walk(path)
	}
	s, err := l.read(path, info)
	if err != nil {
		return err
	}
	if !l.recognized(s) {
		return fmt.Errorf("%s: %w as %s", path, ErrUnrecognized, l.kindNames())
	}
	return nil
}

// walk goes on behind what cannot be read.
func (l *loader) walk(root string) error {
	var errs []error
	errs = append(errs, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			errs = append(errs, err)
		case d.IsDir() && path != root && isPassedOver(d.Name()):
			return filepath.SkipDir
		case !d.IsDir() && l.isCandidate(path):
			errs = append(errs, l.visit(path))
		}
		return nil
	}))
	return errors.Join(errs...)
}

func (l *loader) visit(path string) error {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > MaxFileSize {
		return nil //nolint:nilerr // a dangling link is nobody's file
	}
	s, err := l.read(path, info)
	if err == nil {
		l.recognized(s)
	}
	return err
}

func isPassedOver(name string) bool {
	return strings.HasPrefix(name, ".") || slices.Contains([]string{"vendor", "node_modules", "testdata"}, name)
}

func (l *loader) isCandidate(path string) bool {
	return slices.ContainsFunc(l.kinds, func(k Kind) bool { return k.Candidate(path) })
}

func (l *loader) read(path string, info fs.FileInfo) (*Source, error) {
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if info.Size() > MaxFileSize {
		return nil, fmt.Errorf("%s has %d bytes: more than the %d that are linted", path, info.Size(), MaxFileSize)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return NewSource(filepath.ToSlash(filepath.Clean(path)), text), nil
}

// recognized keeps a source that some kind recognises, once.
func (l *loader) recognized(s *Source) bool {
	if !slices.ContainsFunc(l.kinds, func(k Kind) bool { return k.Recognize(s) }) {
		return false
	}
	if !l.seen[s.Name] {
		l.seen[s.Name] = true
		l.sources = append(l.sources, s)
	}
	return true
}

func (l *loader) kindNames() string {
	names := make([]string, len(l.kinds))
	for i, k := range l.kinds {
		names[i] = k.Name
	}
	return strings.Join(names, ", ")
}
