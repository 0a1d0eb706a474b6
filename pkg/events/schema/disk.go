package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/google/renameio/v2/maybe"
)

// disk keeps schemas by their ids, which never change, and the newest of each subject with the time at which it was
// learnt. A file that cannot be read or written is no error: the registry is asked.
type disk struct{ dir string }

// newDisk gives each registry a folder of its own.
func newDisk(dir, url string) disk {
	if dir == "" {
		return disk{}
	}
	return disk{filepath.Join(dir, shortHash(url))}
}

func shortHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:12])
}

// saved is the content of a file.
type saved struct {
	At     time.Time `json:"at"`
	Schema Schema    `json:"schema"`
}

// path is "" for what is not kept: numbered versions, since a subject can be deleted and made anew.
func (d disk) path(k key) string {
	switch {
	case d.dir == "":
		return ""
	case k.id != 0:
		return filepath.Join(d.dir, "id-"+strconv.Itoa(k.id)+".json")
	case k.version == Latest:
		return filepath.Join(d.dir, "latest-"+shortHash(k.subject)+".json")
	}
	return ""
}

func (d disk) load(k key, maxAge time.Duration) *entry {
	path := d.path(k)
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var s saved
	if json.Unmarshal(text, &s) != nil || s.Schema.Text == "" || s.Schema.Subject != k.subject || k.id != 0 && s.Schema.ID != k.id {
		return nil
	}
	e := &entry{schema: s.Schema, at: s.At, forEver: k.id != 0, fromDisk: true}
	if !e.fresh(maxAge) || e.at.After(time.Now()) {
		return nil
	}
	return e
}

// maxFiles bounds the folder. It is emptied rather than sorted out: what it had is one request away.
const maxFiles = 4096

func (d disk) save(k key, e *entry) {
	path := d.path(k)
	if path == "" {
		return
	}
	if e.absent != nil {
		_ = os.Remove(path)
		return
	}
	text, err := json.Marshal(saved{At: e.at, Schema: e.schema})
	if err != nil || os.MkdirAll(d.dir, 0o700) != nil {
		return
	}
	if files, err := os.ReadDir(d.dir); err == nil && len(files) >= maxFiles {
		_ = os.RemoveAll(d.dir)
		_ = os.MkdirAll(d.dir, 0o700)
	}
	_ = maybe.WriteFile(path, text, 0o600)
}

func (d disk) drop(k key) {
	if path := d.path(k); path != "" {
		_ = os.Remove(path)
	}
}
