package rpc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/suokelife/suokectl/internal/failure"
)

// certificates are files in a folder: a root, and what it has signed.
type certificates struct {
	t   *testing.T
	dir string

	root *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newCertificates(t *testing.T) *certificates {
	c := &certificates{t: t, dir: t.TempDir()}
	c.root, c.key = c.issue("root", x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return c
}

func (c *certificates) file(name string) string { return filepath.Join(c.dir, name+".pem") }

func (c *certificates) issue(name string, template x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	c.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	template.SerialNumber, template.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := c.root, c.key
	if parent == nil {
		parent, signer = &template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, parent, &key.PublicKey, signer)
	if err != nil {
		c.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		c.t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{
		c.file(name): {Type: "CERTIFICATE", Bytes: der}, c.file(name + ".key"): {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
	issued, err := x509.ParseCertificate(der)
	if err != nil {
		c.t.Fatal(err)
	}
	return issued, key
}

// TestCallsOverMutualTLS has a server that is not called by its address, and wants
// to know its callers.
func TestCallsOverMutualTLS(t *testing.T) {
	c := newCertificates(t)
	c.issue("server", x509.Certificate{DNSNames: []string{"users.example"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	c.issue("client", x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	own, err := tls.LoadX509KeyPair(c.file("server"), c.file("server.key"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(c.root)
	address := serve(t, grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{own}, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert,
		MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, // in 1.3 a refusal comes after the handshake, or as a broken connection
	})))
	const unavailable = failure.CodeRPC + 14
	root, name, client := "--cacert "+c.file("root"), " --servername users.example", " --cert "+c.file("client")+" --key "+c.file("client.key")
	for _, test := range []struct {
		flags string
		code  int
		want  string
	}{
		{root + name + client, failure.CodeDone, "request id: "},
		{"--insecure" + client, failure.CodeDone, "request id: "},
		{root + name, unavailable, "give one that it trusts with --cert FILE --key FILE"},
		{root + client, unavailable, "or its name with --servername NAME"},
		{"--tls" + client + name, unavailable, "name its root with --cacert FILE"},
		{"--plaintext", unavailable, "leave out --plaintext"},
		{"--plaintext " + root, failure.CodeMisuse, "--plaintext excludes --tls and its settings"},
		{root + " --cert " + c.file("client"), failure.CodeFailed, "key"},
		{"--cacert " + c.file("none"), failure.CodeFailed, "none.pem"},
	} {
		args := append([]string{"rpc", "call", address, "GetProfile"}, strings.Fields(test.flags)...)
		code, _, talk := run(t.Context(), t, false, args...)
		if code != test.code || !strings.Contains(talk, test.want) {
			t.Errorf("%s: exit %d, want %d with %q: %s", test.flags, code, test.code, test.want, talk)
		}
	}
}
