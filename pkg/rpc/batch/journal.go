package batch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// syncEvery is how often a journal is synced to its disk. The end of a process
// loses nothing that was written; the end of a machine may lose as much as this.
const syncEvery = 500 * time.Millisecond

var (
	// ErrOtherInput says that a journal is of another input, target or method.
	ErrOtherInput = errors.New("the journal is of another input")
	// ErrJournalInUse says that another run is writing the journal.
	ErrJournalInUse = errors.New("another run is using the journal")
	// ErrNoJournal says that a file is not a journal, or is damaged.
	ErrNoJournal = errors.New("it is not a journal of a batch")
)

// Heading says what a journal is of.
type Heading struct {
	Target string `json:"target"`
	Method string `json:"method"`
}

// Journal is a file that knows which lines of an input were sent, and with what
// result. It is of mode 0600, since it holds responses. It is safe for concurrent
// use; a lock keeps other processes away. Close it after use.
type Journal struct {
	path string
	lock *flock.Flock
	past history // of earlier runs

	mu    sync.Mutex
	file  *os.File
	buf   []byte
	dirty bool
	err   error

	stop   chan struct{}
	synced sync.WaitGroup
}

// OpenJournal opens a journal, or begins one. The error is [ErrOtherInput] when its
// heading is another one, [ErrJournalInUse], [ErrNoJournal] or one of the file
// system. A record at its end that was cut short is dropped.
func OpenJournal(path string, h Heading) (*Journal, error) {
	j := &Journal{path: path, stop: make(chan struct{})}
	j.lock = flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))
	locked, err := j.lock.TryLock()
	switch {
	case err != nil:
		return nil, fmt.Errorf("open the journal: %w", err)
	case !locked:
		return nil, fmt.Errorf("open the journal %s: %w", path, ErrJournalInUse)
	}
	if err := j.open(h); err != nil {
		return nil, errors.Join(err, j.release())
	}
	j.synced.Go(j.syncAll)
	return j, nil
}

func (j *Journal) open(h Heading) (err error) {
	if j.file, err = os.OpenFile(j.path, os.O_RDWR, 0); err != nil {
		return fmt.Errorf("open the journal: %w", err)
	}
	var end int64
	if info, err := j.file.Stat(); err != nil || !info.Mode().IsRegular() {
		return errors.Join(err, fmt.Errorf("%s: %w", j.path, ErrNoJournal))
	}
	if j.past, end, err = readHistory(j.file, h); err != nil {
		return fmt.Errorf("journal %s: %w", j.path, err)
	}
	if err := j.file.Truncate(end); err != nil {
		return fmt.Errorf("cut the journal: %w", err)
	}
	if _, err := j.file.Seek(end, io.SeekStart); err != nil {
		return fmt.Errorf("open the journal: %w", err)
	}
	if end == 0 {
		j.buf = appendHeading(j.buf, h)
		return j.write()
	}
	return nil
}

// appendStart and appendDone are the two records: that a line with this content is
// about to be sent, and its result.
func appendStart(dst []byte, number int, sum uint64) []byte {
	return fmt.Appendf(dst, "s %d %016x\n", number, sum)
}

func appendDone(dst []byte, number int, result []byte) []byte {
	dst = fmt.Appendf(dst, "d %d ", number)
	return append(dst, result...)
}

// journalName is the first field of a heading.
const (
	journalName    = "suokectl rpc batch"
	journalVersion = 1
)

type fullHeading struct {
	Journal string `json:"journal"`
	Version int    `json:"version"`
	Heading
}

func appendHeading(dst []byte, h Heading) []byte {
	text, _ := json.Marshal(fullHeading{journalName, journalVersion, h}) // strings always marshal
	return append(append(dst, text...), '\n')
}

// start notes that a line is about to be sent. When it returns, a kill of the
// process does not lose the note.
func (j *Journal) start(l line) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.buf = appendStart(j.buf[:0], l.number, l.sum())
	return j.write()
}

// done notes a line's result, which ends with a newline.
func (j *Journal) done(number int, result []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.buf = appendDone(j.buf[:0], number, result)
	return j.write()
}

func (j *Journal) write() error {
	if j.err != nil {
		return j.err
	}
	if _, err := j.file.Write(j.buf); err != nil {
		j.err = fmt.Errorf("write the journal: %w", err)
	}
	if cap(j.buf) > 1<<20 {
		j.buf = nil
	}
	j.dirty = true
	return j.err
}

func (j *Journal) syncAll() {
	ticker := time.NewTicker(syncEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			j.sync()
		case <-j.stop:
			return
		}
	}
}

// sync leaves the lock while the disk works, so that calls go on.
func (j *Journal) sync() {
	j.mu.Lock()
	dirty := j.dirty
	j.dirty = false
	j.mu.Unlock()
	if !dirty {
		return
	}
	if err := j.file.Sync(); err != nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		if j.err == nil {
			j.err = fmt.Errorf("sync the journal: %w", err)
		}
	}
}

// Close syncs and closes the journal. Its error is the first of all.
func (j *Journal) Close() error {
	close(j.stop)
	j.synced.Wait()
	j.sync()
	return errors.Join(j.err, j.release())
}

func (j *Journal) release() error {
	var err error
	if j.file != nil {
		err = j.file.Close()
	}
	return errors.Join(err, j.lock.Unlock())
}

// result returns what an earlier run noted as the result of a line.
func (j *Journal) result(r record) ([]byte, error) {
	text := make([]byte, r.size)
	if _, err := j.file.ReadAt(text, r.at); err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	return text, nil
}
