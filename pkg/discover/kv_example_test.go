package discover_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/suokelife/suokectl/pkg/discover"
)

func ExampleKV_CompareAndSet() {
	client, stop := exampleClient()
	defer stop()
	kv := client.KV()
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
	client, stop := exampleClient()
	defer stop()
	kv := client.KV()
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

// A folder of files, such as one under version control, beside what Consul has.
func ExampleDiffKeys() {
	client, stop := exampleClient()
	defer stop()
	kv, ctx := client.KV(), context.Background()
	_ = kv.Put(ctx, discover.Entry{Key: "auth-service/timeout", Value: []byte("5s")})
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	_ = os.WriteFile(filepath.Join(dir, "timeout"), []byte("30s"), 0o600)
	_ = os.WriteFile(filepath.Join(dir, "retries"), []byte("3"), 0o600)

	files, err := discover.ReadKeys(dir, "auth-service/")
	if err != nil {
		fmt.Println(err)
		return
	}
	entries, err := kv.List(ctx, "auth-service/")
	for _, difference := range discover.DiffKeys(entries, files) {
		fmt.Println(difference, err) // without the values, which may be secrets
	}
	// Output:
	// auth-service/retries added (0 bytes, then 1) <nil>
	// auth-service/timeout changed (2 bytes, then 3) <nil>
}
