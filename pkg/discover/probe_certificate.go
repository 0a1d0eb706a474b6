package discover

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Certificate is what a server showed of itself.
type Certificate struct {
	Subject  string    `json:"subject"`
	Issuer   string    `json:"issuer"`
	SANs     []string  `json:"sans"` // the names and addresses that it is good for
	NotAfter time.Time `json:"not_after"`
	// ExpiresInS is how many seconds it was still good for when it was seen; negative when it had expired. It is of
	// the certificate of the chain that expires first.
	ExpiresInS int64  `json:"expires_in_s"`
	Problem    string `json:"problem,omitempty"` // why it does not vouch for the server
}

// ExpiresIn is how long the certificate was still good for when it was seen.
func (c Certificate) ExpiresIn() time.Duration { return time.Duration(c.ExpiresInS) * time.Second }

// CertificateError is a certificate that does not vouch for the server.
type CertificateError struct {
	Certificate Certificate
	Err         error
}

// Error says what is wrong with the certificate.
func (e *CertificateError) Error() string { return e.Certificate.Problem }

// Unwrap returns what was met.
func (e *CertificateError) Unwrap() error { return e.Err }

// errNoCertificate is a handshake in which the server showed none, which TLS as we configure it never ends with.
var errNoCertificate = errors.New("the server showed no certificate")

// VerifyingTLS returns a copy of config that verifies the server's certificate as config would, for the name in
// config or else host, and tells seen what the server showed, also when it is not good. The handshake fails with a
// *CertificateError then, unless config has InsecureSkipVerify. A nil config verifies with the system's roots.
func VerifyingTLS(config *tls.Config, host string, seen func(Certificate)) *tls.Config {
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	name := config.ServerName
	if name == "" {
		name = host
	}
	insecure, roots, out := config.InsecureSkipVerify, config.RootCAs, config.Clone()
	out.ServerName = name
	out.InsecureSkipVerify = true // VerifyConnection verifies, so that a bad certificate is seen too
	out.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return errNoCertificate
		}
		certificate, err := inspectChain(state.PeerCertificates, roots, name, time.Now())
		seen(certificate)
		if err != nil && !insecure {
			return &CertificateError{Certificate: certificate, Err: err}
		}
		return nil
	}
	return out
}

// inspectChain verifies a chain, of which the first is the server's own.
func inspectChain(chain []*x509.Certificate, roots *x509.CertPool, name string, now time.Time) (Certificate, error) {
	leaf, intermediates := chain[0], x509.NewCertPool()
	first := leaf.NotAfter
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
		if c.NotAfter.Before(first) {
			first = c.NotAfter
		}
	}
	out := Certificate{
		Subject: leaf.Subject.String(), Issuer: leaf.Issuer.String(), SANs: certificateNames(leaf),
		NotAfter: first.UTC(), ExpiresInS: int64(first.Sub(now) / time.Second),
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, DNSName: name, CurrentTime: now})
	if err != nil {
		out.Problem = certificateProblem(err, leaf, now)
	}
	return out, err
}

func certificateNames(c *x509.Certificate) []string {
	out := append([]string{}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		out = append(out, ip.String())
	}
	for _, uri := range c.URIs {
		out = append(out, uri.String())
	}
	return out
}

// certificateProblem says what is wrong with a certificate, and by how much.
func certificateProblem(err error, leaf *x509.Certificate, now time.Time) string {
	var invalid x509.CertificateInvalidError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && now.Before(invalid.Cert.NotBefore):
		return fmt.Sprintf("certificate is not valid before %s", invalid.Cert.NotBefore.UTC().Format(time.RFC3339))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("certificate expired at %s", invalid.Cert.NotAfter.UTC().Format(time.RFC3339))
	case errors.As(err, &authority) && leaf.Issuer.String() == leaf.Subject.String():
		return "certificate is self-signed and not among the roots"
	case errors.As(err, &authority):
		return fmt.Sprintf("certificate is signed by %s, which is not among the roots", leaf.Issuer)
	case errors.As(err, &hostname):
		return fmt.Sprintf("certificate is not for %s but for %s", hostname.Host, listOr(certificateNames(leaf), "no name"))
	}
	return "certificate: " + strings.TrimPrefix(err.Error(), "x509: ")
}
