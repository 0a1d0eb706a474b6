package spool

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Append adds entries, all or none, and returns when they are on the disk. The
// error wraps [ErrFull] when they do not fit under the bound; any other is the
// disk's. After an error none of them is in the spool.
func (s *Spool) Append(entries ...Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if err := s.roll(); err != nil {
		return fmt.Errorf("begin a segment in %s: %w", s.dir, err)
	}
	if err := s.makeRoom(entries); err != nil {
		return err
	}
	var text []byte
	var frames []frame
	for _, e := range entries {
		if s.entries[e.ID] != nil || e.ID == 0 {
			return fmt.Errorf("append to the spool: id %d is taken", e.ID)
		}
		start := len(text)
		text = appendFrame(text, s.current.mark, e)
		frames = append(frames, frame{Entry: e, at: s.current.size + int64(start), size: int64(len(text) - start)})
	}
	if err := s.write(text); err != nil {
		return fmt.Errorf("write to the spool %s: %w", s.dir, err)
	}
	for _, f := range frames {
		s.add(s.current, f)
	}
	return nil
}

// makeRoom returns ErrFull when entries do not fit, even after tidying up.
func (s *Spool) makeRoom(entries []Entry) error {
	var need int64
	for _, e := range entries {
		need += e.size()
	}
	if s.bytes+need <= s.max {
		return nil
	}
	if err := s.compact(need); err != nil {
		return fmt.Errorf("tidy up the spool %s: %w", s.dir, err)
	}
	if s.current == nil || s.bytes+need > s.max {
		return fmt.Errorf("%w: %s holds %d bytes of at most %d", ErrFull, s.dir, s.bytes, s.max)
	}
	return nil
}

// write appends to the current segment and syncs. What fails is cut off again,
// and the segment is not written to any more.
func (s *Spool) write(text []byte) error {
	_, err := s.file.WriteAt(text, s.current.size)
	if err == nil {
		err = s.file.Sync()
	}
	if err == nil {
		s.current.size += int64(len(text))
		s.bytes += int64(len(text))
		return nil
	}
	cut := s.file.Truncate(s.current.size)
	return errors.Join(err, cut, s.leave())
}

// leave stops appending to the current segment.
func (s *Spool) leave() error {
	seg := s.current
	err := s.file.Close()
	s.current, s.file = nil, nil
	return errors.Join(err, s.retire(seg))
}

func (s *Spool) segmentBytes() int64 { return min(maxSegment, s.max/segmentsAFull) }

// roll makes sure that there is a segment to append to.
func (s *Spool) roll() error {
	if s.current != nil && s.current.size < s.segmentBytes() {
		return nil
	}
	if s.current != nil {
		if err := s.leave(); err != nil {
			return err
		}
	}
	name := fmt.Sprintf("%016x%s", s.number+1, suffix)
	file, err := os.OpenFile(s.path(name), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	s.number++
	head := make([]byte, headerSize)
	_, _ = rand.Read(head[copy(head, magic):]) // never fails
	_, err = file.Write(head)
	if err = errors.Join(err, syncDir(s.dir)); err != nil {
		return errors.Join(err, file.Close(), os.Remove(s.path(name)))
	}
	s.file, s.current = file, &segment{name: name, mark: head[len(magic):], size: int64(headerSize)}
	s.segments[name] = s.current
	s.bytes += s.current.size
	return nil
}

// syncDir makes the names in a folder last. Where folders cannot be synced
// (Windows) names last by themselves.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
