package discover_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/suokelife/suokectl/pkg/discover"
)

type limits struct {
	Rate  int           `json:"rate"`
	Grace time.Duration `json:"grace"`
}

func TestValueTypes(t *testing.T) {
	_, c := start(t)
	kv := c.KV()
	for key, value := range map[string]string{
		"json": `{"rate": 5, "grace": 1000}`, "text": "健康", "int": " 42\n", "duration": "1m30s\n", "bool": "true",
		"bad": "secret \xff",
	} {
		putKey(t, kv, key, value)
	}
	checkValue(t, discover.Value[limits]{KV: kv, Key: "json", Decode: discover.JSON[limits]}, limits{5, 1000})
	checkValue(t, discover.Value[string]{KV: kv, Key: "text", Decode: discover.String}, "健康")
	checkValue(t, discover.Value[int]{KV: kv, Key: "int", Decode: discover.Int}, 42)
	checkValue(t, discover.Value[time.Duration]{KV: kv, Key: "duration", Decode: discover.Duration}, 90*time.Second)
	checkValue(t, discover.Value[bool]{KV: kv, Key: "bool", Decode: discover.Bool}, true)
}

// checkValue reads a value, one that is not of the type, and one that is not there.
func checkValue[T comparable](t *testing.T, v discover.Value[T], want T) {
	t.Helper()
	got, index, err := v.Get(t.Context())
	if err != nil || got != want || index == 0 {
		t.Errorf("%s: got %v at %d, %v", v.Key, got, index, err)
	}
	v.Key = "bad"
	_, _, err = v.Get(t.Context())
	var decode *discover.DecodeError
	if !errors.As(err, &decode) || !strings.Contains(err.Error(), `the value of key "bad" at index `) {
		t.Errorf("got %v", err)
	}
	for ; err != nil; err = errors.Unwrap(err) {
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%v quotes the value", err)
		}
	}
	v.Key = "none"
	if _, _, err := v.Get(t.Context()); !errors.Is(err, discover.ErrNoKey) {
		t.Errorf("got %v", err)
	}
}

func TestWatchValueKeepsTheLastGoodOne(t *testing.T) {
	_, c := start(t)
	kv := c.KV()
	v := discover.Value[int]{KV: kv, Key: "k", Decode: discover.Int}
	next := watchingKeys(t, func(ctx context.Context) func(func(discover.ValueUpdate[int]) bool) { return v.Watch(ctx) })
	if u := next(); u.Known || !errors.Is(u.Err, discover.ErrNoKey) {
		t.Fatalf("first: %+v", u)
	}
	putKey(t, kv, "k", "1")
	good := next()
	if !good.Known || good.Value != 1 || good.Err != nil || good.Read.IsZero() {
		t.Fatalf("then: %+v", good)
	}
	putKey(t, kv, "k", "many")
	var decode *discover.DecodeError
	if u := next(); !u.Known || u.Value != 1 || !errors.As(u.Err, &decode) || u.Read != good.Read {
		t.Fatalf("a bad one: %+v", u)
	}
	if err := kv.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if u := next(); !u.Known || u.Value != 1 || !errors.Is(u.Err, discover.ErrNoKey) {
		t.Fatalf("gone: %+v", u)
	}
	putKey(t, kv, "k", "2")
	if u := next(); u.Value != 2 || u.Err != nil {
		t.Fatalf("back: %+v", u)
	}
}
