package events_test

import (
	"context"
	"fmt"
	"log"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/suokelife/suokectl/internal/lab/kafka"
	"github.com/suokelife/suokectl/pkg/events"
)

// A group that nobody is in is sent back to the start of its topic, after a look
// at the plan.
func ExampleClient_PlanReset() {
	ctx := context.Background()
	const topic = "dev.auth-service.user-registered.v1"
	client, stop := startExample(topic)
	defer stop()
	leave(ctx, client, "audit-service", topic, 3)

	plan, err := client.PlanReset(ctx, "audit-service", nil, events.ResetTo{Bound: events.Start()})
	if err != nil {
		log.Fatal(err) // such as a *LiveGroupError, which names the members
	}
	for _, p := range plan.Partitions {
		fmt.Printf("partition %d: from %d to %d\n", p.Partition, p.Before, p.After)
	}
	if err := client.Reset(ctx, plan); err != nil {
		log.Fatal(err)
	}
	groups, err := client.Groups(ctx, "audit-service")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("committed", groups[0].Partitions[0].Committed)
	// Output:
	// partition 0: from 3 to 0
	// committed 0
}

// What a change will do is known before it is made.
func ExampleClient_PlanAlter() {
	ctx := context.Background()
	const topic = "dev.auth-service.user-registered.v1"
	client, stop := startExample(topic)
	defer stop()

	plan, err := client.PlanAlter(ctx, topic, events.TopicChange{Set: map[string]string{"retention.ms": "3600000"}})
	if err != nil {
		log.Fatal(err) // such as an *UnknownConfigError, which names the nearest
	}
	for _, c := range plan.Changes {
		fmt.Printf("%s: %s becomes %s (%s)\n", c.Name, c.Before, c.After, c.Warning)
	}
	if err := client.Alter(ctx, plan); err != nil {
		log.Fatal(err)
	}
	// Output:
	// retention.ms: 604800000 becomes 3600000 (records beyond the new limit will be deleted)
}

func startExample(topic string) (*events.Client, func()) {
	broker, err := kafka.Start(kafka.Options{Topics: []kafka.Topic{{Name: topic}}})
	if err != nil {
		log.Fatal(err)
	}
	client, err := events.New(events.Config{Brokers: broker.Addrs()})
	if err != nil {
		log.Fatal(err)
	}
	return client, func() {
		_ = client.Close()
		_ = broker.Close()
	}
}

// leave commits for a group without members.
func leave(ctx context.Context, client *events.Client, group, topic string, at int64) {
	admin, err := client.Admin(ctx)
	if err != nil {
		log.Fatal(err)
	}
	offsets := make(kadm.Offsets)
	offsets.AddOffset(topic, 0, at, -1)
	if err := admin.CommitAllOffsets(ctx, group, offsets); err != nil {
		log.Fatal(err)
	}
}
