package events_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/suokelife/suokectl/internal/lab/kafka"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/once"
	"github.com/suokelife/suokectl/pkg/resilience"
)

// registeredUser is the data of an event.
type registeredUser struct {
	ID string `json:"user_id"`
}

// withEvents starts a broker with events of users, for the examples.
func withEvents(ids ...string) (client *events.Client, end func()) {
	ctx := context.Background()
	broker, err := kafka.Start(kafka.Options{Topics: registeredTopics(1)})
	if err != nil {
		log.Fatal(err)
	}
	client, err = events.New(events.Config{Brokers: broker.Addrs()})
	if err != nil {
		log.Fatal(err)
	}
	producer, err := client.NewProducer(ctx, events.ProducerOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for _, id := range ids {
		e := events.NewEvent{Env: "dev", Service: "auth-service", Type: "user-registered", Key: id, Data: fmt.Appendf(nil, `{"user_id":%q}`, id)}
		if _, err := producer.Emit(ctx, e); err != nil {
			log.Fatal(err)
		}
	}
	if err := producer.Close(ctx); err != nil {
		log.Fatal(err)
	}
	return client, func() { _, _ = client.Close(), broker.Close() }
}

// A service handles the events of its topics until it is told to stop, which is
// what its context is for.
func ExampleConsumer() {
	client, end := withEvents("u-1")
	defer end()
	ctx, stop := context.WithCancel(context.Background()) // in a service: signal.NotifyContext
	consumer, err := client.NewConsumer(ctx, "greeter", []string{registered},
		events.On("user-registered", func(_ context.Context, u registeredUser, d events.Delivery) error {
			fmt.Printf("welcome %s (offset %d, try %d)\n", u.ID, d.Offset, d.Attempt)
			stop()
			return nil
		}))
	if err != nil {
		log.Fatal(err)
	}
	if err := consumer.Run(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("handled:", consumer.Stats().Handled)
	// Output:
	// welcome u-1 (offset 0, try 1)
	// handled: 1
}

// The error of a handler says whether another try helps, and when.
func ExampleHandler() {
	client, end := withEvents("busy", "unknown")
	defer end()
	ctx, stop := context.WithCancel(context.Background())
	consumer, err := client.NewConsumer(ctx, "greeter", []string{registered}, events.WithWorkers(1),
		events.On("user-registered", func(_ context.Context, u registeredUser, d events.Delivery) error {
			switch {
			case u.ID == "unknown":
				return resilience.NewPermanent("no_such_user", "no such user", nil)
			case d.Attempt == 1:
				busy := resilience.NewTemporary("busy", "the mail server is busy", nil)
				busy.Timeout = 10 * time.Millisecond
				return busy
			}
			fmt.Println("greeted at try", d.Attempt)
			stop()
			return nil
		}),
		events.OnDeadLetter(func(_ events.Delivery, letter events.Ack, reason error) {
			fmt.Printf("dead-lettered to %s: %v\n", letter.Topic, reason)
		}))
	if err != nil {
		log.Fatal(err)
	}
	if err := consumer.Run(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// dead-lettered to dev.auth-service.user-registered.v1.dlq: no such user
	// greeted at try 2
}

// Middleware sees every call of a handler.
func ExampleMiddleware() {
	client, end := withEvents("u-1")
	defer end()
	ctx, stop := context.WithCancel(context.Background())
	logged := func(next events.Handler) events.Handler {
		return func(ctx context.Context, d events.Delivery) error {
			err := next(ctx, d)
			fmt.Println(d.Meta.Type, "→", err)
			stop()
			return err
		}
	}
	consumer, err := client.NewConsumer(ctx, "greeter", []string{registered}, events.WithMiddleware(logged),
		events.WithHandler("user-registered", func(context.Context, events.Delivery) error { return nil }))
	if err != nil {
		log.Fatal(err)
	}
	if err := consumer.Run(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: user-registered → <nil>
}

// A topic that was deleted, or may not be read any more, need not stop what the
// other topics have.
func ExampleOnProblem() {
	_ = events.OnProblem(func(problem *events.FetchError) error {
		if problem.Topic == registered {
			return problem // without this one the service makes no sense
		}
		log.Print(problem)
		return nil
	})
}

// The numbers of a consumer, told once a second, for a service's metrics.
func ExampleOnStats() {
	_ = events.OnStats(func(s events.Stats) {
		log.Printf("lag %d, in flight %d, retried %d, dead-lettered %d, rebalances %d", s.Lag, s.InFlight, s.Retried, s.DeadLettered, s.Rebalances)
	})
}

// An account is opened once for each user, however often the event is delivered.
func ExampleOnTx() {
	var db *sql.DB // the service's own, from sql.Open
	store, err := once.NewSQL(db, once.PostgreSQL, once.Options{})
	if err != nil {
		log.Fatal(err)
	}
	_ = events.OnTx("user-registered", store, func(ctx context.Context, tx *sql.Tx, u registeredUser, _ events.Delivery) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO accounts (user_id) VALUES ($1)", u.ID)
		return err
	})
	fmt.Println(store.Schema()[0])
	// Output: CREATE TABLE IF NOT EXISTS handled_events (id TEXT PRIMARY KEY, marked_at BIGINT NOT NULL)
}

// A handler that finds the work done already says so, and the event is counted
// as a duplicate.
func ExampleErrDuplicate() {
	done := map[string]bool{"u-1": true}
	h := func(_ context.Context, u registeredUser, _ events.Delivery) error {
		if done[u.ID] {
			return fmt.Errorf("%w: %s has an account", events.ErrDuplicate, u.ID)
		}
		return nil
	}
	err := h(context.Background(), registeredUser{"u-1"}, events.Delivery{})
	fmt.Println(errors.Is(err, events.ErrDuplicate))
	// Output: true
}

// Consuming is paused while what handlers depend on is away, until the breaker
// lets probes through.
func ExampleConsumer_Pause() {
	const openFor = 30 * time.Second
	var consumer *events.Consumer // made by NewConsumer
	_ = resilience.NewBreaker(resilience.BreakerConfig{Name: "mail", OpenFor: openFor, OnChange: func(_ string, _, to resilience.State) {
		if to == resilience.Open {
			consumer.Pause()
			time.AfterFunc(openFor, consumer.Resume)
		}
	}})
}
