package secure

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// ClientTLS names the files and settings of a TLS client. The zero value
// verifies the server against the system's roots.
type ClientTLS struct {
	// CA is a PEM file of roots that replace the system's.
	CA string
	// Cert and Key are PEM files of a client certificate, for mutual TLS.
	Cert, Key string
	// ServerName is verified in place of the host that was dialled.
	ServerName string
	// Insecure skips all verification.
	Insecure bool
}

// Config reads the files and returns a configuration for TLS 1.2 and later.
func (c ClientTLS) Config() (*tls.Config, error) {
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         c.ServerName,
		InsecureSkipVerify: c.Insecure, //nolint:gosec // only when asked for by name
	}
	if c.CA != "" {
		roots, err := readRoots(c.CA)
		if err != nil {
			return nil, err
		}
		config.RootCAs = roots
	}
	if (c.Cert == "") != (c.Key == "") {
		return nil, errors.New("a client certificate needs both its certificate and its key file")
	}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("load the client certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
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
