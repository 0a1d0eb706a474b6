package secure

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// pollInterval is the least time between two looks at files.
const pollInterval = time.Second

// files is what was read from files, which are read again after a change. While
// they cannot be read, as in the middle of a rotation, the last good value stays
// and onError is told.
type files[T any] struct {
	paths   []string
	read    func() (T, error)
	onError func(error)
	value   atomic.Pointer[T]
	start   time.Time
	next    atomic.Int64 // nanoseconds after start

	mu     sync.Mutex
	stamps []stamp
}

// openFiles reads for the first time, and fails when that does.
func openFiles[T any](read func() (T, error), onError func(error), paths ...string) (*files[T], error) {
	f := &files[T]{read: read, onError: onError, start: time.Now()}
	for _, path := range paths {
		if path != "" {
			f.paths = append(f.paths, path)
		}
	}
	f.stamps = stampsOf(f.paths)
	value, err := read()
	if err != nil {
		return nil, err
	}
	f.value.Store(&value)
	f.next.Store(int64(pollInterval))
	return f, nil
}

// get returns the present value. One caller a second looks at the files, and the
// others do not wait for it.
func (f *files[T]) get() T {
	now := int64(time.Since(f.start))
	if now >= f.next.Load() && f.mu.TryLock() {
		f.refresh()
		f.next.Store(now + int64(pollInterval))
		f.mu.Unlock()
	}
	return *f.value.Load()
}

// refresh notes the stamps only of what could be read, so that a file which was
// half written is read again.
func (f *files[T]) refresh() {
	stamps := stampsOf(f.paths)
	if slices.EqualFunc(stamps, f.stamps, stamp.same) {
		return
	}
	value, err := f.read()
	if err != nil {
		if f.onError != nil {
			f.onError(err)
		}
		return
	}
	f.value.Store(&value)
	f.stamps = stamps
}

// stamp tells whether a file is still the same.
type stamp struct {
	path string
	info fs.FileInfo // nil when there is none
}

func (s stamp) same(other stamp) bool {
	if s.path != other.path || (s.info == nil) != (other.info == nil) {
		return false
	}
	return s.info == nil || os.SameFile(s.info, other.info) &&
		s.info.ModTime().Equal(other.info.ModTime()) && s.info.Size() == other.info.Size()
}

func stampsOf(paths []string) []stamp {
	var stamps []stamp
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			stamps = append(stamps, stamp{path: path})
			continue
		}
		stamps = append(stamps, stamp{path, info})
		if info.IsDir() {
			stamps = append(stamps, stampsOf(keyFilesIn(path))...)
		}
	}
	return stamps
}

// keyFilesIn lists the files of a folder that hold keys, in order of their names.
func keyFilesIn(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // the reading itself says why
	}
	var paths []string
	for _, entry := range entries {
		extension := filepath.Ext(entry.Name())
		if !strings.HasPrefix(entry.Name(), ".") && slices.Contains([]string{".pem", ".json", ".jwks", ".secret"}, extension) {
			paths = append(paths, filepath.Join(dir, entry.Name()))
		}
	}
	return paths
}
