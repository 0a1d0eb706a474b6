package rpc

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2/maybe"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

const (
	keptFormat = 1
	keptAll    = "all" // the file of Descriptors.Keep; those of methods are call-…
	// keptFresh is how long a method's definition is used without asking the
	// server whether it still holds.
	keptFresh = 10 * time.Second
	// keptOverdue is how old one may get before a call waits for the answer.
	keptOverdue = time.Hour
	// keptMethods is how many methods of a target are kept. There are as many
	// files as names by which they were asked for.
	keptMethods = 256
)

// errTorn says that a file of the cache is no such file, or not all of it.
var errTorn = errors.New("the cached descriptors cannot be read")

// kept is a file of the descriptor cache: these values as one line of JSON, then
// a google.protobuf.FileDescriptorSet.
type kept struct {
	Format int `json:"format"`
	// Method is the full name of the method, if the file is of one.
	Method string `json:"method,omitempty"`
	// Services are the names that the server listed, if the file is of all.
	Services []string `json:"services,omitempty"`
	// Reflection is the method of the reflection that the server has.
	Reflection string `json:"reflection,omitempty"`
	// Sums are the SHA-256 of the files that the server gave, by path.
	Sums map[string]string `json:"sums,omitempty"`
	// Sum is the SHA-256 of the set.
	Sum string `json:"sum"`

	path    string
	time    time.Time
	library *library
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func callFile(dir, method string) string {
	if name := strings.NewReplacer("/", ".").Replace(strings.Trim(method, "/")); protoreflect.FullName(name).IsValid() && len(name) < 200 {
		return filepath.Join(dir, "call-"+name)
	}
	return filepath.Join(dir, "call-"+sum([]byte(method)))
}

// readKept reads a file of the cache. One that is torn, or of another format, is
// as good as none.
func readKept(path string) (*kept, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	header, set, _ := bytes.Cut(b, []byte("\n"))
	k := &kept{path: path, library: newLibrary()}
	if json.Unmarshal(header, k) != nil || k.Format != keptFormat || k.Sum != sum(set) {
		return nil, errTorn
	}
	var all descriptorpb.FileDescriptorSet
	if proto.Unmarshal(set, &all) != nil {
		return nil, errTorn
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	k.time = info.ModTime()
	k.library.add(all.GetFile())
	k.library.link()
	return k, nil
}

// write replaces the file in one step. A cache that cannot be written is only a
// slower one.
func (k *kept) write(set *descriptorpb.FileDescriptorSet) error {
	body, err := proto.Marshal(set)
	if err != nil {
		return err
	}
	k.Format, k.Sum = keptFormat, sum(body)
	header, err := json.Marshal(k)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(k.path), 0o700); err != nil {
		return err
	}
	return maybe.WriteFile(k.path, append(append(header, '\n'), body...), 0o600)
}

// descriptors returns what the file holds.
func (k *kept) descriptors() *Descriptors {
	return &Descriptors{library: k.library, names: k.Services, complete: true}
}

// Keep writes all definitions of the server to the channel's descriptor cache,
// for a time when it is away. It returns when ctx ends.
func (d *Descriptors) Keep(ctx context.Context) error {
	if d.channel == nil || d.channel.config.DescriptorCache == "" {
		return nil
	}
	_, err := question(d, "hand out its definitions", func() (struct{}, error) {
		stop := context.AfterFunc(ctx, d.stream.cancel)
		defer stop()
		if _, err := d.all(); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, d.keep()
	})
	return err
}

// keep writes what Keep writes once it is all there.
func (d *Descriptors) keep() error {
	var fds []protoreflect.FileDescriptor
	d.library.linked.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		fds = append(fds, fd)
		return true
	})
	k := &kept{path: filepath.Join(d.channel.config.DescriptorCache, keptAll), Services: d.names}
	return k.write(d.library.files(fds...))
}

// KeptDescriptors returns the definitions that [Descriptors.Keep] wrote to the
// cache in dir, and when that was. An error says that there are none.
func KeptDescriptors(dir string) (*Descriptors, time.Time, error) {
	k, err := readKept(filepath.Join(dir, keptAll))
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read the cached descriptors: %w", err)
	}
	return k.descriptors(), k.time, nil
}

// keepMethod writes the definition of a method under the name by which it was
// asked for.
func (d *Descriptors) keepMethod(name string, m protoreflect.MethodDescriptor) {
	dir := d.channel.config.DescriptorCache
	if dir == "" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	set := prune(m, d.library)
	k := &kept{path: callFile(dir, name), Method: fullName(m), Sums: map[string]string{}}
	if d.stream != nil {
		k.Reflection = d.stream.method
	}
	for _, file := range set.GetFile() {
		if s := d.sums[file.GetName()]; s != "" {
			k.Sums[file.GetName()] = s
		}
	}
	_ = k.write(set)
	_ = removeOldest(dir, keptMethods)
	if d.complete {
		_ = d.keep()
	}
}

// drop forgets the definition.
func (k *kept) drop() { _ = os.Remove(k.path) }

// method returns the method that the file is of.
func (k *kept) method() (protoreflect.MethodDescriptor, error) {
	service, name, _ := strings.Cut(k.Method, "/")
	sd, err := k.library.service(service)
	if err != nil {
		return nil, errTorn
	}
	m := sd.Methods().ByName(protoreflect.Name(name))
	if m == nil || k.library.check(k.Method, m.Input(), m.Output()) != nil {
		return nil, errTorn
	}
	return m, nil
}

// revalidate asks the server, all at once, for the files that the definition was
// made from, and reports whether it still holds. One that does not is dropped, so
// that the next call fetches it; any failure leaves it as it is.
func (k *kept) revalidate(ctx context.Context, d *Descriptors) bool {
	service, _, _ := strings.Cut(k.Method, "/")
	sd, err := k.library.service(service)
	if err != nil {
		return false
	}
	var paths []string
	for path := range k.Sums {
		if path != sd.ParentFile().Path() {
			paths = append(paths, path)
		}
	}
	ctx, call := d.channel.call(ctx)
	call.begin()
	stream := newReflection(ctx, d.channel.ClientConn, d.channel.config.ReflectHeaders)
	defer stream.cancel()
	stream.method = k.Reflection
	sums, err := stream.sums(service, paths)
	if err != nil {
		return false
	}
	for _, want := range k.Sums {
		if !sums[want] {
			k.drop()
			return false
		}
	}
	now := time.Now()
	_ = os.Chtimes(k.path, now, now)
	_ = os.Chtimes(filepath.Dir(k.path), now, now) // for PruneDescriptorCache
	return true
}

// PruneDescriptorCache bounds what is in root, a folder of descriptor caches: it
// removes those of the targets that were confirmed longest ago, until there are no
// more than so many. A channel that uses one of them meanwhile fetches anew.
func PruneDescriptorCache(root string, targets int) error {
	if err := removeOldest(root, targets); err != nil {
		return fmt.Errorf("prune the cached descriptors: %w", err)
	}
	return nil
}

// removeOldest removes the oldest entries of a folder until there are limit. A
// folder that is not there has none.
func removeOldest(dir string, limit int) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	times := map[string]time.Time{}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil { // else another process has removed it
			times[entry.Name()] = info.ModTime()
		}
	}
	names := slices.SortedFunc(maps.Keys(times), func(a, b string) int { return times[a].Compare(times[b]) })
	var errs []error
	for _, name := range names[:max(0, len(names)-limit)] {
		errs = append(errs, os.RemoveAll(filepath.Join(dir, name)))
	}
	return errors.Join(errs...)
}
