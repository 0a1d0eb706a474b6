package discover

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ErrNotRemembered is returned by Remembered when nothing was kept, or what was kept cannot be read.
var ErrNotRemembered = errors.New("nothing is remembered of it")

// memory is a file of the cache: the instances of a service that a query's filter let in, whatever their version, tags
// and health.
type memory struct {
	Read      time.Time  `json:"read"`
	Instances []Instance `json:"instances"`
}

// Remembered returns the instances that the query lets in by what was read last, by this process or another one, with
// the time it was read. It asks nobody, and needs Config.CacheDir. The error is ErrNotRemembered, or a
// *NoInstanceError when none of what was known is let in.
func (c *Client) Remembered(name string, q Query) (Update, error) {
	remembered, ok := c.recall(name, q)
	if !ok {
		return Update{}, ErrNotRemembered
	}
	update := Update{Instances: q.filter(remembered.Instances), Read: remembered.Read}
	if len(update.Instances) > 0 {
		return update, nil
	}
	return update, &NoInstanceError{Service: name, Query: q, Known: explained(remembered.Instances, q)}
}

// remember keeps what was read, and what is seen of its checks.
func (c *Client) remember(name string, q Query, known []Instance, lasted bool) {
	if c.cacheDir == "" || len(known) == 0 {
		return
	}
	c.look(name, q, known, lasted)
	c.writeFile(c.memoryFile(name, q), memory{Read: time.Now(), Instances: known})
}

func (c *Client) recall(name string, q Query) (memory, bool) {
	var m memory
	ok := c.readFile(c.memoryFile(name, q), &m)
	return m, ok
}

// memoryFile is named after all that chooses what Consul answers, but not the token: what was known is most needed
// when the token has expired.
func (c *Client) memoryFile(name string, q Query) string {
	q.Datacenter = c.datacenterOf(q)
	key := strings.Join([]string{c.address, c.namespace, c.partition, q.Datacenter, strings.ToLower(name), q.Near, q.Filter}, "\x00")
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(c.cacheDir, hex.EncodeToString(sum[:16]))
}

// writeFile writes a file of the cache: before its JSON a line with the JSON's SHA-256 sum, so that one that was torn or
// changed is not taken for what was known. Therefore nobody waits for the disk, which can take longer than all else that
// a command does. What cannot be kept is not missed before it is needed, and then it is said.
func (c *Client) writeFile(path string, of any) {
	body, err := json.Marshal(of)
	if err != nil || os.MkdirAll(c.cacheDir, 0o700) != nil {
		return
	}
	sum := sha256.Sum256(body)
	file, err := os.CreateTemp(c.cacheDir, "new-*")
	if err != nil {
		return
	}
	_, err = file.Write(append([]byte(hex.EncodeToString(sum[:])+"\n"), body...))
	if errors.Join(err, file.Close()) != nil || os.Rename(file.Name(), path) != nil {
		_ = os.Remove(file.Name()) // it is no loss
	}
}

// readFile reads a file of the cache, and tells whether there is one and it is whole.
func (c *Client) readFile(path string, into any) bool {
	if c.cacheDir == "" {
		return false
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	stated, body, _ := bytes.Cut(text, []byte("\n"))
	sum := sha256.Sum256(body)
	return string(stated) == hex.EncodeToString(sum[:]) && json.Unmarshal(body, into) == nil
}

// keepEvery is how old what is kept of an unchanged service may get.
const keepEvery = time.Minute

// rememberer keeps what a watch reads, unless it kept the same shortly before.
type rememberer struct {
	client *Client
	name   string
	query  Query
	last   []Instance
	at     time.Time
}

// keep is told whether what was read before lasted until now.
func (r *rememberer) keep(known []Instance, lasted bool) {
	if r.client.cacheDir == "" || time.Since(r.at) < keepEvery && slices.EqualFunc(known, r.last, sameStates) {
		return
	}
	r.client.remember(r.name, r.query, known, lasted)
	r.last, r.at = known, time.Now()
}

// sameStates compares also in which states the checks are.
func sameStates(a, b Instance) bool {
	same := func(a, b Check) bool { return a.ID == b.ID && a.Status == b.Status }
	return sameForCallers(a, b) && slices.EqualFunc(a.Checks, b.Checks, same)
}
