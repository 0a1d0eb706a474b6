package secure_test

import (
	"context"
	"fmt"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/suokelife/suokectl/pkg/secure"
)

// Certificates and tokens do their work under gRPC, to which the package does
// not link.
func TestUnderGRPC(t *testing.T) {
	root := newCA(t)
	auth := root.leaf(t, leaf{dns: "auth-service"})
	user := root.leaf(t, leaf{dns: "user-service", spiffe: "spiffe://suokelife/ns/shop/sa/user-service"})
	serverTLS := mustConfig(secure.ServerTLS{Cert: auth.cert, Key: auth.key, ClientCA: root.file}.Config(secure.TLSOptions{}))(t)
	clientTLS := mustConfig(secure.ClientTLS{CA: root.file, Cert: user.cert, Key: user.key}.ConfigWith(
		secure.TLSOptions{Peers: secure.Peers{DNS: []string{"auth-service"}}}))(t)
	verifier := secure.Verifier{Secret: secret}
	var known []string
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(serverTLS)), grpc.UnaryInterceptor(
		func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			ctx, err := verifier.Admit(ctx, metadata.ValueFromIncomingContext(ctx, "authorization")[0])
			if err != nil {
				return nil, err
			}
			caller, _ := secure.Caller(ctx)
			from, _ := peer.FromContext(ctx)
			known = append(secure.PeerNames(from.AuthInfo.(credentials.TLSInfo).State), caller.Issuer)
			return handler(ctx, req)
		}))
	healthpb.RegisterHealthServer(server, health.NewServer())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	token := secure.CallCredentials{Token: newSource(t, nil).Token}
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(credentials.NewTLS(clientTLS)), grpc.WithPerRPCCredentials(token))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(known); got != "[spiffe://suokelife/ns/shop/sa/user-service user-service user-service]" {
		t.Errorf("the server knows %s", got)
	}
	if _, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithPerRPCCredentials(token)); err == nil {
		t.Error("a token may travel in plaintext")
	}
}
