package discover

import (
	"cmp"
	"slices"
	"strings"
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
		switch d := distance(wanted, lower); {
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

// distance is Levenshtein's: how many bytes are to be put in, taken out or changed to make a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
