package schema

import "slices"

// The kinds of a [Change].
const (
	Added   = "added"
	Removed = "removed"
	Changed = "changed"
)

// Change is something that one schema says at a place, and another does not.
type Change struct {
	// Path is where: as in a [Violation].
	Path string `json:"path"`
	// Kind is Added, Removed or Changed.
	Kind string `json:"kind"`
	// Before and After are what is said there, in a few words; empty where nothing is.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// Diff lists what changed from one schema to another, by its path. What has no meaning, such as white space and the
// order of names, is no change. Schemas of two types have nothing in common.
func Diff(before, after *Parsed) []Change {
	was, is := before.outline(), after.outline()
	if before.Type != after.Type {
		return []Change{{Path: "$", Kind: Changed, Before: string(before.Type), After: string(after.Type)}}
	}
	var out []Change
	for _, path := range bothKeys(was, is) {
		c := Change{Path: path, Kind: Changed, Before: was[path], After: is[path]}
		_, known := was[path]
		_, left := is[path]
		switch {
		case known && left && c.Before == c.After:
			continue
		case !known:
			c.Kind = Added
		case !left:
			c.Kind = Removed
		}
		out = append(out, c)
	}
	return slices.Clip(out)
}
