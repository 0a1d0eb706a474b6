package dlq_test

import (
	"context"
	"fmt"

	"github.com/suokelife/suokectl/internal/lab/kafka"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/dlq"
)

func Example() {
	server, err := kafka.Start(kafka.Options{Topics: []kafka.Topic{{Name: origin}, {Name: letters}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	client, err := events.New(events.Config{Brokers: server.Addrs()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	ctx := context.Background()
	producer, err := client.Open(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer producer.Close()
	for i := range 3 {
		producer.Produce(ctx, letter(0, int64(i), "key", event(i), fmt.Sprintf("timeout after %d ms", 30+i)), nil)
	}
	if err := producer.Flush(ctx); err != nil {
		fmt.Println(err)
		return
	}

	dead, err := dlq.Open(ctx, client)
	if err != nil {
		fmt.Println(err)
		return
	}
	groups, err := dead.Groups(ctx, letters)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(groups[0].Pending, groups[0].Class)
	for range 2 {
		result, err := dead.Replay(ctx, letters, dlq.ReplayOptions{
			Selection: dlq.Selection{Fingerprints: []string{groups[0].Fingerprint}},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("replayed", result.Replayed, "already", result.Already)
	}
	// Output:
	// 3 timeout after # ms
	// replayed 3 already 0
	// replayed 0 already 3
}
