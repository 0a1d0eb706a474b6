package spec_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/suokelife/suokectl/pkg/spec"
)

func Example() {
	c := spec.Default()
	topic, err := c.BuildTopic(spec.Topic{Env: "prod", Service: "auth-service", Event: "user-registered", Version: "v1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	value, err := c.BuildEvent(spec.Meta{
		ID:     "6f1c0b6e-3f0b-4f7e-9d0a-0c6f5a3b2d11",
		Type:   "user-registered",
		Source: "auth-service",
		Time:   time.Date(2023, 11, 10, 12, 34, 56, 0, time.UTC),
	}, json.RawMessage(`{"user_id":"42"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	event, err := c.ParseEvent(value)
	fmt.Println(topic)
	fmt.Println(event.Meta.Type, string(event.Data), err)
	// Output:
	// prod.auth-service.user-registered.v1
	// user-registered {"user_id":"42"} <nil>
}

func ExampleConventions_ParseTopic() {
	_, err := spec.Default().ParseTopic("production.auth_service.user-registered.v1")
	var topicErr *spec.TopicError
	if errors.As(err, &topicErr) {
		for _, p := range topicErr.Problems {
			fmt.Println(p)
		}
		fmt.Println("→", topicErr.Suggestion)
	}
	// Output:
	// env "production": want one of dev, test, staging, prod
	// service "auth_service": want kebab-case such as auth-service
	// → prod.auth-service.user-registered.v1
}

func ExampleConventions_ParseEvent() {
	_, err := spec.Default().ParseEvent([]byte(`{
		"meta": {"id": "1", "type": "user-registered", "version": "1.0", "source": "auth-service",
			"time": "2023-11-10T12:34:56+00:00Z"},
		"data": {}
	}`))
	var envErr *spec.EnvelopeError
	if errors.As(err, &envErr) {
		for _, p := range envErr.Problems {
			fmt.Println(p)
		}
	}
	// Output:
	// meta.time is "2023-11-10T12:34:56+00:00Z": want a time with an offset, such as 2023-11-10T12:34:56Z (made by datetime.now(timezone.utc).isoformat() + "Z"? an aware time already ends in its offset: leave out + "Z")
	// meta.correlation_id is missing: want the id of the request, or "none"
}

func ExampleConventions_AddDeadLetter() {
	c := spec.Default()
	value := []byte(`{"meta": {"id": "1"}, "data": {"n": 1.0}}`)
	dead, place := c.AddDeadLetter(value, spec.DeadLetter{
		Error:         "no such user",
		OriginalTopic: "dev.auth-service.user-registered.v1",
		Time:          time.Date(2023, 11, 10, 12, 34, 56, 0, time.UTC),
	})
	fmt.Println(string(dead))
	fmt.Println(spec.HeaderDLQPlace+":", place)
	fmt.Println(string(c.StripDeadLetter(dead, place)))
	// Output:
	// {"meta": {"id": "1","error":"no such user","original_topic":"dev.auth-service.user-registered.v1","dlq_time":"2023-11-10T12:34:56Z"}, "data": {"n": 1.0}}
	// x-suokectl-dlq-place: 19+112
	// {"meta": {"id": "1"}, "data": {"n": 1.0}}
}

func ExampleMatchTopic() {
	fmt.Println(spec.MatchTopic("prod.*.user-*.v1", "prod.auth-service.user-registered.v1"))
	fmt.Println(spec.MatchTopic("prod.auth-service.**", "prod.auth-service.user-registered.v1.dlq"))
	// Output:
	// true
	// true
}
