package discover

import (
	"maps"
	"slices"
)

// ChangeKind says what happened to an instance between two sets, or to a key.
type ChangeKind string

// The kinds of changes. An instance that a query no longer lets in is Removed, whether or not it is still registered.
const (
	Added   ChangeKind = "added"
	Removed ChangeKind = "removed"
	Changed ChangeKind = "changed"
)

// Field names what is different in an instance that Changed.
type Field string

// The fields, in the order in which a Change names them. A version that changed is a FieldVersion and no FieldMeta,
// unless other metadata changed with it.
const (
	FieldHealth  Field = "health"
	FieldAddress Field = "address" // or the port
	FieldVersion Field = "version"
	FieldTags    Field = "tags"
	FieldMeta    Field = "meta"
	FieldWeights Field = "weights"
)

// Change is the difference in one instance between two sets.
type Change struct {
	Kind   ChangeKind `json:"kind"`
	Fields []Field    `json:"fields"` // what is different; empty unless it Changed
	Before *Instance  `json:"before"` // nil when it was Added
	After  *Instance  `json:"after"`  // nil when it was Removed
}

// Changes returns what turns the set before into the set after: what was removed, then what was added or changed in
// the order of after. An instance is the same one as long as its node and id are. As for a watch, other text of a
// check is no change; nor is another order.
func Changes(before, after []Instance) []Change {
	old := make(map[[2]string]*Instance, len(before))
	for i := range before {
		old[before[i].key()] = &before[i]
	}
	var changes []Change
	stays := make(map[[2]string]bool, len(after))
	for i := range after {
		is := &after[i]
		was := old[is.key()]
		stays[is.key()] = true
		if was == nil {
			changes = append(changes, Change{Kind: Added, Fields: []Field{}, After: is})
		} else if fields := differences(was, is); len(fields) > 0 {
			changes = append(changes, Change{Kind: Changed, Fields: fields, Before: was, After: is})
		}
	}
	var removed []Change
	for i := range before {
		if was := &before[i]; !stays[was.key()] {
			removed = append(removed, Change{Kind: Removed, Fields: []Field{}, Before: was})
		}
	}
	return append(removed, changes...)
}

func differences(a, b *Instance) []Field {
	var fields []Field
	for _, f := range []struct {
		name    Field
		differs bool
	}{
		{FieldHealth, a.Health != b.Health},
		{FieldAddress, a.Address != b.Address || a.Port != b.Port},
		{FieldVersion, a.Version != b.Version},
		{FieldTags, !slices.Equal(a.Tags, b.Tags)},
		{FieldMeta, !maps.Equal(withoutVersion(a.Meta), withoutVersion(b.Meta))},
		{FieldWeights, a.Weights != b.Weights},
	} {
		if f.differs {
			fields = append(fields, f.name)
		}
	}
	return fields
}

func withoutVersion(meta map[string]string) map[string]string {
	if _, has := meta[versionKey]; !has {
		return meta
	}
	meta = maps.Clone(meta)
	delete(meta, versionKey)
	return meta
}

// Why says in one line which check makes the instance's health what it is, as [Explanation.Sentences] does; empty when
// it passes. Of several checks that are equally bad it is the first.
func (i Instance) Why() string {
	for _, check := range i.Checks {
		if state := check.state(); state == i.Health && state != Passing {
			return Cause{Kind: kindOf(check), Check: &check}.sentence(i)
		}
	}
	return ""
}
