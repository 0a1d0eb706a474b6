//go:build unix

package harness

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
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
func Examine(stdout []byte) Evidence {
	evidence := Evidence{Bytes: int64(len(stdout))}
	var sum [4]uint64
	for line := range bytes.Lines(stdout) {
		evidence.Lines++
		digest := sha256.Sum256(bytes.TrimSuffix(line, []byte("\n")))
		for i := range sum {
			sum[i] += binary.BigEndian.Uint64(digest[8*i:])
		}
	}
	var total []byte
	for _, part := range sum {
		total = binary.BigEndian.AppendUint64(total, part)
	}
	evidence.Digest = hex.EncodeToString(total)
	return evidence
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
