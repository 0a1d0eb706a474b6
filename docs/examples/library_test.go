// Package examples holds the code that the README shows.
package examples

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/suokelife/suokectl/internal/lab"
	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/discover/consulgrpc"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/rpc"
	"github.com/suokelife/suokectl/pkg/secure"
)

func signUp(ctx context.Context, consul string, brokers []string, secret []byte) error {
	directory, err := discover.New(discover.Config{Address: consul})
	if err != nil {
		return err
	}
	tokens, err := secure.NewTokenSource(secure.TokenConfig{Issuer: "signup-service", Secret: secret})
	if err != nil {
		return err
	}
	auth, err := rpc.NewChannel(ctx, rpc.Config{ // three tries, each at another instance
		Target:      "consul:///auth-service?version=v1",
		Resolver:    consulgrpc.NewBuilder(directory),
		Credentials: secure.CallCredentials{Token: tokens.Token, AllowPlaintext: true},
	})
	if err != nil {
		return err
	}
	defer auth.Close()
	call, err := auth.Call(ctx, rpc.Request{ // generated stubs take the channel, too
		Method: "suokelife.auth.v1.AuthService/Login",
		Body:   strings.NewReader(`{"username": "ada", "password": "correct horse"}`),
	})
	if err != nil {
		return err
	}
	kafka, err := events.New(events.Config{Brokers: brokers})
	if err != nil {
		return err
	}
	producer, err := kafka.NewProducer(ctx, events.ProducerOptions{})
	if err != nil {
		return err
	}
	emitted, err := producer.Emit(ctx, events.NewEvent{ // returns when every replica has it
		Env: "dev", Service: "auth-service", Type: "user-registered", Key: "u-9",
		CorrelationID: call.RequestID, Data: json.RawMessage(`{"user_id": "u-9", "email": "ada@example.org"}`),
	})
	if err != nil {
		return err
	}
	fmt.Println("logged in:", call.Status.Code, "— told", emitted.Topic)
	return nil
}

func Example() {
	dir, err := os.MkdirTemp("", "suokectl-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	l, err := lab.Start(context.Background(), lab.Options{StateDir: dir})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	c := l.Context()
	secret, err := os.ReadFile(filepath.Join(dir, "token-secret"))
	if err != nil {
		log.Fatal(err)
	}
	if err := signUp(context.Background(), c.Consul.Address, c.Kafka.Brokers, secret); err != nil {
		log.Fatal(err)
	}
	// Output: logged in: OK — told dev.auth-service.user-registered.v1
}

// The README shows signUp as it is here.
func TestTheReadmeShowsThisCode(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("library_test.go")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindSubmatch(readme)
	function := regexp.MustCompile(`(?ms)^func signUp.*?^}\n`).Find(source)
	if shown == nil || !bytes.Equal(shown[1], function) {
		t.Errorf("the README differs from signUp:\n%s", cmp.Diff(string(function), string(bytes.Join(shown, nil))))
	}
}
