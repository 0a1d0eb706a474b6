package discover

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/hashicorp/consul/api"
)

// MaxValue is how many bytes a value may have, unless the agents are configured otherwise.
const MaxValue = 512 << 10

// KV is Consul's key-value store, in the client's datacenter. It is safe for concurrent use.
//
// No value is ever in an error, nor is it printed with its [Entry].
type KV struct{ client *Client }

// KV returns the key-value store.
func (c *Client) KV() KV { return KV{client: c} }

// Entry is a key with its value.
type Entry struct {
	Key         string `json:"key"`
	Value       []byte `json:"-"` // may hold a secret: whoever shows it does so on purpose
	Flags       uint64 `json:"flags"`
	CreateIndex uint64 `json:"create_index"`
	ModifyIndex uint64 `json:"modify_index"` // moves with each change of value, flags or lock
	Session     string `json:"session"`      // which holds the key's lock
}

// String tells everything but the value.
func (e Entry) String() string {
	return fmt.Sprintf("%s (%d bytes, index %d)", e.Key, len(e.Value), e.ModifyIndex)
}

// GoString is String: %#v does not tell the value either.
func (e Entry) GoString() string { return e.String() }

// Get reads one key. It fails with a *KeyError, an *UnknownKeyError or a *RequestError.
func (kv KV) Get(ctx context.Context, key string) (Entry, error) {
	ctx, cancel := kv.client.bounded(ctx)
	defer cancel()
	entries, _, err := kv.one(ctx, key, 0)
	switch {
	case err != nil:
		return Entry{}, err
	case len(entries) == 0:
		return Entry{}, &UnknownKeyError{Key: key}
	}
	return entries[0], nil
}

// List reads every key that begins with prefix, sorted, with its value; none is no error. When ACLs hide some of
// them the others are returned beside a *RequestError that is ErrFiltered. (From the anonymous token Consul keeps
// that it hides anything, unless it hides all.)
func (kv KV) List(ctx context.Context, prefix string) ([]Entry, error) {
	ctx, cancel := kv.client.bounded(ctx)
	defer cancel()
	entries, _, err := kv.all(ctx, prefix, 0)
	return entries, err
}

// Keys lists the keys that begin with prefix, sorted, without their values. With a separator, those that have it
// after the prefix are folded into one that ends with it: "/" lists one folder. Errors are as for List.
func (kv KV) Keys(ctx context.Context, prefix, separator string) ([]string, error) {
	if err := checkPrefix(prefix); err != nil {
		return nil, err
	}
	ctx, cancel := kv.client.bounded(ctx)
	defer cancel()
	keys, meta, err := kv.client.consul.KV().Keys(prefix, separator, kv.client.options(ctx, Query{}))
	if err == nil && keys == nil {
		err = absent(meta)
	}
	if err != nil {
		return nil, kv.failed(err, "list the keys under %q", prefix)
	}
	return keys, kv.client.hidden(meta, len(keys), "list the keys under %q", prefix)
}

// Put writes the entry's value and flags, whatever is there. It fails with a *KeyError, a *TooLargeError or a
// *RequestError.
func (kv KV) Put(ctx context.Context, e Entry) error {
	return kv.write(ctx, e, func(o *api.WriteOptions) (bool, error) {
		_, err := kv.client.consul.KV().Put(&api.KVPair{Key: e.Key, Value: e.Value, Flags: e.Flags}, o)
		return true, err
	})
}

// CompareAndSet writes the entry's value and flags if the key's index is still the entry's ModifyIndex; 0 means that
// there is no such key. If it is not, the error is a *ChangedError, and nothing was written. After an error that is
// ErrUnreachable it may have been written: read it again.
func (kv KV) CompareAndSet(ctx context.Context, e Entry) error {
	return kv.write(ctx, e, func(o *api.WriteOptions) (bool, error) {
		pair := &api.KVPair{Key: e.Key, Value: e.Value, Flags: e.Flags, ModifyIndex: e.ModifyIndex}
		done, _, err := kv.client.consul.KV().CAS(pair, o)
		return done, err
	})
}

func (kv KV) write(ctx context.Context, e Entry, send func(*api.WriteOptions) (bool, error)) error {
	if err := checkKey(e.Key); err != nil {
		return err
	}
	if len(e.Value) > MaxValue {
		return &TooLargeError{Name: e.Key, Size: int64(len(e.Value))}
	}
	return kv.change(ctx, "write the key", e.Key, e.ModifyIndex, send)
}

// Delete deletes a key. That there is none is no error.
func (kv KV) Delete(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	return kv.change(ctx, "delete the key", key, 0, func(o *api.WriteOptions) (bool, error) {
		_, err := kv.client.consul.KV().Delete(key, o)
		return true, err
	})
}

// CompareAndDelete deletes a key if its index is still that one; a *ChangedError says that it is not. That there is
// no such key any more is no error.
func (kv KV) CompareAndDelete(ctx context.Context, key string, index uint64) error {
	if err := checkKey(key); err != nil {
		return err
	}
	return kv.change(ctx, "delete the key", key, index, func(o *api.WriteOptions) (bool, error) {
		done, _, err := kv.client.consul.KV().DeleteCAS(&api.KVPair{Key: key, ModifyIndex: index}, o)
		return done, err
	})
}

// DeleteTree deletes every key that begins with prefix, which may not be empty. "app" is the beginning of "apple":
// end the prefix with a slash to delete a folder.
func (kv KV) DeleteTree(ctx context.Context, prefix string) error {
	if err := checkKey(prefix); err != nil {
		return err
	}
	return kv.change(ctx, "delete the keys under", prefix, 0, func(o *api.WriteOptions) (bool, error) {
		_, err := kv.client.consul.KV().DeleteTree(prefix, o)
		return true, err
	})
}

// change sends a write, and finds the present index when it was refused because of it.
func (kv KV) change(ctx context.Context, attempt, key string, index uint64, send func(*api.WriteOptions) (bool, error)) error {
	ctx, cancel := kv.client.bounded(ctx)
	defer cancel()
	done, err := send((&api.WriteOptions{Datacenter: kv.client.datacenter}).WithContext(ctx))
	if err != nil {
		return kv.failed(err, "%s %q", attempt, key)
	}
	if done {
		return nil
	}
	present, _, err := kv.one(ctx, key, 0)
	if err != nil {
		return errors.Join(&ChangedError{Key: key, Wanted: index}, err)
	}
	changed := &ChangedError{Key: key, Wanted: index, Known: true}
	if len(present) > 0 {
		changed.Present = present[0].ModifyIndex
	}
	return changed
}

// one reads a key, which may not be there, and returns the index to wait on.
func (kv KV) one(ctx context.Context, key string, after uint64) ([]Entry, uint64, error) {
	if err := checkKey(key); err != nil {
		return nil, 0, err
	}
	pair, meta, err := kv.client.consul.KV().Get(key, kv.options(ctx, after))
	if err == nil && pair == nil {
		err = absent(meta)
	}
	if err != nil {
		return nil, 0, kv.failed(err, "read the key %q", key)
	}
	if pair == nil {
		return nil, meta.LastIndex, nil
	}
	return []Entry{fromPair(pair)}, meta.LastIndex, nil
}

// all reads what is under a prefix, and returns the index to wait on.
func (kv KV) all(ctx context.Context, prefix string, after uint64) ([]Entry, uint64, error) {
	if err := checkPrefix(prefix); err != nil {
		return nil, 0, err
	}
	pairs, meta, err := kv.client.consul.KV().List(prefix, kv.options(ctx, after))
	switch {
	case err == nil && pairs == nil:
		err = absent(meta)
	case err == nil && slices.Contains(pairs, nil):
		err = errEmptyEntry
	}
	if err != nil {
		return nil, 0, kv.failed(err, "list the keys under %q", prefix)
	}
	entries := make([]Entry, len(pairs))
	for i, pair := range pairs {
		entries[i] = fromPair(pair)
	}
	return entries, meta.LastIndex, kv.client.hidden(meta, len(entries), "list the keys under %q", prefix)
}

func (kv KV) options(ctx context.Context, after uint64) *api.QueryOptions {
	options := kv.client.options(ctx, Query{})
	if after > 0 {
		options.WaitIndex, options.WaitTime = after, keyWait
	}
	return options
}

func fromPair(pair *api.KVPair) Entry {
	return Entry{
		Key: pair.Key, Value: append([]byte{}, pair.Value...), Flags: pair.Flags,
		CreateIndex: pair.CreateIndex, ModifyIndex: pair.ModifyIndex, Session: pair.Session,
	}
}

// errForeign404 is a 404 that bears no mark of Consul.
var errForeign404 = errors.New("404 without an index")

// absent returns an error unless it was Consul that answered with 404, which stands for no such key: anything else that
// listens on the port would answer the same.
func absent(meta *api.QueryMeta) error {
	if meta.LastIndex > 0 || meta.KnownLeader || meta.DefaultACLPolicy != "" {
		return nil
	}
	return errForeign404
}

// errEmptyEntry is an entry of a reply that Consul never sends.
var errEmptyEntry = errors.New("it lists an empty entry")

// failed explains what a request met, as the client does, and knows what only keys meet.
func (kv KV) failed(err error, format string, args ...any) error {
	attempt := fmt.Sprintf(format, args...)
	var status api.StatusError
	var encoding base64.CorruptInputError
	switch {
	case errors.As(err, &encoding), errors.Is(err, errEmptyEntry):
		return &RequestError{
			Attempt: attempt, Address: kv.client.address, Err: err,
			Reason: fmt.Sprintf("its reply is not Consul's (%v); is this Consul's HTTP port?", err),
		}
	case errors.Is(err, errForeign404):
		return &RequestError{
			Attempt: attempt, Address: kv.client.address, Err: err,
			Reason: "it answered 404 without an index, as Consul never does; is this Consul's HTTP port?",
		}
	case errors.As(err, &status) && status.Code == http.StatusRequestEntityTooLarge:
		return &RequestError{
			Attempt: attempt, Address: kv.client.address, Err: err, Kind: ErrTooLarge,
			Reason: fmt.Sprintf("it answered %d %s", status.Code, firstLine(status.Body)),
		}
	}
	return kv.client.failed(err, "%s", attempt)
}
