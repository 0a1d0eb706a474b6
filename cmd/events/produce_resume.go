package events

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2/maybe"

	"github.com/suokelife/suokectl/cmd/events/intake"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/pkg/spec"
)

// headSize is how much of a file's beginning tells it from another.
const headSize = 64 << 10

// resumeState is how far a run over a file has come. It is kept until the run is
// complete, and noted down every 250 ms: what was sent since is sent again.
type resumeState struct {
	File     string    `json:"file"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	Head     string    `json:"head_sha256"` // of the first 64 KiB
	Topic    string    `json:"topic"`
	Cluster  string    `json:"cluster"` // context and brokers
	// Run and Began make the ids and times of the events that are made of data,
	// so that an event which is sent again is the same.
	Run   string    `json:"run"`
	Began time.Time `json:"began"`
	// Next is where the first record begins that is not settled.
	Next intake.Position `json:"next"`
}

// sameInput reports that a state is of this input, unchanged.
func (s resumeState) sameInput(other resumeState) bool {
	return s.File == other.File && s.Size == other.Size && s.Modified.Equal(other.Modified) && s.Head == other.Head &&
		s.Topic == other.Topic && s.Cluster == other.Cluster
}

// newResumeState describes a file that is to be produced.
func newResumeState(file *os.File, topic, cluster string) (resumeState, error) {
	path, err := filepath.Abs(file.Name())
	if err != nil {
		return resumeState{}, err
	}
	info, err := file.Stat()
	if err != nil {
		return resumeState{}, err
	}
	head := sha256.New()
	if _, err := io.Copy(head, io.NewSectionReader(file, 0, headSize)); err != nil {
		return resumeState{}, err
	}
	return resumeState{
		File: path, Size: info.Size(), Modified: info.ModTime().UTC(), Head: hex.EncodeToString(head.Sum(nil)),
		Topic: topic, Cluster: cluster, Run: spec.NewID(), Began: time.Now().UTC(),
	}, nil
}

// resumeFile keeps the state of a run; nil keeps none.
type resumeFile struct {
	path  string
	state resumeState
	saved intake.Position
	on    bool // something was noted down, or stood there before
}

// openResume looks for what an earlier run over the same file left.
func openResume(dir string, state resumeState) (f *resumeFile, earlier *resumeState, err error) {
	sum := sha256.Sum256([]byte(state.Cluster + "\x00" + state.Topic + "\x00" + state.File))
	f = &resumeFile{path: filepath.Join(dir, hex.EncodeToString(sum[:16])+".json"), state: state}
	text, err := os.ReadFile(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return f, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	f.on = true
	var found resumeState
	if err := json.Unmarshal(text, &found); err != nil {
		return f, nil, nil // it was of no use to anybody
	}
	return f, &found, nil
}

// goOn takes up an earlier run, if it is wanted.
func (f *resumeFile) goOn(earlier *resumeState, wanted bool, tell func(format string, args ...any)) error {
	switch {
	case earlier == nil && wanted:
		tell("no run of %s was broken off: beginning at line 1", f.state.File)
	case earlier == nil:
	case !wanted:
		tell("an earlier run over %s ended before line %d; --resume goes on there", f.state.File, earlier.Next.Line+1)
	case !f.state.sameInput(*earlier):
		return failure.WithHint(fmt.Errorf("%s is not what it was when line %d was reached: --resume would send the wrong lines", f.state.File, earlier.Next.Line),
			"without --resume it is produced from its first line")
	default:
		f.state, f.saved = *earlier, earlier.Next
		tell("going on at line %d of %s", earlier.Next.Line+1, f.state.File)
	}
	return nil
}

// save notes down a place, synced to the disk.
func (f *resumeFile) save(at intake.Position) error {
	if f == nil || at == f.saved || at.Offset == 0 {
		return nil
	}
	f.state.Next = at
	text, err := json.Marshal(f.state)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return err
	}
	if err := maybe.WriteFile(f.path, text, 0o600); err != nil {
		return fmt.Errorf("note down how far the run has come: %w", err)
	}
	f.saved, f.on = at, true
	return nil
}

// close forgets the run when it is whole.
func (f *resumeFile) close(whole bool) error {
	if f == nil || !f.on || !whole {
		return nil
	}
	f.on = false
	if err := os.Remove(f.path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// eventID makes the id of the event of a line: the same one again in every run
// that goes on with this one. It is a UUID of version 8, RFC 9562.
func (s resumeState) eventID(line int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", s.Run, line))
	u := sum[:16]
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
