//go:build unix

// Command call measures one unary call by name and JSON, descriptors by
// reflection, against the grpcurl command on the lab's auth-service, in
// interleaved runs. Both send the same service token.
//
//	go run ./bench/call [-runs 41] [-json FILE]
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/suokelife/suokectl/bench/harness"
	"github.com/suokelife/suokectl/internal/lab/services"
	authv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/auth/v1"
	"github.com/suokelife/suokectl/internal/testenv"
	"github.com/suokelife/suokectl/pkg/secure"
)

const (
	goal   = 1.2 // × grpcurl's wall time
	method = "suokelife.auth.v1.AuthService/VerifyToken"
	secret = "the secret of a benchmark"
)

func main() {
	runs := flag.Int("runs", 41, "counted runs of each command")
	jsonFile := flag.String("json", "", "write the result as JSON to this file")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, *runs, *jsonFile); err != nil {
		fmt.Fprintln(os.Stderr, "call:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, runs int, jsonFile string) error {
	grpcurl, err := testenv.InstallTool("grpcurl")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "suokectl-call-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	suokectl := filepath.Join(dir, "suokectl")
	if err := build(ctx, suokectl); err != nil {
		return err
	}
	server, err := services.Start(services.Options{Name: "auth-service", Secret: []byte(secret)})
	if err != nil {
		return err
	}
	contenders, err := contenders(ctx, dir, suokectl, grpcurl, server.Addr())
	if err != nil {
		return errors.Join(err, server.Close())
	}
	result, err := harness.Comparison{
		Name: "one unary call", Runs: runs, Warmup: 3, SameOutput: true, Contenders: contenders,
		Goals: []harness.Goal{{Of: "suokectl rpc call", To: "grpcurl", Metric: harness.Wall, AtMost: goal}},
	}.Run(ctx)
	if err := errors.Join(err, server.Close()); err != nil {
		return err
	}
	return report(out, result, jsonFile)
}

func build(ctx context.Context, path string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "github.com/suokelife/suokectl")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, output)
	}
	return nil
}

// contenders ask whether a user's token is good, which is the same answer each
// time.
func contenders(ctx context.Context, dir, suokectl, grpcurl, address string) ([]harness.Contender, error) {
	source, err := secure.NewTokenSource(secure.TokenConfig{Issuer: "bench", Secret: []byte(secret)})
	if err != nil {
		return nil, err
	}
	token, err := source.Token()
	if err != nil {
		return nil, err
	}
	tokenFile := filepath.Join(dir, "token")
	if err := os.WriteFile(tokenFile, []byte(token), 0o600); err != nil {
		return nil, err
	}
	request, err := request(ctx, address, source)
	if err != nil {
		return nil, err
	}
	home := "HOME=" + dir
	return []harness.Contender{
		{
			Name: "suokectl rpc call", Examine: examine,
			Argv: []string{suokectl, "rpc", "call", address, method, "--plaintext", "--token-file", tokenFile, "-d", request},
			Env:  []string{home, "XDG_CONFIG_HOME=", "XDG_STATE_HOME=", "XDG_CACHE_HOME="},
		},
		{
			Name: "grpcurl", Examine: examine,
			Argv: []string{grpcurl, "-plaintext", "-expand-headers", "-H", "authorization: Bearer ${TOKEN}", "-d", request, address, method},
			Env:  []string{home, "TOKEN=" + token},
		},
	}, nil
}

// request logs in for a token to ask about.
func request(ctx context.Context, address string, source *secure.TokenSource) (string, error) {
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
func examine(stdout io.Reader) (harness.Evidence, error) {
	answer, err := io.ReadAll(stdout)
	if err != nil {
		return harness.Evidence{}, err
	}
	var line bytes.Buffer
	if err := json.Compact(&line, answer); err != nil {
		return harness.Evidence{}, fmt.Errorf("%w: %q", err, answer)
	}
	if line.String() != `{"valid":true,"userId":"ada"}` {
		return harness.Evidence{}, fmt.Errorf("an answer that is not right: %s", &line)
	}
	return harness.Examine(&line)
}

func report(out io.Writer, result *harness.Result, jsonFile string) error {
	if err := result.WriteTable(out); err != nil {
		return err
	}
	if jsonFile == "" {
		return nil
	}
	file, err := os.Create(jsonFile)
	if err != nil {
		return err
	}
	return errors.Join(result.WriteJSON(file), file.Close())
}
