package events_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/events"
)

func TestClusterIsDescribed(t *testing.T) {
	c := newCluster(t, registeredTopics(3)...)
	cluster, err := c.client.Cluster(c.ctx)
	c.must(err)
	if cluster.ID == "" || len(cluster.Brokers) != 1 || !cluster.Brokers[0].Controller || cluster.Brokers[0].Version == "" ||
		cluster.Topics != 2 || cluster.Partitions != 6 || cluster.Offline != 0 || cluster.UnderReplicated != 0 || cluster.Brokers[0].Leads != 6 {
		t.Errorf("got %+v", cluster)
	}
	if !slices.ContainsFunc(cluster.APIs, func(a events.API) bool { return a.Key == 1 && a.Name == "Fetch" && a.Max >= 11 }) {
		t.Errorf("Fetch is not among %v", cluster.APIs)
	}
}

func TestTopicIsDescribedWithConfigsAndSize(t *testing.T) {
	c := newCluster(t, registeredTopics(2)...)
	c.put(c.raw(), &kgo.Record{Topic: registered, Value: event("e-1")})
	plan, err := c.client.PlanAlter(c.ctx, registered, events.TopicChange{Set: map[string]string{"retention.ms": "1000"}})
	c.must(err)
	c.must(c.client.Alter(c.ctx, plan))
	described, err := c.client.DescribeTopics(c.ctx, registered)
	c.must(err)
	d := described[0]
	if own := d.Own(); len(own) != 1 || own[0].Name != "retention.ms" || own[0].Value != "1000" || own[0].Default != "604800000" {
		t.Errorf("own configurations: %+v", own)
	}
	if len(d.Configs) < 5 || d.Bytes <= 0 || d.LeaderBytes(d.Partitions[0]) != d.Bytes || d.LeaderBytes(d.Partitions[1]) != 0 {
		t.Errorf("got %d bytes: %+v", d.Bytes, d.Copies)
	}
	if len(d.NameProblems) > 0 || len(d.Untold) > 0 {
		t.Errorf("got %+v", d)
	}
	_, err = c.client.DescribeTopics(c.ctx, registered+"x", "nothing-like-it", registered)
	var unknown *events.UnknownTopicError
	if !errors.As(err, &unknown) || !strings.Contains(err.Error(), "nothing-like-it does not exist") {
		t.Errorf("unknown topics: %v", err)
	}
}

func TestAlterIsPlanned(t *testing.T) {
	c := newCluster(t, registeredTopics(2)...)
	plan, err := c.client.PlanAlter(c.ctx, registered, events.TopicChange{
		Partitions: 5, Set: map[string]string{"retention.ms": "1000", "cleanup.policy": "compact", "max.message.bytes": "2000000"},
	})
	c.must(err)
	got := make(map[string]events.PlannedSet)
	for _, row := range plan.Changes {
		got[row.Name] = row
	}
	if r := got["retention.ms"]; r.Before != "604800000" || r.After != "1000" || !strings.Contains(r.Warning, "deleted") {
		t.Errorf("retention.ms: %+v", r)
	}
	if r := got["partitions"]; r.Before != "2" || r.After != "5" || r.Warning == "" || plan.Differs() != 4 {
		t.Errorf("partitions: %+v of %+v", r, plan)
	}
	if got["cleanup.policy"].Warning == "" || got["max.message.bytes"].Warning != "" {
		t.Errorf("warnings: %+v", plan)
	}
	if d, _ := c.client.DescribeTopics(c.ctx, registered); len(d[0].Partitions) != 2 || len(d[0].Own()) != 0 {
		t.Errorf("a plan changed %+v", d)
	}
	c.must(c.client.Alter(c.ctx, plan))
	eventually(c.ctx, t, "5 partitions", func() bool {
		d, err := c.client.DescribeTopics(c.ctx, registered)
		return err == nil && len(d[0].Partitions) == 5 && len(d[0].Own()) == 3
	})
	plan, err = c.client.PlanAlter(c.ctx, registered, events.TopicChange{Unset: []string{"retention.ms"}})
	c.must(err)
	if r := plan.Changes[0]; r.Before != "1000" || r.After != "604800000" || r.Warning != "" {
		t.Errorf("unset: %+v", r)
	}
	c.must(c.client.Alter(c.ctx, plan))
	if d, _ := c.client.DescribeTopics(c.ctx, registered); len(d[0].Own()) != 2 {
		t.Errorf("after unset: %+v", d[0].Own())
	}
}

func TestAlterRefuses(t *testing.T) {
	c := newCluster(t, registeredTopics(3)...)
	plan := func(topic string, change events.TopicChange) error {
		_, err := c.client.PlanAlter(c.ctx, topic, change)
		return err
	}
	var unknown *events.UnknownConfigError
	if err := plan(registered, events.TopicChange{Set: map[string]string{"retention.mss": "1"}}); !errors.As(err, &unknown) || unknown.Nearest != "retention.ms" {
		t.Errorf("unknown configuration: %v", err)
	}
	if err := plan(registered, events.TopicChange{Unset: []string{"retention"}}); !errors.As(err, &unknown) {
		t.Errorf("unset of an unknown configuration: %v", err)
	}
	var fewer *events.FewerPartitionsError
	if err := plan(registered, events.TopicChange{Partitions: 2}); !errors.As(err, &fewer) || fewer.Now != 3 {
		t.Errorf("fewer partitions: %v", err)
	}
	if err := plan(registered, events.TopicChange{Set: map[string]string{"retention.ms": "a day"}}); !errors.Is(err, kerr.InvalidConfig) {
		t.Errorf("a bad value: %v", err)
	}
	var topic *events.UnknownTopicError
	if err := plan(registered+"x", events.TopicChange{Partitions: 9}); !errors.As(err, &topic) {
		t.Errorf("unknown topic: %v", err)
	}
}

func TestCreateNamesTheConfigThatWasMeant(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	err := c.client.CreateTopic(c.ctx, events.NewTopic{Name: "dev.auth-service.user-locked.v1", Configs: map[string]string{"retention.m": "1"}}, false)
	var unknown *events.UnknownConfigError
	if !errors.As(err, &unknown) || unknown.Nearest != "retention.ms" {
		t.Errorf("got %v", err)
	}
}

func TestDeleteTopic(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	c.must(c.client.DeleteTopic(c.ctx, registered))
	var unknown *events.UnknownTopicError
	eventually(c.ctx, t, "the topic is gone", func() bool { return errors.As(c.client.DeleteTopic(c.ctx, registered), &unknown) })
	eventually(c.ctx, t, "the topic is no longer described", func() bool {
		_, err := c.client.Topics(c.ctx, registered)
		return errors.As(err, &unknown) && unknown.Nearest == registered+".dlq"
	})
}

func TestOffsetsAtAPlace(t *testing.T) {
	c := newCluster(t, registeredTopics(2)...)
	c.fill("billing", 10, 1)
	for text, want := range map[string]int64{"start": 0, "end": 10, "7": 7, "1970-01-01T00:00:03Z": 2} {
		at, err := events.ParseBound(text, time.Now())
		c.must(err)
		offsets, err := c.client.Offsets(c.ctx, registered, &at)
		c.must(err)
		if o := offsets[0]; *o.At != want || o.Start != 0 || o.End != 10 || o.Newest.Unix() != 10 || offsets[1].Newest != nil {
			t.Errorf("%s: got %+v", text, offsets)
		}
	}
	offsets, err := c.client.Offsets(c.ctx, registered, nil)
	c.must(err)
	if offsets[0].At != nil {
		t.Errorf("got %+v", offsets[0])
	}
}

func TestAdministrationStopsWithItsContext(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	c.must(c.client.Ping(c.ctx))
	reason := errors.New("enough")
	ctx, cancel := context.WithCancelCause(c.ctx)
	cancel(reason)
	_, topics := c.client.DescribeTopics(ctx, registered)
	_, cluster := c.client.Cluster(ctx)
	_, groups := c.client.Groups(ctx)
	for what, err := range map[string]error{"topics": topics, "cluster": cluster, "groups": groups} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}
