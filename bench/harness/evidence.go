//go:build unix

package harness

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// Evidence is what is verified of a run's output.
type Evidence struct {
	Lines  int64  `json:"lines"`
	Bytes  int64  `json:"bytes"`
	Digest string `json:"digest,omitempty"` // the same for the same lines in any order
}

// Examine counts and digests lines. The digest is the sum of the lines' SHA-256
// sums, taken as four 64-bit numbers, so that partitions may be read in any order
// while a line that is missing, doubled or changed shows.
func Examine(stdout io.Reader) (Evidence, error) {
	var evidence Evidence
	var sum [4]uint64
	lines := bufio.NewReaderSize(stdout, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			evidence.add(&sum, line)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Evidence{}, err
		}
	}
	var total []byte
	for _, part := range sum {
		total = binary.BigEndian.AppendUint64(total, part)
	}
	evidence.Digest = hex.EncodeToString(total)
	return evidence, nil
}

func (e *Evidence) add(sum *[4]uint64, line []byte) {
	e.Lines++
	e.Bytes += int64(len(line))
	digest := sha256.Sum256(bytes.TrimSuffix(line, []byte("\n")))
	for i := range sum {
		sum[i] += binary.BigEndian.Uint64(digest[8*i:])
	}
}

// judge compares each run's evidence with what was seen before.
type judge struct {
	same  bool
	first string // the contender that ran first
	seen  map[string]Evidence
}

func (j *judge) admit(name string, got Evidence) error {
	if j.first == "" {
		j.first = name
	}
	rival := name
	if j.same {
		rival = j.first
	}
	want, ok := j.seen[rival]
	if ok && want != got {
		return fmt.Errorf("%w: %s gave %d lines, %d bytes, digest %.12s; %s gave %d, %d, %.12s",
			ErrOutput, name, got.Lines, got.Bytes, got.Digest, rival, want.Lines, want.Bytes, want.Digest)
	}
	j.seen[name] = got
	return nil
}
