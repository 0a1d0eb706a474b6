package rpc_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/suokelife/suokectl/pkg/rpc"
)

func TestParseTarget(t *testing.T) {
	for text, want := range map[string]rpc.Target{
		"auth-service":           {Service: "auth-service"},
		"consul:///auth-service": {Service: "auth-service"},
		"consul:///auth-service?version=v1&tag=prod&tag=eu": {Service: "auth-service", Version: "v1", Tags: []string{"prod", "eu"}},
		"127.0.0.1:50051":    {Address: "127.0.0.1:50051"},
		"[::1]:50051":        {Address: "[::1]:50051"},
		"auth.example:443":   {Address: "auth.example:443"},
		"dns:///auth:443":    {Address: "dns:///auth:443"},
		"unix:run/auth.sock": {Address: "unix:run/auth.sock"},
		"unix:///run/a.sock": {Address: "unix:///run/a.sock"},
	} {
		if got, err := rpc.ParseTarget(text); err != nil || !cmp.Equal(got, want) {
			t.Errorf("ParseTarget(%q) = %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "a b", "auth\x1b[0m", "host:", "host:http", "host:70000", "::1:50051", "a/b", "https://auth", "unix:", "dns:///",
		"consul://auth", "consul:///", "consul:///a/b", "consul:///a?versoin=v1", "consul:///%zz",
	} {
		var bad *rpc.TargetError
		if got, err := rpc.ParseTarget(text); !errors.As(err, &bad) {
			t.Errorf("ParseTarget(%q) = %+v, %v; want an error", text, got, err)
		}
	}
}

func FuzzParseTarget(f *testing.F) {
	f.Add("auth-service")
	f.Add("consul:///a?tag=b")
	f.Add("[::1]:1")
	f.Fuzz(func(t *testing.T, text string) {
		target, err := rpc.ParseTarget(text)
		if err == nil && (target.Service == "") == (target.Address == "") {
			t.Errorf("ParseTarget(%q) = %+v: it must be a service or an address", text, target)
		}
	})
}
