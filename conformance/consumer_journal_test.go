//go:build unix

package conformance

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ordealJournal is what all members have written down, as far as it was read.
type ordealJournal struct {
	ordeal  *ordeal
	files   []*ordealFile
	done    map[ordealEvent]int // how often an event was handled, or found handled
	last    map[ordealEvent]handling
	letters map[ordealEvent]int
	passed  [ordealPartitions]int64 // offsets of letters that were read

	tries, failures, panics, marked int
	unordered                       int            // a key's order broken by an owner of its partition
	again                           int            // by an owner of what it had done itself
	repeated                        map[string]int // by what became of the one who had done it before
}

// handling is who handled an event last, and when.
type handling struct {
	by *ordealFile
	at int64 // in µs
}

// ordealFile is the journal of one member.
type ordealFile struct {
	member *ordealMember
	read   int64 // bytes
	keys   map[tenureKey]keyState
}

type tenureKey struct {
	tenure int64
	key    int
}

// keyState is how far an owner is with a key.
type keyState struct {
	n     int
	ended byte
}

func (j *ordealJournal) add(m *ordealMember) {
	j.files = append(j.files, &ordealFile{member: m, keys: map[tenureKey]keyState{}})
}

// read takes in what was written since it last did.
func (j *ordealJournal) read() {
	j.ordeal.t.Helper()
	for _, f := range j.files {
		j.ordeal.must(j.readFile(f))
	}
	j.ordeal.readLetters(&j.passed, func(e ordealEvent) { j.letters[e]++ })
}

func (j *ordealJournal) readFile(f *ordealFile) error {
	file, err := os.Open(f.member.journal)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it has not begun yet
	}
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Seek(f.read, io.SeekStart); err != nil {
		return err
	}
	lines := bufio.NewReaderSize(file, 1<<20)
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		f.read += int64(len(line))
		var kind byte
		var tenure, at int64
		var e ordealEvent
		if _, err := fmt.Sscanf(line, "%c %d %d %d-%d", &kind, &tenure, &at, &e.key, &e.n); err != nil {
			return fmt.Errorf("journal line %q: %w", line, err)
		}
		j.take(f, kind, tenureKey{tenure, e.key}, at, e)
	}
}

// take holds a line against those before it.
func (j *ordealJournal) take(f *ordealFile, kind byte, of tenureKey, at int64, e ordealEvent) {
	before, begun := f.keys[of]
	f.keys[of] = keyState{e.n, kind}
	switch kind {
	case 'b':
		j.tries++
		if begun {
			j.follows(before, e)
		}
		return
	case 'f':
		j.failures++
		return
	case 'p':
		j.panics++
		return
	case 'd':
		j.marked++
		j.done[e] = max(1, j.done[e])
		return
	}
	this := handling{f, at}
	if j.done[e]++; j.done[e] > 1 {
		earlier := j.last[e]
		if earlier.by != nil && earlier.at > at { // the files are read one after the other
			this, earlier = earlier, this
		}
		if earlier.by != nil {
			j.repeated[j.why(earlier.by, this.by)]++
		}
	}
	j.last[e] = this
}

// follows checks that an owner may begin an event after another of its key: the next one, when that is done or was
// given up, or itself, when it failed.
func (j *ordealJournal) follows(before keyState, e ordealEvent) {
	passed := before.ended == 'k' || before.ended == 'd' || before.ended == 'f' && fateOf(j.ordeal.seed, ordealEvent{e.key, before.n}).lettered()
	next := before.n + 1
	for next < e.n && fateOf(j.ordeal.seed, ordealEvent{e.key, next}) == poisoned {
		next++ // no handler sees it
	}
	switch {
	case e.n == before.n && (before.ended == 'f' || before.ended == 'p'):
	case e.n == before.n && (before.ended == 'k' || before.ended == 'd'):
		j.again++
	case e.n != next || !passed:
		j.unordered++
		j.ordeal.t.Logf("key %d: %d is begun after %d, which ended as %c", e.key, e.n, before.n, before.ended)
	}
}

// why says how it could be that an event was handled again.
func (j *ordealJournal) why(before, after *ordealFile) string {
	if before == after {
		return "the same, which had lost the partition and got it back"
	}
	return before.member.fate
}
