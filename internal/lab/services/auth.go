package services

import (
	"context"
	"crypto/subtle"
	"sync/atomic"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	authv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/auth/v1"
	authv2 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/auth/v2"
	"github.com/suokelife/suokectl/pkg/secure"
	"github.com/suokelife/suokectl/pkg/spec"
)

// The one account of the demo world.
const (
	demoUser     = "ada"
	demoPassword = "correct horse"
)

// userAudience keeps users' tokens apart from service tokens.
const userAudience = "suokelife-users"

// auth is what both versions share. Users' tokens are signed, not stored, so
// that each instance knows those of the others.
type auth struct {
	secret []byte
	flaky  bool
	logins atomic.Int64
}

func newAuth(o Options) *auth { return &auth{secret: o.Secret, flaky: o.Flaky} }

type session struct {
	access, refresh string
	expiresAt       *timestamppb.Timestamp
}

func (a *auth) login(username, password string) (session, error) {
	if n := a.logins.Add(1); a.flaky && n%2 == 1 {
		return session{}, status.Error(codes.Unavailable, "the session store is not reachable")
	}
	if username != demoUser || subtle.ConstantTimeCompare([]byte(password), []byte(demoPassword)) == 0 {
		return session{}, invalidCredentials()
	}
	access, err := a.token(username, spec.TokenLifetime)
	if err != nil {
		return session{}, err
	}
	refresh, err := a.token(username, 24*spec.TokenLifetime)
	return session{access, refresh, timestamppb.New(time.Now().Add(spec.TokenLifetime))}, err
}

func (a *auth) token(username string, lifetime time.Duration) (string, error) {
	source, err := secure.NewTokenSource(secure.TokenConfig{
		Issuer: "auth-service", Secret: a.secret, Subject: username, Audience: userAudience, Lifetime: lifetime,
	})
	if err != nil {
		return "", err
	}
	return source.Token()
}

func invalidCredentials() error {
	refused, err := status.New(codes.Unauthenticated, "username or password is wrong").WithDetails(&errdetails.ErrorInfo{
		Reason: "INVALID_CREDENTIALS", Domain: "auth-service.suokelife",
	})
	if err != nil {
		return err
	}
	return refused.Err()
}

// verify returns whose token it is, or "".
func (a *auth) verify(token string) string {
	verifier := secure.Verifier{Secret: a.secret, Subject: demoUser, Audience: userAudience}
	claims, err := verifier.Verify(token)
	if err != nil {
		return ""
	}
	return claims.Subject
}

type authV1 struct {
	authv1.UnimplementedAuthServiceServer
	*auth
}

func (s *authV1) Login(_ context.Context, req *authv1.LoginRequest) (*authv1.LoginResponse, error) {
	session, err := s.login(req.GetUsername(), req.GetPassword())
	if err != nil {
		return nil, err
	}
	return &authv1.LoginResponse{AccessToken: session.access, RefreshToken: session.refresh, ExpiresAt: session.expiresAt}, nil
}

func (s *authV1) VerifyToken(_ context.Context, req *authv1.VerifyTokenRequest) (*authv1.VerifyTokenResponse, error) {
	user := s.verify(req.GetAccessToken())
	return &authv1.VerifyTokenResponse{Valid: user != "", UserId: user}, nil
}

type authV2 struct {
	authv2.UnimplementedAuthServiceServer
	*auth
}

func (s *authV2) Login(_ context.Context, req *authv2.LoginRequest) (*authv2.LoginResponse, error) {
	session, err := s.login(req.GetUsername(), req.GetPassword())
	if err != nil {
		return nil, err
	}
	return &authv2.LoginResponse{
		AccessToken: session.access, RefreshToken: session.refresh, ExpiresAt: session.expiresAt,
		Scopes: []string{"profile:read", "vitals:read"},
	}, nil
}

func (s *authV2) VerifyToken(_ context.Context, req *authv2.VerifyTokenRequest) (*authv2.VerifyTokenResponse, error) {
	user := s.verify(req.GetAccessToken())
	return &authv2.VerifyTokenResponse{Valid: user != "", UserId: user}, nil
}
