package lab

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/suokelife/suokectl/internal/lab/services"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/resilience"
)

// startConsumer lets user-service hear of registered users, as any service
// built from pkg/events would: what its handler fails on is dead-lettered.
func (l *Lab) startConsumer(ctx context.Context) error {
	client, err := events.New(events.Config{Brokers: l.context.Kafka.Brokers, ClientID: "user-service", Conventions: &l.spec})
	if err != nil {
		return err
	}
	consumer, err := client.NewConsumer(ctx, "user-service", []string{userRegistered},
		events.WithHandler("user-registered", handler(l.users)),
		events.WithRetries(2), events.WithBackoff(resilience.Backoff{First: 20 * time.Millisecond, Factor: 2}))
	if err != nil {
		return errors.Join(err, client.Close())
	}
	if err := l.leaveGroup(ctx, client); err != nil {
		return errors.Join(err, client.Close())
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- consumer.Run(ctx) }()
	l.keep(closerFunc(func() error {
		stop()
		err := <-ended
		return errors.Join(err, client.Close())
	}))
	return nil
}

func handler(users *services.Users) events.Handler {
	return func(ctx context.Context, d events.Delivery) error {
		return users.HandleUserRegistered(ctx, d.Meta.ID, d.Data)
	}
}

// leaveGroup commits for a group that no longer has members: audit-service read
// what was there, and went.
func (l *Lab) leaveGroup(ctx context.Context, client *events.Client) error {
	admin, err := client.Admin(ctx)
	if err != nil {
		return err
	}
	offsets := make(kadm.Offsets)
	for id := range int32(partitions) {
		offsets.AddOffset(userRegistered, id, 0, -1)
	}
	return admin.CommitAllOffsets(ctx, "audit-service", offsets)
}
