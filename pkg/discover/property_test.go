package discover_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"unicode"
	"unicode/utf8"

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
		all, err := c.Explain(t.Context(), name, q, discover.ExplainOptions{})
		if err != nil {
			r.Fatal(err)
		}
		for _, e := range all {
			if e.Included() != wanted(e.Instance, q) || q.Admits(e.Instance) != e.Included() {
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

// TestSentencesAreSafe: whatever an agent says, a sentence is one short line in which nothing deceives a terminal, and
// an instance is in just when there is none.
func TestSentencesAreSafe(t *testing.T) {
	hostile := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.SampledFrom([]rune("a \x1b[31m\n\r\t\u202e\u2066\u0085\u200b\x00é界"))))
	checks := []string{"", "c", "serfHealth", "_node_maintenance", "_service_maintenance:x"}
	rapid.Check(t, func(r *rapid.T) {
		text := func(name string) string { return hostile.Draw(r, name) }
		entry := map[string]any{
			"Node": map[string]any{"Node": text("node"), "Address": text("node address"), "Datacenter": text("datacenter")},
			"Service": map[string]any{
				"ID": text("id"), "Service": text("service"), "Address": text("address"), "Port": rapid.IntRange(0, 2).Draw(r, "port"),
				"Tags": []string{text("tag")}, "Meta": map[string]string{"version": text("version"), text("key"): text("value")},
			},
			"Checks": []any{map[string]any{
				"CheckID": rapid.SampledFrom(checks).Draw(r, "check"), "Name": text("check's name"), "Output": text("output"), "Notes": text("notes"),
				"Type":   rapid.SampledFrom([]string{"", "ttl", "http"}).Draw(r, "type"),
				"Status": rapid.SampledFrom([]string{"passing", "warning", "critical"}).Draw(r, "status"), "ServiceID": text("service id"),
			}},
		}
		reply, err := json.Marshal([]any{entry})
		if err != nil {
			r.Fatal(err)
		}
		q := discover.Query{Version: text("wanted version"), Tags: []string{text("wanted tag")}, Meta: map[string]string{text("wanted key"): text("wanted value")}}
		all, err := fake{"/v1/health/service/svc": string(reply)}.ask(t, q, discover.ExplainOptions{})
		if err != nil || len(all) != 1 {
			r.Fatalf("%d explained, %v", len(all), err)
		}
		if all[0].Included() != q.Admits(all[0].Instance) {
			r.Fatalf("%+v", all[0])
		}
		sentences := all[0].Sentences()
		for _, note := range all[0].Notes {
			sentences = append(sentences, note.Sentence)
		}
		for _, sentence := range sentences {
			if fault := unsafe(sentence); fault != "" {
				r.Fatalf("%q %s", sentence, fault)
			}
		}
	})
}

// unsafe says what is wrong with a sentence.
func unsafe(sentence string) string {
	switch {
	case sentence == "":
		return "is empty"
	case utf8.RuneCountInString(sentence) > 300:
		return "is too long"
	case !utf8.ValidString(sentence):
		return "is no UTF-8"
	}
	for _, char := range sentence {
		if char != ' ' && unicode.IsSpace(char) || unicode.IsControl(char) || unicode.Is(unicode.Cf, char) {
			return fmt.Sprintf("has %U in it", char)
		}
	}
	return ""
}
