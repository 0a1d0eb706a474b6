package discover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Value is a key whose value is a T.
type Value[T any] struct {
	KV     KV
	Key    string
	Decode func([]byte) (T, error) // JSON, String, Int, Duration, Bool or the caller's own
}

// Get reads the value and the index with which CompareAndSet replaces it. It fails as KV.Get does, or with a
// *DecodeError.
func (v Value[T]) Get(ctx context.Context) (value T, index uint64, err error) {
	entry, err := v.KV.Get(ctx, v.Key)
	if err != nil {
		return value, 0, err
	}
	value, err = v.decode(entry)
	return value, entry.ModifyIndex, err
}

// ValueUpdate is what a watch of a Value tells.
type ValueUpdate[T any] struct {
	Value T
	Known bool // there is a good value: the present one, or with an error the last
	// Err is set while there is no good value to be had: a *RequestError, an *UnknownKeyError or a *DecodeError.
	Err error
	// Read is when Value was read from Consul.
	Read time.Time
}

// Watch tells the value now and after each change, as KV.Watch does. The last good value is kept while Consul is away,
// the key is gone or its value cannot be decoded.
func (v Value[T]) Watch(ctx context.Context) iter.Seq[ValueUpdate[T]] {
	return func(yield func(ValueUpdate[T]) bool) {
		var last ValueUpdate[T]
		for update := range v.KV.Watch(ctx, v.Key) {
			if last = v.next(last, update); !yield(last) {
				return
			}
		}
	}
}

func (v Value[T]) next(last ValueUpdate[T], update KVUpdate) ValueUpdate[T] {
	last.Err = update.Err
	if update.Err != nil {
		return last
	}
	if len(update.Entries) == 0 {
		last.Err = &UnknownKeyError{Key: v.Key}
		return last
	}
	value, err := v.decode(update.Entries[0])
	if err != nil {
		last.Err = err
		return last
	}
	return ValueUpdate[T]{Value: value, Known: true, Read: update.Read}
}

func (v Value[T]) decode(entry Entry) (T, error) {
	value, err := v.Decode(entry.Value)
	if err != nil {
		return value, &DecodeError{Key: entry.Key, Index: entry.ModifyIndex, Type: fmt.Sprintf("%T", value), Err: err}
	}
	return value, nil
}

// DecodeError is a value that is not of its type.
type DecodeError struct {
	Key   string
	Index uint64 // of the value that could not be decoded
	Type  string // what it should have been
	Err   error  // what Decode returned; not shown, as it may quote the value
}

// Error names the key and the type.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("the value of key %q at index %d is no %s", e.Key, e.Index, e.Type)
}

// Unwrap returns what Decode returned.
func (e *DecodeError) Unwrap() error { return e.Err }

// errNotOfType is what the decoders below return: those of the standard library quote the value.
var errNotOfType = errors.New("the value is not of its type")

// JSON decodes a value by encoding/json.
func JSON[T any](value []byte) (T, error) {
	var v T
	if json.Unmarshal(value, &v) != nil {
		var zero T
		return zero, errNotOfType
	}
	return v, nil
}

// String decodes UTF-8 text.
func String(value []byte) (string, error) {
	if !utf8.Valid(value) {
		return "", errNotOfType
	}
	return string(value), nil
}

// Int decodes a decimal integer; white space around it is left out, here and below.
func Int(value []byte) (int, error) { return parsed(value, strconv.Atoi) }

// Duration decodes a duration as time.ParseDuration does, such as 1m30s.
func Duration(value []byte) (time.Duration, error) { return parsed(value, time.ParseDuration) }

// Bool decodes a boolean as strconv.ParseBool does: true, false, 1, 0 and the like.
func Bool(value []byte) (bool, error) { return parsed(value, strconv.ParseBool) }

func parsed[T any](value []byte, parse func(string) (T, error)) (T, error) {
	v, err := parse(strings.TrimSpace(string(value)))
	if err != nil {
		var zero T
		return zero, errNotOfType
	}
	return v, nil
}
