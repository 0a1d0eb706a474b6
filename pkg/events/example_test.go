package events_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/internal/lab/kafka"
	"github.com/suokelife/suokectl/pkg/events"
)

// An event is emitted, and read back from the start of its topic to its end.
func Example() {
	ctx := context.Background()
	const topic = "dev.auth-service.user-registered.v1"
	broker, err := kafka.Start(kafka.Options{Topics: []kafka.Topic{{Name: topic}}})
	if err != nil {
		log.Fatal(err)
	}
	defer broker.Close()

	client, err := events.New(events.Config{Brokers: broker.Addrs()})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	producer, err := client.NewProducer(ctx, events.ProducerOptions{})
	if err != nil {
		log.Fatal(err)
	}
	emitted, err := producer.Emit(ctx, events.NewEvent{
		Env: "dev", Service: "auth-service", Type: "user-registered",
		Data: json.RawMessage(`{"user_id":"u-1"}`), Key: "u-1",
	})
	if err != nil {
		log.Fatal(err) // a *RejectedError, an *UnknownOutcomeError, or it was not sent
	}
	fmt.Println("acknowledged at offset", emitted.Offset)
	if err := producer.Close(ctx); err != nil {
		log.Fatal(err)
	}

	until := events.End()
	result, err := client.Scan(ctx, events.ScanOptions{Topic: topic, Until: &until}, func(r *kgo.Record) error {
		event, err := client.Conventions().ParseEvent(r.Value)
		fmt.Println(event.Meta.Type, string(event.Data))
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Records, "record")
	// Output:
	// acknowledged at offset 0
	// user-registered {"user_id":"u-1"}
	// 1 record
}
