package discover_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/discover"
)

// TestExplainAgreesWithInstances: whatever is registered and asked, the instances are those that nothing keeps out, and
// each cause is true of its instance.
func TestExplainAgreesWithInstances(t *testing.T) {
	_, c := start(t)
	version := rapid.SampledFrom([]string{"", "v1", "v2"})
	tag := rapid.SampledFrom([]string{"a", "b", "c"})
	rapid.Check(t, func(r *rapid.T) {
		name := "s-" + rapid.StringMatching(`[a-z]{12}`).Draw(r, "name")
		for port := range rapid.IntRange(1, 4).Draw(r, "instances") {
			status := rapid.SampledFrom([]discover.Health{discover.Passing, discover.Warning, discover.Critical}).Draw(r, "status")
			register(t, c, name, version.Draw(r, "version"), port+1, status, rapid.SliceOfN(tag, 0, 3).Draw(r, "tags")...)
		}
		q := discover.Query{
			Version: version.Draw(r, "wanted version"), Tags: rapid.SliceOfN(tag, 0, 2).Draw(r, "wanted tags"),
			Health: rapid.SampledFrom([]discover.Health{"", discover.Passing, discover.Warning, discover.Any}).Draw(r, "wanted health"),
		}
		all, err := c.Explain(t.Context(), name, q)
		if err != nil {
			r.Fatal(err)
		}
		for _, e := range all {
			if e.Included() != wanted(e.Instance, q) {
				r.Fatalf("%+v asks for %+v: causes %v", q, e.Instance, e.Sentences())
			}
		}
		got, err := c.Instances(t.Context(), name, q)
		if ids(got) != ids(discover.Included(all)) || (err == nil) == (len(got) == 0) {
			r.Fatalf("instances are %s (%v), explained ones %s", ids(got), err, ids(discover.Included(all)))
		}
	})
}

// wanted is the query read plainly.
func wanted(i discover.Instance, q discover.Query) bool {
	healthy := map[discover.Health]bool{discover.Passing: true, discover.Warning: q.Health == discover.Warning}[i.Health]
	tagged := !slices.ContainsFunc(q.Tags, func(tag string) bool { return !slices.Contains(i.Tags, tag) })
	return tagged && (q.Version == "" || q.Version == i.Version) && (healthy || q.Health == discover.Any)
}
