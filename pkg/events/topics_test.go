package events_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/spec"
)

func TestTopicsAreListedWithTheirKind(t *testing.T) {
	c := newCluster(t, registeredTopics(3)...)
	topics, err := c.client.Topics(c.ctx)
	c.must(err)
	if len(topics) != 2 || topics[0].Name != registered || topics[0].Kind != spec.TopicEvents ||
		topics[1].Kind != spec.TopicDeadLetters || len(topics[0].Partitions) != 3 || topics[0].Span() != 0 {
		t.Fatalf("got %+v", topics)
	}
}

func TestUnknownTopicHasANearest(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	for name, want := range map[string]string{"dev.auth-service.user-registred.v1": registered, "nothing-like-it": "", "not a name!": ""} {
		_, err := c.client.Topics(c.ctx, name)
		var unknown *events.UnknownTopicError
		if !errors.As(err, &unknown) || unknown.Nearest != want || !strings.Contains(err.Error(), name) {
			t.Errorf("%q: got %v, nearest %q", name, err, unknown)
		}
	}
}

func TestCreateTopic(t *testing.T) {
	c := newCluster(t)
	topic := events.NewTopic{Name: registered, Partitions: 4, Configs: map[string]string{"retention.ms": "1000"}}
	c.must(c.client.CreateTopic(c.ctx, topic, true))
	if names, err := c.client.TopicNames(c.ctx); err != nil || len(names) != 0 {
		t.Fatalf("a dry run created %v (%v)", names, err)
	}
	c.must(c.client.CreateTopic(c.ctx, topic, false))
	topics, err := c.client.Topics(c.ctx, registered)
	c.must(err)
	if len(topics[0].Partitions) != 4 {
		t.Fatalf("got %d partitions", len(topics[0].Partitions))
	}
	if err := c.client.CreateTopic(c.ctx, topic, false); !errors.Is(err, events.ErrTopicExists) {
		t.Fatalf("a second time: %v", err)
	}
}

func TestCreateTopicRefusesNamesThatAreWrongInEachPart(t *testing.T) {
	c := newCluster(t)
	for _, name := range []string{
		"qa.auth-service.user-registered.v1",
		"dev.Auth_Service.user-registered.v1",
		"dev.auth-service.userRegistered.v1",
		"dev.auth-service.user-registered.1",
		"dev.auth-service.user-registered",
		"dev.auth-service." + strings.Repeat("x", 230) + ".v1",
	} {
		var wrong *spec.TopicError
		if err := c.client.CreateTopic(c.ctx, events.NewTopic{Name: name}, false); !errors.As(err, &wrong) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := c.client.CreateTopic(c.ctx, events.NewTopic{Name: registered, Configs: map[string]string{"no.such": "1"}}, false); err == nil {
		t.Error("an unknown configuration was taken")
	}
}
