package spec_test

import (
	"testing"
	"time"

	"github.com/suokelife/suokectl/pkg/spec"
)

var letter = spec.DeadLetter{
	Error:         "handler said \"no\"\n",
	OriginalTopic: "dev.auth-service.user-registered.v1",
	Time:          time.Date(2023, 11, 10, 12, 34, 56, 0, time.UTC),
}

const chunk = `"error":"handler said \"no\"\n","original_topic":"dev.auth-service.user-registered.v1","dlq_time":"2023-11-10T12:34:56Z"`

func TestAddDeadLetter(t *testing.T) {
	tests := []struct{ name, in, out, place string }{
		{"compact", `{"meta":{"id":"1"},"data":1.0}`, `{"meta":{"id":"1",` + chunk + `},"data":1.0}`, "17+121"},
		{"spaced", "{ \"meta\" : {\"id\" : 1 \n} }\n", "{ \"meta\" : {\"id\" : 1," + chunk + " \n} }\n", "20+121"},
		{"empty meta", `{"meta":{ }}`, `{"meta":{` + chunk + ` }}`, "9+120"},
		{"escaped name", `{"\u006deta":{}}`, `{"\u006deta":{` + chunk + `}}`, "14+120"},
		{"last of two", `{"meta":{},"meta":{"a":[]}}`, `{"meta":{},"meta":{"a":[],` + chunk + `}}`, "25+121"},
		{"has a field", `{"meta":{"error":null}}`, `{"meta":{"error":null}}`, "none"},
		{"meta is text", `{"meta":"x"}`, `{"meta":"x"}`, "none"},
		{"no meta", `{"data":{"meta":{}}}`, `{"data":{"meta":{}}}`, "none"},
		{"cut short", `{"meta":{},"data":`, `{"meta":{},"data":`, "none"},
		{"array", `[{"meta":{}}]`, `[{"meta":{}}]`, "none"},
		{"empty", ``, ``, "none"},
		{"binary", "\x00\x00\x00\x00\x01{}", "\x00\x00\x00\x00\x01{}", "none"},
	}
	c := spec.Default()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, place := c.AddDeadLetter([]byte(tt.in), letter)
			if string(out) != tt.out || place != tt.place {
				t.Errorf("got %s at %s\nwant %s at %s", out, place, tt.out, tt.place)
			}
			if back := c.StripDeadLetter(out, place); string(back) != tt.in {
				t.Errorf("stripped: got %s\nwant %s", back, tt.in)
			}
		})
	}
}
