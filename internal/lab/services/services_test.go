package services_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/suokelife/suokectl/internal/lab/services"
	authv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/auth/v1"
	authv2 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/auth/v2"
	userv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/user/v1"
	"github.com/suokelife/suokectl/pkg/secure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var secret = []byte("a secret that services share")

// start starts an instance and returns it with a plain connection to it.
func start(t *testing.T, o services.Options) (*services.Server, *grpc.ClientConn) {
	t.Helper()
	o.Secret = secret
	server, err := services.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	source, err := secure.NewTokenSource(secure.TokenConfig{Issuer: "test", Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(server.Addr(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithPerRPCCredentials(secure.CallCredentials{Token: source.Token, AllowPlaintext: true}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(conn.Close(), server.Close(), server.Close()); err != nil {
			t.Error(err)
		}
	})
	return server, conn
}

func TestFlakyLoginFailsEveryOtherTime(t *testing.T) {
	_, conn := start(t, services.Options{Name: "auth-service", Flaky: true})
	client := authv1.NewAuthServiceClient(conn)
	for i := range 6 {
		_, err := client.Login(t.Context(), &authv1.LoginRequest{Username: "ada", Password: "correct horse"})
		want := []codes.Code{codes.Unavailable, codes.OK}[i%2]
		if status.Code(err) != want {
			t.Errorf("login %d: %v, want %v", i+1, err, want)
		}
	}
}

func TestATokenOfOneInstanceIsGoodAtAnother(t *testing.T) {
	_, first := start(t, services.Options{Name: "auth-service"})
	_, second := start(t, services.Options{Name: "auth-service", Version: "v2"})
	session, err := authv1.NewAuthServiceClient(first).Login(t.Context(), &authv1.LoginRequest{Username: "ada", Password: "correct horse"})
	if err != nil || session.GetExpiresAt().AsTime().IsZero() {
		t.Fatal(session, err)
	}
	for token, want := range map[string]string{session.GetAccessToken(): "ada", session.GetAccessToken() + "x": "", "": ""} {
		got, err := authv2.NewAuthServiceClient(second).VerifyToken(t.Context(), &authv2.VerifyTokenRequest{AccessToken: token})
		if err != nil || got.GetUserId() != want || got.GetValid() != (want != "") {
			t.Errorf("VerifyToken = %v, %v; want %q", got, err, want)
		}
	}
}

func TestAServiceTokenIsNoUsersToken(t *testing.T) {
	_, conn := start(t, services.Options{Name: "auth-service"})
	source, _ := secure.NewTokenSource(secure.TokenConfig{Issuer: "auth-service", Secret: secret, Subject: "ada"})
	token, _ := source.Token()
	got, err := authv1.NewAuthServiceClient(conn).VerifyToken(t.Context(), &authv1.VerifyTokenRequest{AccessToken: token})
	if err != nil || got.GetValid() {
		t.Errorf("VerifyToken = %v, %v", got, err)
	}
}

func TestUsersHearOfRegistrations(t *testing.T) {
	server, conn := start(t, services.Options{Name: "user-service"})
	client := userv1.NewUserServiceClient(conn)
	handle := func(id, data string) error {
		return server.Users.HandleUserRegistered(t.Context(), id, []byte(data))
	}
	maintenance := func(on bool) {
		if got, err := client.SetMaintenance(t.Context(), &userv1.SetMaintenanceRequest{Enabled: on}); err != nil || got.GetEnabled() != on {
			t.Fatal(got, err)
		}
	}
	ada := `{"user_id":"u1","email":"ada@suokelife.example"}`
	maintenance(true)
	if err := handle("e1", ada); !errors.Is(err, services.ErrMaintenance) || err.Error() != "maintenance: profile store is read-only" {
		t.Errorf("in maintenance: %v", err)
	}
	if _, err := client.GetProfile(t.Context(), &userv1.GetProfileRequest{UserId: "u1"}); status.Code(err) != codes.NotFound {
		t.Errorf("GetProfile: %v", err)
	}
	maintenance(false)
	if err := errors.Join(handle("e1", ada), handle("e1", ada), handle("e2", `{"user_id":"u2"}`)); err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{``, `[]`, `{}`, `{"user_id":7}`} {
		if handle("e3", data) == nil {
			t.Errorf("data %q was taken", data)
		}
	}
	profile, err := client.GetProfile(t.Context(), &userv1.GetProfileRequest{UserId: "u1"})
	if err != nil || profile.GetEmail() != "ada@suokelife.example" {
		t.Errorf("GetProfile = %v, %v", profile, err)
	}
	stats, err := client.Stats(t.Context(), &userv1.StatsRequest{})
	if err != nil || fmt.Sprint(stats.GetTotal(), stats.GetUnique(), stats.GetDuplicates()) != "3 2 1" {
		t.Errorf("Stats = %v, %v", stats, err)
	}
}

func TestHealthIsToldToAnybody(t *testing.T) {
	server, _ := start(t, services.Options{Name: "user-service"})
	conn, err := grpc.NewClient(server.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, name := range []string{"", "suokelife.user.v1.UserService"} {
		got, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{Service: name})
		if err != nil || got.GetStatus() != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("Check(%q) = %v, %v", name, got, err)
		}
	}
	if _, err := userv1.NewUserServiceClient(conn).Stats(t.Context(), &userv1.StatsRequest{}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("an anonymous call: %v", err)
	}
}

func TestStartRefuses(t *testing.T) {
	for want, o := range map[string]services.Options{
		"it needs a secret":                                  {Name: "auth-service"},
		"no demo service pay-service of version ":            {Name: "pay-service", Secret: secret},
		"no demo service user-service of version v2":         {Name: "user-service", Version: "v2", Secret: secret},
		"start auth-service: listen tcp: address 1: missing": {Name: "auth-service", Addr: "1", Secret: secret},
	} {
		if _, err := services.Start(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Start(%+v): %v, want %q", o, err, want)
		}
	}
}

func TestTheGeneratedCodeIsThatOfTheProtoFiles(t *testing.T) {
	compiler := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{"proto"}}),
	}
	found := 0
	err := fs.WalkDir(os.DirFS("proto"), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".proto") {
			return err
		}
		found++
		files, err := compiler.Compile(context.Background(), path)
		if err != nil {
			return err
		}
		linked, err := protoregistry.GlobalFiles.FindFileByPath(path)
		if err != nil {
			return err
		}
		if !proto.Equal(protodesc.ToFileDescriptorProto(files[0]), protodesc.ToFileDescriptorProto(linked)) {
			t.Errorf("%s has changed: run `go generate ./internal/lab/services`", path)
		}
		return nil
	})
	if err != nil || found == 0 {
		t.Fatalf("%d proto files, %v", found, err)
	}
}
