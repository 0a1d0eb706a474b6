//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/suokelife/suokectl/bench/harness"
	"github.com/suokelife/suokectl/bench/served"
	authv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/auth/v1"
	"github.com/suokelife/suokectl/pkg/secure"
)

const secret = "the secret of a benchmark"

// call is what is called, and the one answer that is right.
type call struct {
	method, request, answer string
	token, tokenFile        string // none when empty
}

// echo takes part of what many files define.
var echo = call{method: served.Echo, request: `{"part7":{"value3":"seven"}}`, answer: `{"part7":{"value3":"seven"}}`}

// verifyToken asks whether a user's token is good, which is the same answer each
// time.
func verifyToken(ctx context.Context, dir, address string) (call, error) {
	source, err := secure.NewTokenSource(secure.TokenConfig{Issuer: "bench", Secret: []byte(secret)})
	if err != nil {
		return call{}, err
	}
	c := call{
		method: "suokelife.auth.v1.AuthService/VerifyToken", answer: `{"valid":true,"userId":"ada"}`,
		tokenFile: filepath.Join(dir, "token"),
	}
	if c.token, err = source.Token(); err != nil {
		return call{}, err
	}
	if err := os.WriteFile(c.tokenFile, []byte(c.token), 0o600); err != nil {
		return call{}, err
	}
	c.request, err = login(ctx, address, source)
	return c, err
}

// login returns a request about a token that it has logged in for.
func login(ctx context.Context, address string, source *secure.TokenSource) (string, error) {
	conn, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithPerRPCCredentials(secure.CallCredentials{Token: source.Token, AllowPlaintext: true}))
	if err != nil {
		return "", err
	}
	defer conn.Close() //nolint:errcheck // it only says that it is closed
	session, err := authv1.NewAuthServiceClient(conn).Login(ctx, &authv1.LoginRequest{Username: "ada", Password: "correct horse"})
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]string{"accessToken": session.GetAccessToken()})
	return string(text), err
}

// examine compares the answers, not their blanks.
func (c call) examine(stdout io.Reader) (harness.Evidence, error) {
	answer, err := io.ReadAll(stdout)
	if err != nil {
		return harness.Evidence{}, err
	}
	var line bytes.Buffer
	if err := json.Compact(&line, answer); err != nil {
		return harness.Evidence{}, fmt.Errorf("%w: %q", err, answer)
	}
	if line.String() != c.answer {
		return harness.Evidence{}, fmt.Errorf("an answer that is not right: %s", &line)
	}
	return harness.Examine(&line)
}

// suokectl is the command line; home is where it keeps descriptors.
func (c call) suokectl(program, home, address string) harness.Contender {
	argv := []string{program, "rpc", "call", address, c.method, "--plaintext", "-d", c.request}
	if c.token != "" {
		argv = append(argv, "--token-file", c.tokenFile)
	}
	return harness.Contender{Argv: argv, Env: harness.Home(home), Examine: c.examine}
}

func (c call) grpcurl(program, address string) harness.Contender {
	argv := []string{program, "-plaintext"}
	if c.token != "" {
		argv = append(argv, "-expand-headers", "-H", "authorization: Bearer ${TOKEN}")
	}
	return harness.Contender{
		Name: "grpcurl", Argv: append(argv, "-d", c.request, address, c.method), Env: []string{"TOKEN=" + c.token}, Examine: c.examine,
	}
}

// age makes all files below dir an hour old.
func age(dir string) func(context.Context) error {
	then := time.Now().Add(-time.Hour)
	return func(context.Context) error {
		return filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			return os.Chtimes(path, then, then)
		})
	}
}
