package rpc

import (
	"encoding/json"
	"testing"

	"github.com/suokelife/suokectl/pkg/rpc"
)

// The order of fields is no difference; that of a list is one, and so is the last
// digit of a long number.
func TestAnswersThatAreTheSame(t *testing.T) {
	var answers []answer
	for _, message := range []string{
		`{"a":1,"b":{"c":"<","d":[1,2]}}`,
		`{"b":{"d":[1,2],"c":"<"},"a":1}`,
		`{"b":{"d":[2,1],"c":"<"},"a":1}`,
		`{"a":12345678901234567890}`,
		`{"a":12345678901234567891}`,
	} {
		answers = append(answers, answer{Call: &rpc.Call{Messages: []json.RawMessage{json.RawMessage(message)}}}.said(nil, false))
	}
	group(answers)
	for i, want := range []int{1, 1, 2, 3, 4} {
		if answers[i].Group != want {
			t.Errorf("answer %d is in group %d, want %d", i, answers[i].Group, want)
		}
	}
	if want := "{\n  \"a\": 1,\n  \"b\": {\n    \"c\": \"<\",\n    \"d\": [\n      1,\n      2\n    ]\n  }\n}\n"; answers[1].text != want {
		t.Errorf("the text is %s", answers[1].text)
	}
}
