package spool

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/gofrs/flock"
)

const (
	// DefaultMaxBytes bounds a spool's files, about 200,000 events of 300 bytes.
	DefaultMaxBytes = 64 << 20
	// maxSegment is the size at which a segment is followed by a new one; in a
	// small spool it is a part of the bound.
	maxSegment    = 4 << 20
	segmentsAFull = 16

	suffix        = ".spool"
	damagedSuffix = ".damaged"
)

var (
	// ErrInUse is returned by [Open] when another process owns the spool.
	ErrInUse = errors.New("the spool is in use by another process")
	// ErrFull is returned by [Spool.Append] when the bound is reached.
	ErrFull = errors.New("the spool is full")
	// ErrClosed is returned after [Spool.Close].
	ErrClosed = errors.New("the spool is closed")
	// ErrNoEntry is returned for an id that is not in the spool.
	ErrNoEntry = errors.New("no such entry in the spool")
)

// Options describe a spool. The zero value is right.
type Options struct {
	// MaxBytes bounds the files. Default [DefaultMaxBytes].
	MaxBytes int64
}

// Spool is an open spool. It may be used by several goroutines.
type Spool struct {
	dir  string
	max  int64
	lock *flock.Flock

	mu       sync.Mutex
	entries  map[uint64]*place
	segments map[string]*segment
	current  *segment // appended to; nil before the first
	file     *os.File // the current segment's
	number   uint64   // of the newest segment
	bytes    int64
	damage   []Damage
	closed   bool
}

// place is where an entry stands.
type place struct {
	Info
	segment *segment
	at      int64
}

// Info is what is known of an entry without reading it.
type Info struct {
	ID    uint64
	State State
	Topic string
	Key   []byte
	// Bytes is what it takes on disk.
	Bytes int64
}

type segment struct {
	name    string
	mark    []byte
	size    int64
	live    int
	damaged bool
}

// Open locks and reads the spool in dir, which is created when it is missing,
// for its owner alone (0700). The error wraps [ErrInUse] when another has it.
func Open(dir string, o Options) (*Spool, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the spool: %w", err)
	}
	s := &Spool{
		dir: dir, max: o.MaxBytes, entries: make(map[uint64]*place), segments: make(map[string]*segment),
		lock: flock.New(filepath.Join(dir, "lock"), flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600)),
	}
	locked, err := s.lock.TryLock()
	switch {
	case err != nil:
		return nil, fmt.Errorf("lock the spool %s: %w", dir, err)
	case !locked:
		return nil, fmt.Errorf("open %s: %w", dir, ErrInUse)
	}
	if err := s.load(); err != nil {
		_ = s.lock.Close()
		return nil, fmt.Errorf("read the spool %s: %w", dir, err)
	}
	return s, nil
}

func (s *Spool) load() error {
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), suffix) || !f.Type().IsRegular() {
			continue
		}
		var number uint64
		if n, err := fmt.Sscanf(f.Name(), "%016x"+suffix, &number); n == 1 && err == nil {
			s.number = max(s.number, number)
		}
		if err := s.loadSegment(f.Name()); err != nil {
			return err
		}
	}
	return nil
}

func (s *Spool) loadSegment(name string) error {
	text, err := os.ReadFile(s.path(name))
	if err != nil {
		return err
	}
	frames, damage := readSegment(name, text)
	seg := &segment{name: name, size: int64(len(text))}
	for _, d := range damage {
		seg.damaged = seg.damaged || !d.Torn
	}
	s.damage = append(s.damage, damage...)
	s.segments[name] = seg
	s.bytes += seg.size
	for _, f := range frames {
		if f.State != removed && s.entries[f.ID] == nil {
			s.add(seg, f)
		} else if f.State != removed { // tidied up when the process ended
			twin := &place{segment: seg, at: f.at}
			if err := s.with(seg, func(file *os.File) error { return overwrite(file, removed, []*place{twin}) }); err != nil {
				return err
			}
		}
	}
	return s.retire(seg)
}

func (s *Spool) add(seg *segment, f frame) {
	seg.live++
	key := slices.Clone(f.Key) // not a part of the whole text
	s.entries[f.ID] = &place{Info: Info{ID: f.ID, State: f.State, Topic: f.Topic, Key: key, Bytes: f.size}, segment: seg, at: f.at}
}

// Dir is the spool's folder.
func (s *Spool) Dir() string { return s.dir }

func (s *Spool) path(name string) string { return filepath.Join(s.dir, name) }

// Damage tells what could not be read when the spool was opened.
func (s *Spool) Damage() []Damage { return slices.Clone(s.damage) }

// List returns all entries in the order of their ids.
func (s *Spool) List() []Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Info, 0, len(s.entries))
	for _, p := range s.entries {
		list = append(list, p.Info)
	}
	slices.SortFunc(list, func(a, b Info) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// Stats are a spool's numbers.
type Stats struct {
	Entries     int
	MaybeStored int
	// Bytes is what the files take, removed entries included.
	Bytes int64
}

// Stats returns the numbers as they are now.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := Stats{Entries: len(s.entries), Bytes: s.bytes}
	for _, p := range s.entries {
		if p.State == MaybeStored {
			stats.MaybeStored++
		}
	}
	return stats
}

// Get reads an entry. The error wraps [ErrNoEntry], or says what became of it.
func (s *Spool) Get(id uint64) (Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.entries[id]
	if p == nil {
		return Entry{}, fmt.Errorf("entry %d: %w", id, ErrNoEntry)
	}
	return s.read(p)
}

func (s *Spool) read(p *place) (Entry, error) {
	text := make([]byte, p.Bytes)
	err := s.with(p.segment, func(f *os.File) error {
		_, err := f.ReadAt(text, p.at)
		return err
	})
	if err != nil {
		return Entry{}, fmt.Errorf("read entry %d of the spool: %w", p.ID, err)
	}
	e, _, ok := readFrame(text, text[:markSize])
	if !ok || e.ID != p.ID {
		return Entry{}, fmt.Errorf("read entry %d of the spool: %s is damaged at byte %d", p.ID, p.segment.name, p.at)
	}
	return e, nil
}

// Mark notes that entries are about to be sent, and returns when that is on the
// disk: from then on they may be stored by the broker.
func (s *Spool) Mark(ids ...uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.set(MaybeStored, ids)
}

// Remove takes entries out, whose outcome is known. It does not wait for the
// disk: after a loss of power they may be there again, as maybe stored.
func (s *Spool) Remove(ids ...uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.set(removed, ids)
}

// set overwrites the state of entries, segment by segment.
func (s *Spool) set(state State, ids []uint64) error {
	if s.closed {
		return ErrClosed
	}
	bySegment := make(map[*segment][]*place)
	for _, id := range ids {
		p := s.entries[id]
		if p == nil {
			return fmt.Errorf("entry %d: %w", id, ErrNoEntry)
		}
		if p.State != state {
			bySegment[p.segment] = append(bySegment[p.segment], p)
		}
	}
	for seg, places := range bySegment {
		if err := s.with(seg, func(f *os.File) error { return overwrite(f, state, places) }); err != nil {
			return fmt.Errorf("update the spool %s: %w", s.dir, err)
		}
		for _, p := range places {
			p.State = state
			if state == removed {
				delete(s.entries, p.ID)
				seg.live--
			}
		}
		if err := s.retire(seg); err != nil {
			return fmt.Errorf("update the spool %s: %w", s.dir, err)
		}
	}
	return nil
}

func overwrite(f *os.File, state State, places []*place) error {
	for _, p := range places {
		if _, err := f.WriteAt([]byte{byte(state)}, p.at+stateAt); err != nil {
			return err
		}
	}
	if state == removed {
		return nil
	}
	return f.Sync()
}

// with opens a segment's file, unless it is the current one, which is open.
func (s *Spool) with(seg *segment, do func(*os.File) error) error {
	if seg == s.current {
		return do(s.file)
	}
	f, err := os.OpenFile(s.path(seg.name), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(do(f), f.Close())
}

// retire deletes a segment that has no entries left, or puts it aside when a
// part of it could not be read.
func (s *Spool) retire(seg *segment) error {
	if seg.live > 0 {
		return nil
	}
	if seg == s.current {
		return s.leave()
	}
	delete(s.segments, seg.name)
	s.bytes -= seg.size
	if seg.damaged {
		return os.Rename(s.path(seg.name), s.path(seg.name)+damagedSuffix)
	}
	return os.Remove(s.path(seg.name))
}

// Close gives the spool free for another owner. It may be called twice.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	var err error
	if s.current != nil {
		err = errors.Join(s.file.Sync(), s.leave())
	}
	s.closed = true
	return errors.Join(err, s.lock.Close())
}
