package batch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/suokelife/suokectl/internal/lab/services"
	"github.com/suokelife/suokectl/pkg/rpc"
	"github.com/suokelife/suokectl/pkg/rpc/batch"
	"github.com/suokelife/suokectl/pkg/secure"
)

// Two calls, by a run that could be killed at any time: another one over the same
// input writes the same results, and sends nothing that was sent.
func Example() {
	secret := []byte("a secret that services share")
	server, err := services.Start(services.Options{Name: "auth-service", Secret: secret})
	if err != nil {
		panic(err)
	}
	defer server.Close()
	tokens, err := secure.NewTokenSource(secure.TokenConfig{Issuer: "user-service", Secret: secret})
	if err != nil {
		panic(err)
	}
	caller := &batch.Caller{
		Dial: func(ctx context.Context, target string) (*rpc.Channel, error) {
			return rpc.NewChannel(ctx, rpc.Config{
				Target:      target,
				Credentials: secure.CallCredentials{Token: tokens.Token, AllowPlaintext: true},
			})
		},
		Target:  server.Addr(),
		Request: rpc.Request{Method: "Login"},
	}
	defer caller.Close()

	dir, err := os.MkdirTemp("", "batch")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	const input = `{"username":"ada","password":"correct horse"}
{"username":"ada","password":"guess"}
`
	for range 2 {
		journal, err := batch.OpenJournal(filepath.Join(dir, "journal"), batch.Heading{Target: "auth-service", Method: "Login"})
		if err != nil {
			panic(err)
		}
		var out strings.Builder
		config := batch.Config{Call: caller.Call, Bare: true, Journal: journal}
		summary, err := batch.Run(context.Background(), config, strings.NewReader(input), &out)
		if err != nil {
			panic(err)
		}
		for line := range strings.Lines(out.String()) {
			var result batch.Result
			if err := json.Unmarshal([]byte(line), &result); err != nil {
				panic(err)
			}
			fmt.Println(result.Line, result.Outcome, result.Code)
		}
		fmt.Println(summary.Failed(), "failed,", summary.Replayed, "done before")
		if err := journal.Close(); err != nil {
			panic(err)
		}
	}
	// Output:
	// 1 ok OK
	// 2 failed UNAUTHENTICATED
	// 1 failed, 0 done before
	// 1 ok OK
	// 2 failed UNAUTHENTICATED
	// 1 failed, 2 done before
}
