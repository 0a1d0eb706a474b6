package discover

import (
	"cmp"
	"slices"
	"strings"

	"github.com/suokelife/suokectl/pkg/spec"
)

// similar returns the names that may have been meant by name, the most similar first, at most three.
func similar(name string, names []string) []string {
	type candidate struct {
		name     string
		distance int
	}
	var found []candidate
	wanted := strings.ToLower(name)
	for _, n := range names {
		lower := strings.ToLower(n)
		switch d := spec.EditDistance(wanted, lower); {
		case d <= max(2, len(wanted)/4):
			found = append(found, candidate{n, d})
		case len(wanted) >= 3 && (strings.Contains(lower, wanted) || strings.Contains(wanted, lower)):
			found = append(found, candidate{n, len(wanted) + d}) // a part of the name: after every misspelling
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.name, b.name))
	})
	var out []string
	for _, c := range found[:min(3, len(found))] {
		out = append(out, c.name)
	}
	return out
}
