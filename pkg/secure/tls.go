package secure

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// TLSOptions are what both sides of TLS can be told besides their files.
type TLSOptions struct {
	// Peers narrows who is talked to. The default is everybody for whom a root
	// vouches.
	Peers Peers
	// OnError is told of changed files that cannot be read; what was read before
	// stays in use. The default tells nobody.
	OnError func(error)
}

// ClientTLS names the files and settings of a TLS client. The zero value
// verifies the server against the system's roots.
type ClientTLS struct {
	// CA is a PEM file of roots that replace the system's.
	CA string
	// Cert and Key are PEM files of a client certificate, for mutual TLS.
	Cert, Key string
	// KeyPassword opens a key that is encrypted by PKCS #8, in PBES2 with AES.
	KeyPassword string
	// ServerName is verified in place of the host that was dialled.
	ServerName string
	// Insecure skips all verification.
	Insecure bool
}

// Config is ConfigWith no options.
func (c ClientTLS) Config() (*tls.Config, error) { return c.ConfigWith(TLSOptions{}) }

// ConfigWith reads the files and returns a configuration for TLS 1.2 and later.
// The client's certificate is read again when its files change, at most once a
// second.
//
// Without Peers crypto/tls verifies the server by the roots of now. Peers take
// the place of the host's name, since an instance found by discovery has an
// address that no certificate names; the roots are read again then, too. Such a
// configuration has InsecureSkipVerify set and verifies in VerifyConnection,
// which must stay: whoever changes that field changes who is trusted.
func (c ClientTLS) ConfigWith(o TLSOptions) (*tls.Config, error) {
	if (c.Cert == "") != (c.Key == "") {
		return nil, errors.New("a client certificate needs both its certificate and its key file")
	}
	if c.Insecure && !o.Peers.empty() {
		return nil, errors.New("peers cannot be told apart when nothing is verified")
	}
	material, err := openFiles(func() (tlsMaterial, error) { return readMaterial(c.CA, c.Cert, c.Key, c.KeyPassword) }, o.OnError, c.CA, c.Cert, c.Key)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         c.ServerName,
		RootCAs:            material.get().roots,
		InsecureSkipVerify: c.Insecure, //nolint:gosec // only when asked for by name
	}
	if c.Cert != "" {
		config.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return material.get().offer(info), nil
		}
	}
	if !o.Peers.empty() {
		config.InsecureSkipVerify = true // by crypto/tls, which knows hosts' names and the roots that it began with
		config.VerifyConnection = func(state tls.ConnectionState) error {
			return verifyServer(state, material.get().roots, c.ServerName, o.Peers)
		}
	}
	return config, nil
}

// verifyServer does what crypto/tls does when it verifies a server.
func verifyServer(state tls.ConnectionState, roots *x509.CertPool, name string, peers Peers) error {
	chain := state.PeerCertificates
	if len(chain) == 0 {
		return errors.New("the server showed no certificate")
	}
	between := x509.NewCertPool()
	for _, certificate := range chain[1:] {
		between.AddCert(certificate)
	}
	if _, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: name}); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: chain, Err: err}
	}
	return peers.Check(chain[0])
}

// ServerTLS names the files of a TLS server.
type ServerTLS struct {
	// Cert and Key are PEM files of the server's certificate. Required.
	Cert, Key string
	// ClientCA is a PEM file of the roots that vouch for clients. When it is
	// named, clients must have a certificate.
	ClientCA string
	// AllowAnonymous lets clients without a certificate in, as where a token is
	// good too. A certificate that is shown must be good in any case.
	AllowAnonymous bool
}

// Config reads the files and returns a configuration for TLS 1.2 and later. All
// files are read again when they change, at most once a second, for connections
// that begin from then on.
func (s ServerTLS) Config(o TLSOptions) (*tls.Config, error) {
	if s.Cert == "" || s.Key == "" {
		return nil, errors.New("a TLS server needs its certificate and its key file")
	}
	if s.ClientCA == "" && !o.Peers.empty() {
		return nil, errors.New("peers cannot be told apart without a CA file for clients")
	}
	read := func() (*tls.Config, error) { return s.read(o.Peers) }
	current, err := openFiles(read, o.OnError, s.ClientCA, s.Cert, s.Key)
	if err != nil {
		return nil, err
	}
	config := current.get().Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return current.get(), nil }
	return config, nil
}

func (s ServerTLS) read(peers Peers) (*tls.Config, error) {
	material, err := readMaterial(s.ClientCA, s.Cert, s.Key, "")
	if err != nil {
		return nil, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*material.pair}}
	if s.ClientCA == "" {
		return config, nil
	}
	config.ClientCAs, config.ClientAuth = material.roots, tls.RequireAndVerifyClientCert
	if s.AllowAnonymous {
		config.ClientAuth = tls.VerifyClientCertIfGiven
	}
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return nil // who must have one has been asked already
		}
		return peers.Check(state.PeerCertificates[0])
	}
	return config, nil
}

// tlsMaterial is what the files hold; roots and pair are nil without theirs.
type tlsMaterial struct {
	roots *x509.CertPool
	pair  *tls.Certificate
}

func readMaterial(ca, cert, key, password string) (m tlsMaterial, err error) {
	if ca != "" {
		if m.roots, err = readRoots(ca); err != nil {
			return m, err
		}
	}
	if cert != "" {
		pair, err := loadPair(cert, key, password)
		if err != nil {
			return m, fmt.Errorf("load the certificate of %s and %s: %w", cert, key, err)
		}
		m.pair = &pair
	}
	return m, nil
}

// offer returns the certificate when the server can use it, else an empty one.
func (m tlsMaterial) offer(info *tls.CertificateRequestInfo) *tls.Certificate {
	if info.SupportsCertificate(m.pair) != nil {
		return &tls.Certificate{}
	}
	return m.pair
}

func readRoots(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the CA file: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("the CA file %s holds no PEM certificate", path)
	}
	return roots, nil
}
