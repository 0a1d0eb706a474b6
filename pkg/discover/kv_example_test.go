package discover_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/suokelife/suokectl/internal/lab/consul"
	"github.com/suokelife/suokectl/pkg/discover"
)

func ExampleKV_CompareAndSet() {
	kv, stop := exampleKV()
	defer stop()
	ctx := context.Background()
	// A counter that many may raise at once: whoever comes too late reads it again.
	raise := func() error {
		for {
			entry, err := kv.Get(ctx, "visits")
			if errors.Is(err, discover.ErrNoKey) {
				entry, err = discover.Entry{Key: "visits", Value: []byte("0")}, nil
			}
			if err != nil {
				return err
			}
			count, err := discover.Int(entry.Value)
			if err != nil {
				return err
			}
			entry.Value = []byte(strconv.Itoa(count + 1))
			if err = kv.CompareAndSet(ctx, entry); !errors.Is(err, discover.ErrChanged) {
				return err
			}
		}
	}
	fmt.Println(raise(), raise())
	entry, _ := kv.Get(ctx, "visits")
	fmt.Println(string(entry.Value))
	// Output:
	// <nil> <nil>
	// 2
}

func ExampleValue_Watch() {
	kv, stop := exampleKV()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_ = kv.Put(ctx, discover.Entry{Key: "auth-service/timeout", Value: []byte("5s")})
	timeout := discover.Value[time.Duration]{KV: kv, Key: "auth-service/timeout", Decode: discover.Duration}
	for update := range timeout.Watch(ctx) {
		fmt.Println(update.Value, update.Err == nil)
		if update.Err != nil { // the last good value stays in use
			return
		}
		_ = kv.Put(ctx, discover.Entry{Key: "auth-service/timeout", Value: []byte("5 seconds")})
	}
	// Output:
	// 5s true
	// 5s false
}

// exampleKV is the keys of an empty Consul.
func exampleKV() (kv discover.KV, stop func()) {
	server, err := consul.Start(consul.Options{})
	if err != nil {
		panic(err)
	}
	client, err := discover.New(discover.Config{Address: server.Addr()})
	if err != nil {
		panic(err)
	}
	return client.KV(), func() { _, _ = client.Close(), server.Close() }
}
