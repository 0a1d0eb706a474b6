package dlq

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Topic is a dead-letter topic with its counts by the ledger.
type Topic struct {
	Name       string     `json:"topic"`
	Original   string     `json:"original_topic"`
	Partitions int        `json:"partitions"`
	Pending    int64      `json:"pending"`
	Replayed   int64      `json:"replayed"`
	Oldest     *time.Time `json:"oldest"` // of all letters that are there; null when there are none
	Newest     *time.Time `json:"newest"`
}

// List returns the cluster's dead-letter topics by name. Letters are counted one by one: compaction, markers and
// expiry make an end less a start something else.
func (c *Client) List(ctx context.Context) ([]Topic, error) {
	details, err := c.admin.ListTopics(fresh(ctx))
	if err != nil {
		return nil, fmt.Errorf("list dead-letter topics: %w", err)
	}
	var out []Topic
	for _, detail := range details.Sorted() {
		if !c.isDeadLetter(detail.Topic) || detail.Err != nil {
			continue
		}
		t, err := topicOf(detail)
		if err != nil {
			return nil, err
		}
		counted, err := c.count(ctx, t)
		if err != nil {
			return nil, err
		}
		out = append(out, counted)
	}
	return out, nil
}

// Names lists the dead-letter topics without counting.
func (c *Client) Names(ctx context.Context) ([]string, error) {
	details, err := c.admin.ListTopics(fresh(ctx))
	if err != nil {
		return nil, fmt.Errorf("list dead-letter topics: %w", err)
	}
	return slices.DeleteFunc(details.Names(), func(name string) bool { return !c.isDeadLetter(name) }), nil
}

func (c *Client) count(ctx context.Context, t topic) (Topic, error) {
	out := Topic{Name: t.name, Original: c.original(t.name), Partitions: len(t.partitions)}
	err := c.records(ctx, t, func(r *kgo.Record, replayed bool) error {
		if replayed {
			out.Replayed++
		} else {
			out.Pending++
		}
		if at := r.Timestamp.UTC(); out.Oldest == nil || at.Before(*out.Oldest) {
			out.Oldest = &at
		}
		if at := r.Timestamp.UTC(); out.Newest == nil || at.After(*out.Newest) {
			out.Newest = &at
		}
		return nil
	})
	return out, err
}

// records visits what is in a dead-letter topic at present. The order is kept in a partition.
func (c *Client) records(ctx context.Context, t topic, visit func(r *kgo.Record, replayed bool) error) error {
	spans, err := c.spans(ctx, t.name)
	if err != nil {
		return err
	}
	books, err := c.books(ctx, t)
	if err != nil {
		return err
	}
	return c.scan(ctx, t.name, spans, func(r *kgo.Record) error {
		return visit(r, books[r.Partition] != nil && books[r.Partition].done.has(r.Offset))
	})
}

// Letters visits the letters that are in a topic at present. The order is kept in a partition. It stops with the first
// error that visit returns. Errors of its own are an *events.UnknownTopicError, ErrNotDeadLetter,
// ErrNoTopicIDs and the cluster's.
func (c *Client) Letters(ctx context.Context, name string, visit func(Letter) error) error {
	t, err := c.describe(ctx, name)
	if err != nil {
		return err
	}
	return c.records(ctx, t, func(r *kgo.Record, replayed bool) error {
		l := c.letterOf(r)
		l.Replayed = replayed
		return visit(l)
	})
}

// Group is the letters of one fingerprint.
type Group struct {
	Fingerprint   string    `json:"fingerprint"`
	Class         string    `json:"class"` // the error without its numbers and ids; empty when the letters do not tell
	EventType     string    `json:"event_type"`
	OriginalTopic string    `json:"original_topic"`
	Pending       int64     `json:"pending"`
	Replayed      int64     `json:"replayed"`
	Oldest        time.Time `json:"oldest"`
	Newest        time.Time `json:"newest"`
	Example       Letter    `json:"-"` // the newest
}

// Groups reads a topic's letters and groups them by fingerprint, the most pending first. Errors are those of Letters.
func (c *Client) Groups(ctx context.Context, name string) ([]Group, error) {
	groups := map[string]*Group{}
	err := c.Letters(ctx, name, func(l Letter) error {
		g := groups[l.Fingerprint]
		if g == nil {
			g = &Group{Fingerprint: l.Fingerprint, Class: l.Class, EventType: l.EventType,
				OriginalTopic: l.OriginalTopic, Oldest: l.Timestamp.UTC()}
			groups[l.Fingerprint] = g
		}
		g.add(l)
		return nil
	})
	out := make([]Group, 0, len(groups))
	for _, g := range groups {
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Pending, a.Pending), cmp.Compare(b.Replayed, a.Replayed), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	return out, err
}

func (g *Group) add(l Letter) {
	if l.Replayed {
		g.Replayed++
	} else {
		g.Pending++
	}
	if at := l.Timestamp.UTC(); at.Before(g.Oldest) {
		g.Oldest = at
	}
	if at := l.Timestamp.UTC(); !at.Before(g.Newest) {
		g.Newest = at
		g.Example = l
	}
}
