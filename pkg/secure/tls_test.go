package secure_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/suokelife/suokectl/pkg/secure"
)

// ca signs certificates. Its validity reaches back to where synctest begins.
type ca struct {
	file string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// leaf says what a certificate names.
type leaf struct {
	dns, spiffe string
}

type pair struct{ cert, key string }

var (
	longAgo = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	farOff  = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
)

func newCA(t testing.TB) ca {
	t.Helper()
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: rand.Text()}, NotBefore: longAgo, NotAfter: farOff,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return ca{writeFile(t, "ca.pem", encode("CERTIFICATE", der)), cert, key}
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func (c ca) leaf(t testing.TB, l leaf) pair {
	t.Helper()
	template := x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: longAgo, NotAfter: farOff,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	if l.dns != "" {
		template.DNSNames = []string{l.dns}
	}
	if l.spiffe != "" {
		id, err := url.Parse(l.spiffe)
		if err != nil {
			t.Fatal(err)
		}
		template.URIs = []*url.URL{id}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, c.cert, &key.PublicKey, c.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pair{writeFile(t, "cert.pem", encode("CERTIFICATE", der)), writeFile(t, "key.pem", encode("PRIVATE KEY", keyDER))}
}

// shake makes one connection over memory. The client has dialled 127.0.0.1. It
// returns what the server learnt of the client, and the error of either side.
func shake(t testing.TB, client, server *tls.Config) (names []string, err error) {
	t.Helper()
	client = client.Clone()
	if client.ServerName == "" {
		client.ServerName = "127.0.0.1"
	}
	near, far := net.Pipe()
	deadline := time.Now().Add(10 * time.Second)
	for _, end := range []net.Conn{near, far} {
		if err := end.SetDeadline(deadline); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error, 1)
	go func() {
		conn := tls.Server(far, server)
		err := conn.HandshakeContext(t.Context())
		if err == nil {
			names = secure.PeerNames(conn.ConnectionState())
			_, err = conn.Write([]byte("x"))
		}
		far.Close()
		done <- err
	}()
	conn := tls.Client(near, client)
	if err = conn.HandshakeContext(t.Context()); err == nil {
		_, err = conn.Read(make([]byte, 1)) // with TLS 1.3 a refusal comes after the handshake
	}
	near.Close()
	if refused := <-done; err == nil || isPeer(refused) {
		err = refused
	}
	return names, err
}

func isPeer(err error) bool {
	_, ok := errors.AsType[*secure.PeerError](err)
	return ok
}

func mustConfig(config *tls.Config, err error) func(t testing.TB) *tls.Config {
	return func(t testing.TB) *tls.Config {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return config
	}
}

func TestMutualTLS(t *testing.T) {
	const id = "spiffe://suokelife/ns/shop/sa/auth-service"
	own, foreign := newCA(t), newCA(t)
	auth := own.leaf(t, leaf{dns: "auth-service", spiffe: id})
	user := own.leaf(t, leaf{dns: "user-service", spiffe: "spiffe://suokelife/ns/shop/sa/user-service"})
	stranger := foreign.leaf(t, leaf{dns: "user-service"})
	server := secure.ServerTLS{Cert: auth.cert, Key: auth.key, ClientCA: own.file}
	client := secure.ClientTLS{CA: own.file, Cert: user.cert, Key: user.key}
	spiffe := func(ids ...string) secure.TLSOptions { return secure.TLSOptions{Peers: secure.Peers{SPIFFE: ids}} }
	dns := func(names ...string) secure.TLSOptions { return secure.TLSOptions{Peers: secure.Peers{DNS: names}} }
	for name, c := range map[string]struct {
		client     secure.ClientTLS
		clientWith secure.TLSOptions
		server     secure.ServerTLS
		serverWith secure.TLSOptions
		wrong      string
	}{
		"both known":                   {client: client, server: server},
		"server named":                 {client: with(client, "auth-service"), server: server},
		"server named wrongly":         {client: with(client, "other"), server: server, wrong: "valid for auth-service, not other"},
		"server of another root":       {client: secure.ClientTLS{CA: foreign.file}, server: server, wrong: "unknown authority"},
		"the same, and named":          {client: secure.ClientTLS{CA: foreign.file, ServerName: "auth-service"}, server: server, wrong: "unknown authority"},
		"client without a certificate": {client: secure.ClientTLS{CA: own.file}, server: server, wrong: "certificate"},
		"anonymous is allowed": {
			client: secure.ClientTLS{CA: own.file},
			server: secure.ServerTLS{Cert: auth.cert, Key: auth.key, ClientCA: own.file, AllowAnonymous: true},
		},
		"client of another root":         {client: secure.ClientTLS{CA: own.file, Cert: stranger.cert, Key: stranger.key}, server: server, wrong: "certificate"},
		"server's SPIFFE id":             {client: client, clientWith: spiffe(id), server: server},
		"server's SPIFFE id below":       {client: client, clientWith: spiffe("spiffe://suokelife/ns/shop/*"), server: server},
		"server's other SPIFFE id":       {client: client, clientWith: spiffe(id + "2"), server: server, wrong: "not among those allowed"},
		"a star is no part of a name":    {client: client, clientWith: spiffe("spiffe://suokelife/ns/sh*"), server: server, wrong: "not among those allowed"},
		"a SPIFFE id of another root":    {client: secure.ClientTLS{CA: foreign.file}, clientWith: spiffe(id), server: server, wrong: "unknown authority"},
		"server's DNS name":              {client: client, clientWith: dns("x", "AUTH-service"), server: server},
		"server's other DNS name":        {client: client, clientWith: dns("user-service"), server: server, wrong: "auth-service is not among"},
		"client's SPIFFE id":             {client: client, server: server, serverWith: spiffe("spiffe://suokelife/ns/shop/sa/user-service")},
		"client that is not on the list": {client: client, server: server, serverWith: spiffe(id), wrong: "user-service is not among those allowed"},
		"nothing is verified":            {client: secure.ClientTLS{Insecure: true, Cert: user.cert, Key: user.key}, server: server},
	} {
		t.Run(name, func(t *testing.T) {
			names, err := shake(t, mustConfig(c.client.ConfigWith(c.clientWith))(t), mustConfig(c.server.Config(c.serverWith))(t))
			if c.wrong == "" {
				if err != nil || (len(names) > 0) != (c.client.Cert != "") {
					t.Errorf("the server knows %q: %v", names, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("err = %v, want %q", err, c.wrong)
			}
		})
	}
}

func with(c secure.ClientTLS, name string) secure.ClientTLS { c.ServerName = name; return c }

func TestTLSConfigsAreRefused(t *testing.T) {
	own := newCA(t)
	p := own.leaf(t, leaf{dns: "x"})
	other := own.leaf(t, leaf{dns: "x"})
	peers := secure.TLSOptions{Peers: secure.Peers{DNS: []string{"x"}}}
	garbage := writeFile(t, "garbage.pem", "garbage")
	for name, err := range map[string]error{
		"certificate without key":    second(secure.ClientTLS{Cert: p.cert}.Config()),
		"no CA in the file":          second(secure.ClientTLS{CA: garbage}.Config()),
		"no file":                    second(secure.ClientTLS{CA: garbage + "x"}.Config()),
		"key of another certificate": second(secure.ClientTLS{Cert: p.cert, Key: other.key}.Config()),
		"peers of nobody verified":   second(secure.ClientTLS{Insecure: true}.ConfigWith(peers)),
		"server without certificate": second(secure.ServerTLS{}.Config(secure.TLSOptions{})),
		"peers without client CA":    second(secure.ServerTLS{Cert: p.cert, Key: p.key}.Config(peers)),
		"garbage for a certificate":  second(secure.ServerTLS{Cert: garbage, Key: p.key}.Config(secure.TLSOptions{})),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// All files of both sides are replaced by those of another root while the
// configurations stay: certificates, keys and roots.
func TestCertificatesRotate(t *testing.T) {
	before, after := newCA(t), newCA(t)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	install := func(c ca, name string) {
		p := c.leaf(t, leaf{dns: name})
		replaceFile(t, file("ca.pem"), readFile(t, c.file))
		replaceFile(t, file("cert.pem"), readFile(t, p.cert))
		replaceFile(t, file("key.pem"), readFile(t, p.key))
	}
	synctest.Test(t, func(t *testing.T) {
		install(before, "before")
		var complaints []string
		options := secure.TLSOptions{
			Peers:   secure.Peers{DNS: []string{"before", "after"}},
			OnError: func(err error) { complaints = append(complaints, err.Error()) },
		}
		server := mustConfig(secure.ServerTLS{Cert: file("cert.pem"), Key: file("key.pem"), ClientCA: file("ca.pem")}.Config(options))(t)
		client := mustConfig(secure.ClientTLS{CA: file("ca.pem"), Cert: file("cert.pem"), Key: file("key.pem")}.ConfigWith(options))(t)
		know := func(want string) {
			t.Helper()
			names, err := shake(t, client, server)
			if err != nil || fmt.Sprint(names) != "["+want+"]" {
				t.Errorf("the server knows %v, want %s: %v", names, want, err)
			}
		}
		know("before")
		replaceFile(t, file("cert.pem"), readFile(t, after.leaf(t, leaf{dns: "after"}).cert))
		time.Sleep(time.Second)
		know("before") // the certificate does not fit the key yet
		if len(complaints) == 0 || !strings.Contains(complaints[0], "private key does not match") {
			t.Errorf("complaints = %q", complaints)
		}
		install(after, "after")
		time.Sleep(time.Second)
		know("after")
		if err := os.Remove(file("cert.pem")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		know("after")
	})
}

func TestPeerWithoutAName(t *testing.T) {
	err := secure.Peers{DNS: []string{"x"}}.Check(&x509.Certificate{})
	if !isPeer(err) || !strings.Contains(err.Error(), "neither") {
		t.Errorf("err = %v", err)
	}
	two := &x509.Certificate{URIs: []*url.URL{{Scheme: "spiffe", Host: "a", Path: "/x"}, {Scheme: "spiffe", Host: "b", Path: "/x"}}}
	if err := (secure.Peers{SPIFFE: []string{"spiffe://a/x"}}).Check(two); !isPeer(err) {
		t.Errorf("of two ids one was taken: %v", err)
	}
}

func ExampleServerTLS() {
	_, err := secure.ServerTLS{Cert: "tls.crt", Key: "tls.key", ClientCA: "ca.crt"}.Config(secure.TLSOptions{
		Peers: secure.Peers{SPIFFE: []string{"spiffe://suokelife/ns/shop/*"}},
	})
	fmt.Println(errors.Is(err, os.ErrNotExist))
	// Output: true
}

func ExamplePeers() {
	allowed := secure.Peers{DNS: []string{"auth-service"}}
	fmt.Println(allowed.Check(&x509.Certificate{DNSNames: []string{"user-service"}}))
	// Output: the peer user-service is not among those allowed
}

// A configuration verifies in the usual place unless peers are named, so that
// who wraps it can tell what verifies.
func TestOnlyPeersMoveTheVerification(t *testing.T) {
	own := newCA(t)
	plain := mustConfig(secure.ClientTLS{CA: own.file, ServerName: "auth-service"}.Config())(t)
	if plain.InsecureSkipVerify || plain.VerifyConnection != nil || plain.RootCAs == nil {
		t.Errorf("without peers: %t, %t", plain.InsecureSkipVerify, plain.VerifyConnection != nil)
	}
	named := mustConfig(secure.ClientTLS{CA: own.file}.ConfigWith(secure.TLSOptions{Peers: secure.Peers{DNS: []string{"x"}}}))(t)
	if !named.InsecureSkipVerify || named.VerifyConnection == nil {
		t.Errorf("with peers: %t, %t", named.InsecureSkipVerify, named.VerifyConnection != nil)
	}
}

func ExampleClientTLS() {
	config, err := secure.ClientTLS{ServerName: "auth-service"}.Config()
	fmt.Println(config.MinVersion == tls.VersionTLS12, err)
	// Output: true <nil>
}
