//go:build unix

package main

import (
	"slices"
	"strings"
	"testing"
)

func TestParseInits(t *testing.T) {
	t.Parallel()
	got := parseInits(strings.NewReader(`init internal/bytealg @0.008 ms, 0 ms clock, 0 bytes, 0 allocs
some other line
init k8s.io/client-go/rest @5.1 ms, 1.25 ms clock, 52432 bytes, 800 allocs
init cut @1`))
	want := []initCost{{"internal/bytealg", 0, 0}, {"k8s.io/client-go/rest", 1.25, 52432}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
