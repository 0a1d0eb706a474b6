package events_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
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

// The sizes of a topic's values are added up on all cores: what workers make of
// each run of records is collected in one place.
func ExampleScanParallel() {
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
	writer, err := client.Open(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer writer.Close()
	for _, value := range []string{"a", "bc", "def"} {
		if err := writer.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte(value)}).FirstErr(); err != nil {
			log.Fatal(err)
		}
	}

	until := events.End()
	total := 0
	measure := func(records iter.Seq[*kgo.Record]) (bytes int) {
		for r := range records {
			bytes += len(r.Value)
		}
		return bytes
	}
	result, err := events.ScanParallel(ctx, client, events.ScanOptions{Topic: topic, Until: &until}, measure, func(bytes int) error {
		total += bytes
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(total, "bytes in", result.Records, "records")
	// Output:
	// 6 bytes in 3 records
}
