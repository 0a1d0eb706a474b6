// Package rpc is `suokectl rpc`: what a server offers, and calls to it that say
// what they tried.
package rpc

import (
	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
)

// NewCmdRPC returns the noun with its verbs.
func NewCmdRPC(f *app.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rpc",
		Short: "List, describe and call gRPC services",
		Long: `Ask a server what it offers, by server reflection, and call it with JSON.

A TARGET is one of
  auth-service                              a service in Consul, see --version and --tag
  consul:///auth-service?version=v1&tag=eu  the same in one word
  127.0.0.1:50051                           an address
  dns:///auth.example:443                   all addresses of a name
  unix:run/auth.sock                        a socket

TLS is used and verified unless the context or --plaintext says otherwise. The
context's service token goes with every call.`,
		Example: "suokectl rpc list auth-service --version v1\nsuokectl rpc call user-service Stats",
	}
	cmd.AddCommand(NewCmdList(f, nil), NewCmdDescribe(f, nil), NewCmdCall(f, nil), NewCmdHealth(f, nil), NewCmdFanout(f, nil), NewCmdBatch(f, nil), NewCmdToken(f))
	cmd.AddCommand(NewCmdBench(f, nil))
	return cmd
}
