package batch

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// What is appended is what encoding/json makes of a result, on one line.
func TestAppendedResult(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, number := rapid.String(), rapid.IntRange(0, 1<<40)
		raw := rapid.Custom(func(t *rapid.T) json.RawMessage {
			value, err := json.Marshal(rapid.MapOf(text, rapid.Float64Range(-1e6, 1e6)).Draw(t, "value"))
			if err != nil {
				t.Fatal(err)
			}
			return value
		})
		some := rapid.SliceOfN(raw, 0, 3)
		want := Result{
			Line: number.Draw(t, "line"), Target: text.Draw(t, "target"), Method: text.Draw(t, "method"),
			Outcome: rapid.SampledFrom([]string{OutcomeOK, OutcomeFailed}).Draw(t, "outcome"), Code: text.Draw(t, "code"),
			Message: text.Draw(t, "message"), Column: number.Draw(t, "column"), Responses: some.Draw(t, "responses"),
			Details: some.Draw(t, "details"), Attempts: number.Draw(t, "attempts"),
			DurationMS: rapid.Float64Range(0, 1e9).Draw(t, "duration"), Instance: text.Draw(t, "instance"), RequestID: text.Draw(t, "id"),
		}
		if rapid.Bool().Draw(t, "with raw values") {
			want.ID, want.Response = raw.Draw(t, "id"), raw.Draw(t, "response")
		}
		line := want.append(nil)
		if bytes.IndexByte(line, '\n') != len(line)-1 {
			t.Fatalf("not one line: %q", line)
		}
		if diff := cmp.Diff(generic(t, mustMarshal(t, want)), generic(t, line)); diff != "" {
			t.Fatalf("%s: %s", line, diff)
		}
	})
}

func mustMarshal(t *rapid.T, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func generic(t *rapid.T, text []byte) (v map[string]any) {
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return v
}
