package rpc_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"

	authv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/auth/v1"
	"github.com/suokelife/suokectl/pkg/rpc"
	"github.com/suokelife/suokectl/pkg/secure"
)

// authority is a certificate authority for a test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.issue("ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name+".pem") }

// issue writes name.pem and name-key.pem, signed by the authority.
func (a *authority) issue(name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.Subject = pkix.Name{CommonName: name}
	template.NotBefore = time.Now().Add(-time.Hour)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(name, "CERTIFICATE", der)
	a.write(name+"-key", "EC PRIVATE KEY", keyDER)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func (a *authority) write(name, kind string, der []byte) {
	if err := os.WriteFile(a.file(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// serverTLS is a server's configuration with the named certificate; it wants
// client certificates of the authority when mutual.
func (a *authority) serverTLS(name string, mutual bool) credentials.TransportCredentials {
	pair, err := tls.LoadX509KeyPair(a.file(name), a.file(name+"-key"))
	if err != nil {
		a.t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if mutual {
		config.ClientCAs = x509.NewCertPool()
		config.ClientCAs.AddCert(a.cert)
		config.ClientAuth = tls.RequireAndVerifyClientCert
		// In TLS 1.3 the client learns of the refusal after its handshake, or only
		// of a broken connection, as it happens.
		config.MaxVersion = tls.VersionTLS12
	}
	return credentials.NewTLS(config)
}

func TestEveryCombinationOfTLS(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	loopback := []net.IP{net.IPv4(127, 0, 0, 1)}
	server := func(c x509.Certificate) *x509.Certificate {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		return &c
	}
	ca.issue("good", server(x509.Certificate{IPAddresses: loopback}))
	ca.issue("named", server(x509.Certificate{DNSNames: []string{"auth.example"}}))
	ca.issue("expired", server(x509.Certificate{IPAddresses: loopback, NotAfter: time.Now().Add(-time.Minute)}))
	client := x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	mine, stranger := client, client
	ca.issue("client", &mine)
	other.issue("stranger", &stranger)

	trusted := secure.ClientTLS{CA: ca.file("ca")}
	withCert := secure.ClientTLS{CA: ca.file("ca"), Cert: ca.file("client"), Key: ca.file("client-key")}
	strange := secure.ClientTLS{CA: ca.file("ca"), Cert: other.file("stranger"), Key: other.file("stranger-key")}
	for _, c := range []struct {
		name   string
		server []grpc.ServerOption // nil is plaintext
		client *secure.ClientTLS   // nil is plaintext
		want   error
	}{
		{"plaintext", nil, nil, nil},
		{"TLS", withTLS(ca.serverTLS("good", false)), &trusted, nil},
		{"TLS to plaintext", nil, &trusted, rpc.ErrPlaintextServer},
		{"plaintext to TLS", withTLS(ca.serverTLS("good", false)), nil, rpc.ErrTLSServer},
		{"plaintext to mutual TLS", withTLS(ca.serverTLS("good", true)), nil, rpc.ErrTLSServer},
		{"unknown authority", withTLS(ca.serverTLS("good", false)), &secure.ClientTLS{CA: other.file("ca")}, rpc.ErrCertificate},
		{"system roots", withTLS(ca.serverTLS("good", false)), &secure.ClientTLS{}, rpc.ErrCertificate},
		{"unverified", withTLS(ca.serverTLS("good", false)), &secure.ClientTLS{Insecure: true}, nil},
		{"wrong name", withTLS(ca.serverTLS("named", false)), &trusted, rpc.ErrCertificate},
		{"name given", withTLS(ca.serverTLS("named", false)), &secure.ClientTLS{CA: ca.file("ca"), ServerName: "auth.example"}, nil},
		{"expired", withTLS(ca.serverTLS("expired", false)), &trusted, rpc.ErrCertificate},
		{"mutual", withTLS(ca.serverTLS("good", true)), &withCert, nil},
		{"mutual without a certificate", withTLS(ca.serverTLS("good", true)), &trusted, rpc.ErrClientCertificate},
		{"mutual with a stranger's", withTLS(ca.serverTLS("good", true)), &strange, rpc.ErrClientCertificate},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := rpc.Config{Target: serveLogin(t, func(context.Context) (*authv1.LoginResponse, error) {
				return &authv1.LoginResponse{}, nil
			}, c.server...)}
			if c.client != nil {
				var err error
				if config.TLS, err = c.client.Config(); err != nil {
					t.Fatal(err)
				}
			}
			slow := rpc.DefaultRetry()
			config.Retry = &slow
			begin := time.Now()
			call, err := dial(t, config).Call(t.Context(), rpc.Request{Method: "Login"})
			if err == nil {
				err = call.Err()
			}
			if !errors.Is(err, c.want) {
				t.Errorf("err = %v, want %v", err, c.want)
			}
			if took := time.Since(begin); took > 2*time.Second {
				t.Errorf("took %v: settings were retried", took)
			}
		})
	}
}

func TestAServerOfHTTP1(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	_, err := dial(t, rpc.Config{Target: server.Listener.Addr().String()}).Call(t.Context(), rpc.Request{Method: "Login"})
	wantError(t, err, rpc.ErrNotGRPC, "speaks HTTP/1.1")
}

func TestAServerThatSaysNothing(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	channel := dial(t, rpc.Config{Target: silent.Addr().String()})
	for name, test := range map[string]struct {
		end  func() (context.Context, context.CancelFunc)
		code codes.Code
	}{
		"deadline": {func() (context.Context, context.CancelFunc) {
			return context.WithTimeoutCause(t.Context(), 20*time.Millisecond, errors.New("the reason"))
		}, codes.DeadlineExceeded},
		"cancelled": {func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errors.New("the reason"))
			return ctx, func() {}
		}, codes.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := test.end()
			defer cancel()
			descriptors := channel.Reflect(ctx)
			defer descriptors.Close()
			_, err := descriptors.Services()
			if code, _ := rpc.Code(err); code != test.code || !strings.Contains(err.Error(), "the reason") {
				t.Errorf("err = %v with code %v, want %v", err, code, test.code)
			}
		})
	}
}

func TestATokenDoesNotTravelInPlaintext(t *testing.T) {
	credentials := token(t)
	credentials.AllowPlaintext = false
	_, err := rpc.NewChannel(t.Context(), rpc.Config{Target: "127.0.0.1:1", Credentials: credentials})
	if err == nil || !strings.Contains(err.Error(), "transport level security") {
		t.Errorf("err = %v", err)
	}
}

func TestClientTLSWithBadFiles(t *testing.T) {
	ca := newAuthority(t)
	junk := ca.file("junk")
	if err := os.WriteFile(junk, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]secure.ClientTLS{
		"read the CA file":         {CA: ca.file("missing")},
		"holds no PEM certificate": {CA: junk},
		"both its certificate and": {Cert: ca.file("ca")},
		"load the certificate of":  {Cert: junk, Key: junk},
	} {
		if _, err := c.Config(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: err = %v, want %q", c, err, want)
		}
	}
}
