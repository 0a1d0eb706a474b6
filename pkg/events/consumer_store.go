package events

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/suokelife/suokectl/pkg/resilience"
)

// Store makes the effect of an event happen once, however often the event is
// handled: effect and mark share a transaction, of type Tx. Package
// [github.com/suokelife/suokectl/pkg/events/once] has one for database/sql.
type Store[Tx any] interface {
	// Do calls effect within a transaction that marks id as well, and commits it
	// when effect returns nil; otherwise, and when effect panics, neither is kept.
	// It reports first as false, and does not call effect, when the id is marked.
	// Of two calls with one id at once, in whichever processes, one is the first.
	Do(ctx context.Context, id string, effect func(tx Tx) error) (first bool, err error)
}

// OnTx has h handle the events of a type within a transaction that the store
// keeps together with the event's id, so that its effect happens once: whatever
// h does by tx is done if and only if the event counts as handled. What it does
// by other means may happen again. Data are decoded as by [On]. Marks are kept
// for each group by itself.
func OnTx[T, Tx any](eventType string, store Store[Tx], h func(ctx context.Context, tx Tx, data T, d Delivery) error) ConsumerOption {
	return WithHandler(eventType, func(ctx context.Context, d Delivery) error {
		data, err := decode[T](d)
		if err != nil {
			return err
		}
		first, err := store.Do(ctx, markOf(d), func(tx Tx) error { return h(ctx, tx, data, d) })
		if err == nil && !first {
			return ErrDuplicate
		}
		return err
	})
}

// markOf is what an event is marked by: a group may share its database with
// another, which handles the same events. No group and id have that of others.
func markOf(d Delivery) string { return url.PathEscape(d.Group) + "/" + d.Meta.ID }

// decode reads the data of an event.
func decode[T any](d Delivery) (data T, err error) {
	if err := json.Unmarshal(d.Data, &data); err != nil {
		return data, resilience.NewPermanent("bad_data", fmt.Sprintf("the data of %s does not fit: %v", d.Meta.Type, err), nil)
	}
	return data, nil
}
