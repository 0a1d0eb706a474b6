package discover

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Errors of the key-value store that callers tell apart.
var (
	// ErrNoKey is what an *UnknownKeyError is.
	ErrNoKey = errors.New("no such key")
	// ErrChanged is what a *ChangedError is.
	ErrChanged = errors.New("the key has changed")
	// ErrTooLarge is what a *TooLargeError is, and a *RequestError when it was Consul that found a value too large.
	ErrTooLarge = errors.New("the value is too large")
)

// UnknownKeyError is returned when there is no such key.
type UnknownKeyError struct{ Key string }

// Error names the key.
func (e *UnknownKeyError) Error() string { return fmt.Sprintf("Consul has no key %q", e.Key) }

// Unwrap returns ErrNoKey.
func (e *UnknownKeyError) Unwrap() error { return ErrNoKey }

// ChangedError is a write that was not made because the key is not as it was.
type ChangedError struct {
	Key     string
	Wanted  uint64 // the index that it should have had; 0 is no such key
	Present uint64 // the index that it has; 0 is no such key
	Known   bool   // Present was found out
}

// Error says what the key's index should have been and what it is.
func (e *ChangedError) Error() string {
	text := fmt.Sprintf("key %q is no longer at index %d", e.Key, e.Wanted)
	switch {
	case e.Wanted == 0 && e.Present == 0:
		return fmt.Sprintf("key %q exists already, or did a moment ago", e.Key)
	case e.Wanted == 0:
		return fmt.Sprintf("key %q exists already, at index %d", e.Key, e.Present)
	case !e.Known:
		return text
	case e.Present == 0:
		return text + ": it is gone"
	}
	return fmt.Sprintf("%s but at %d", text, e.Present)
}

// Unwrap returns ErrChanged.
func (e *ChangedError) Unwrap() error { return ErrChanged }

// TooLargeError is a value, or a file, that is greater than MaxValue. Nothing was sent.
type TooLargeError struct {
	Name string // the key, or the file
	Size int64
}

// Error tells both sizes.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the value of %q has %d bytes, and Consul keeps at most %d", e.Name, e.Size, MaxValue)
}

// Unwrap returns ErrTooLarge.
func (e *TooLargeError) Unwrap() error { return ErrTooLarge }

// KeyError is a key, a prefix, or a file that stands for a key, which cannot be used. Consul would answer to another
// key without a word, or not at all.
type KeyError struct{ Key, Reason string }

// Error says why.
func (e *KeyError) Error() string { return fmt.Sprintf("key %q %s", e.Key, e.Reason) }

func checkKey(key string) error {
	if key == "" {
		return &KeyError{Key: key, Reason: "is empty"}
	}
	return checkPrefix(key)
}

// checkPrefix refuses what does not survive as the path of a URL: Consul's HTTP server cleans it and redirects to
// another key, and refuses characters that cannot be printed.
func checkPrefix(prefix string) error {
	reason := ""
	parts := strings.Split(prefix, "/")
	for i, part := range parts {
		switch {
		case part == "" && i == 0 && len(parts) > 1:
			reason = "begins with a slash; keys do not"
		case part == "" && i < len(parts)-1:
			reason = "has two slashes in a row, which Consul would take for one"
		case part == "." || part == "..":
			reason = fmt.Sprintf("has %q between slashes, which Consul would resolve to another key", part)
		}
	}
	switch {
	case !utf8.ValidString(prefix):
		reason = "is not UTF-8"
	case strings.IndexFunc(prefix, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0:
		reason = "has a character that cannot be printed, which Consul refuses"
	}
	if reason != "" {
		return &KeyError{Key: prefix, Reason: reason}
	}
	return nil
}
