package rpc

import (
	"fmt"
	"slices"
	"strings"

	"github.com/suokelife/suokectl/pkg/spec"
)

// NotFoundError says that there is no such service, method or symbol.
type NotFoundError struct {
	// Kind is service, method or symbol.
	Kind string
	Name string
	// Similar are names that may have been meant, the most likely first.
	Similar []string
	// Ambiguous says that each of Similar fits the short name that was given.
	Ambiguous bool
	// AtHand says that no server was asked: the definitions come from files or were kept.
	AtHand bool
}

func (e *NotFoundError) Error() string {
	who := "the server has"
	if e.AtHand {
		who = "the definitions have"
	}
	switch {
	case e.Ambiguous:
		return fmt.Sprintf("%s %q could be %s", e.Kind, e.Name, strings.Join(e.Similar, " or "))
	case len(e.Similar) > 0:
		return fmt.Sprintf("%s no %s %q; did you mean %s?", who, e.Kind, e.Name, strings.Join(e.Similar, " or "))
	default:
		return fmt.Sprintf("%s no %s %q", who, e.Kind, e.Name)
	}
}

const (
	// maxSimilar is how many names are worth reading.
	maxSimilar = 3
	// minPart is how long a name must be to be looked for inside of others.
	minPart = 3
)

// notFound makes a NotFoundError with those of names that look like name.
func notFound(kind, name string, names []string) *NotFoundError {
	type scored struct {
		name     string
		distance int
	}
	var close []scored
	for _, candidate := range names {
		short, other := strings.ToLower(lastPart(name)), strings.ToLower(lastPart(candidate))
		d := min(spec.EditDistance(strings.ToLower(name), strings.ToLower(candidate)), spec.EditDistance(short, other))
		if len(short) >= minPart && (strings.Contains(other, short) || strings.Contains(short, other)) {
			d = min(d, 1)
		}
		if d <= max(2, len(lastPart(name))/3) {
			close = append(close, scored{candidate, d})
		}
	}
	slices.SortStableFunc(close, func(a, b scored) int { return a.distance - b.distance })
	e := &NotFoundError{Kind: kind, Name: name}
	for _, s := range close[:min(len(close), maxSimilar)] {
		e.Similar = append(e.Similar, s.name)
	}
	return e
}

func lastPart(name string) string { return name[strings.LastIndexAny(name, "./")+1:] }
