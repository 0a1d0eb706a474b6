package discover_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/discover"
)

// anyInstances draws sets of instances from a small world, so that two of them have much in common.
func anyInstances() *rapid.Generator[[]discover.Instance] {
	words := rapid.SampledFrom([]string{"a", "b"})
	one := rapid.Custom(func(t *rapid.T) discover.Instance {
		i := discover.Instance{
			ID: words.Draw(t, "id"), Node: words.Draw(t, "node"), Address: words.Draw(t, "address"),
			Port:    rapid.IntRange(0, 1).Draw(t, "port"),
			Tags:    rapid.SliceOfN(words, 0, 2).Draw(t, "tags"),
			Meta:    rapid.MapOfN(rapid.SampledFrom([]string{"version", "team"}), words, 0, 2).Draw(t, "meta"),
			Health:  rapid.SampledFrom([]discover.Health{discover.Passing, discover.Critical}).Draw(t, "health"),
			Weights: discover.Weights{Passing: rapid.IntRange(1, 2).Draw(t, "weight")},
		}
		i.Version = i.Meta["version"]
		return i
	})
	return rapid.Map(rapid.SliceOfNDistinct(one, 0, 4, place), func(list []discover.Instance) []discover.Instance {
		slices.SortFunc(list, func(a, b discover.Instance) int { return cmp.Compare(place(a), place(b)) })
		return list
	})
}

func place(i discover.Instance) string { return i.Node + "/" + i.ID }

// apply makes the changes to a set.
func apply(changes []discover.Change, set []discover.Instance) []discover.Instance {
	by := map[string]discover.Instance{}
	for _, i := range set {
		by[place(i)] = i
	}
	for _, c := range changes {
		if c.Before != nil {
			delete(by, place(*c.Before))
		}
		if c.After != nil {
			by[place(*c.After)] = *c.After
		}
	}
	out := []discover.Instance{}
	for _, key := range slices.Sorted(maps.Keys(by)) {
		out = append(out, by[key])
	}
	return out
}

func TestChangesLeadFromOneSetToTheOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after := anyInstances().Draw(t, "before"), anyInstances().Draw(t, "after")
		changes := discover.Changes(before, after)
		if diff := gocmp.Diff(after, apply(changes, before)); diff != "" {
			t.Fatalf("the changes lead elsewhere: -after +applied\n%s", diff)
		}
		for _, c := range changes {
			if (c.Kind == discover.Changed) != (len(c.Fields) > 0) || c.Fields == nil {
				t.Fatalf("%s with fields %v", c.Kind, c.Fields)
			}
		}
		if back := discover.Changes(after, before); len(back) != len(changes) {
			t.Fatalf("%d changes there and %d back", len(changes), len(back))
		}
	})
}

func TestEqualSetsHaveNoChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := anyInstances().Draw(t, "set")
		other := slices.Clone(set)
		for i := range other {
			other[i].Checks = []discover.Check{{Output: "another text"}}
			other[i].Meta = maps.Clone(other[i].Meta)
		}
		slices.Reverse(other)
		if changes := discover.Changes(set, other); len(changes) > 0 {
			t.Fatalf("equal sets differ: %+v", changes)
		}
	})
}

func TestChangesNameTheFields(t *testing.T) {
	base := discover.Instance{
		ID: "1", Node: "n", Address: "a", Port: 1, Health: discover.Passing,
		Version: "v1", Meta: map[string]string{"version": "v1", "team": "x"}, Tags: []string{"t"},
	}
	for name, row := range map[string]struct {
		change func(*discover.Instance)
		want   string
	}{
		"health":                  {func(i *discover.Instance) { i.Health = discover.Critical }, "[health]"},
		"port":                    {func(i *discover.Instance) { i.Port = 2 }, "[address]"},
		"address":                 {func(i *discover.Instance) { i.Address = "b" }, "[address]"},
		"version":                 {func(i *discover.Instance) { i.Version = "v2"; i.Meta["version"] = "v2" }, "[version]"},
		"version lost":            {func(i *discover.Instance) { i.Version = ""; delete(i.Meta, "version") }, "[version]"},
		"meta":                    {func(i *discover.Instance) { i.Meta["team"] = "y" }, "[meta]"},
		"tags":                    {func(i *discover.Instance) { i.Tags = nil }, "[tags]"},
		"weights":                 {func(i *discover.Instance) { i.Weights.Passing = 7 }, "[weights]"},
		"several, in their order": {func(i *discover.Instance) { i.Tags, i.Health = nil, discover.Warning }, "[health tags]"},
	} {
		t.Run(name, func(t *testing.T) {
			after := base
			after.Meta = maps.Clone(base.Meta)
			row.change(&after)
			changes := discover.Changes([]discover.Instance{base}, []discover.Instance{after})
			if len(changes) != 1 || changes[0].Kind != discover.Changed || fmt.Sprint(changes[0].Fields) != row.want {
				t.Errorf("got %+v, want %s", changes, row.want)
			}
		})
	}
	other := base
	other.Node = "m"
	changes := discover.Changes([]discover.Instance{base}, []discover.Instance{other})
	if len(changes) != 2 || changes[0].Kind != discover.Removed || changes[1].Kind != discover.Added {
		t.Errorf("an instance that moved to another node: %+v", changes)
	}
}

func TestWhy(t *testing.T) {
	check := func(status discover.Health, output string) discover.Check {
		return discover.Check{ID: "c", Name: string(status) + " one", Status: status, Output: output}
	}
	for name, row := range map[string]struct {
		health discover.Health
		checks []discover.Check
		want   string
	}{
		"none":          {discover.Passing, nil, ""},
		"passing":       {discover.Passing, []discover.Check{check(discover.Passing, "fine")}, ""},
		"worst is told": {discover.Critical, []discover.Check{check(discover.Warning, "w"), check(discover.Critical, "connection\nrefused")}, `check "critical one" is critical: connection refused`},
		"silent":        {discover.Critical, []discover.Check{check(discover.Critical, "")}, "it has not said why"},
		"maintenance":   {discover.Maintenance, []discover.Check{{ID: "_service_maintenance:x", Status: discover.Critical, Notes: "disk swap"}}, "it is in maintenance: disk swap"},
		"its node":      {discover.Critical, []discover.Check{{ID: "serfHealth", Name: "Serf", Status: discover.Critical, Output: "gone", OnNode: true}}, "its node is down: gone"},
	} {
		t.Run(name, func(t *testing.T) {
			got := discover.Instance{Health: row.health, Checks: row.checks}.Why()
			if got != row.want && (row.want == "" || !strings.Contains(got, row.want)) {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}
