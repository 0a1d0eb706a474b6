package discover

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// KeyDifference is a key that Consul and a folder do not have alike.
type KeyDifference struct {
	Key string `json:"key"`
	// Kind is what would happen to it if the folder were written to Consul: Added when only the folder has it, Removed
	// when only Consul does, Changed when their values differ.
	Kind ChangeKind `json:"kind"`
	Old  []byte     `json:"-"` // Consul's value; nil when Added
	New  []byte     `json:"-"` // the file's; nil when Removed
}

// String tells everything but the values.
func (d KeyDifference) String() string {
	return fmt.Sprintf("%s %s (%d bytes, then %d)", d.Key, d.Kind, len(d.Old), len(d.New))
}

// GoString is String: %#v does not tell the values either.
func (d KeyDifference) GoString() string { return d.String() }

// Binary tells whether one of the values is no text.
func (d KeyDifference) Binary() bool { return IsBinary(d.Old) || IsBinary(d.New) }

// IsBinary tells whether a value is no text: not UTF-8, or with a NUL in it.
func IsBinary(value []byte) bool { return !utf8.Valid(value) || bytes.IndexByte(value, 0) >= 0 }

// DiffKeys returns what tells Consul's entries from a folder's, sorted by key. Only values are compared: files have no
// flags. Keys that end with a slash and have no value are the folders of Consul's own user interface and are left out.
func DiffKeys(consul, folder []Entry) []KeyDifference {
	files := map[string]Entry{}
	for _, entry := range folder {
		files[entry.Key] = entry
	}
	differences := []KeyDifference{}
	for _, entry := range consul {
		file, both := files[entry.Key]
		delete(files, entry.Key)
		switch {
		case both && !bytes.Equal(entry.Value, file.Value):
			differences = append(differences, KeyDifference{entry.Key, Changed, entry.Value, file.Value})
		case !both && !entry.isFolder():
			differences = append(differences, KeyDifference{entry.Key, Removed, entry.Value, nil})
		}
	}
	for _, file := range files {
		if !file.isFolder() {
			differences = append(differences, KeyDifference{file.Key, Added, nil, file.Value})
		}
	}
	slices.SortFunc(differences, func(a, b KeyDifference) int { return cmp.Compare(a.Key, b.Key) })
	return differences
}

func (e Entry) isFolder() bool { return strings.HasSuffix(e.Key, "/") && len(e.Value) == 0 }
