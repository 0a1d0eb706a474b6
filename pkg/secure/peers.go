package secure

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
)

// Peers lists who may be at the other end of a connection, by what their
// certificates say. A peer must be on one of the lists. The zero value allows
// everybody.
type Peers struct {
	// SPIFFE are SPIFFE ids, such as spiffe://example.org/ns/shop/sa/auth-service;
	// one that ends in /* allows every id below it.
	SPIFFE []string
	// DNS are names, compared with the certificate's as they are written there.
	DNS []string
}

// PeerError says that the certificate of a peer is good but its name not allowed.
type PeerError struct {
	// Names are those that the certificate has.
	Names []string
}

func (e *PeerError) Error() string {
	if len(e.Names) == 0 {
		return "the peer's certificate has neither a SPIFFE id nor a DNS name"
	}
	return fmt.Sprintf("the peer %s is not among those allowed", strings.Join(e.Names, ", "))
}

func (p Peers) empty() bool { return len(p.SPIFFE) == 0 && len(p.DNS) == 0 }

// Check returns a [*PeerError] when the holder of a certificate is not allowed.
// It does not verify the certificate.
func (p Peers) Check(certificate *x509.Certificate) error {
	if p.empty() {
		return nil
	}
	id := spiffeID(certificate)
	for _, allowed := range p.SPIFFE {
		below, all := strings.CutSuffix(allowed, "*")
		if id != "" && (id == allowed || all && strings.HasSuffix(below, "/") && strings.HasPrefix(id, below) && len(id) > len(below)) {
			return nil
		}
	}
	for _, allowed := range p.DNS {
		for _, name := range certificate.DNSNames {
			if strings.EqualFold(name, allowed) {
				return nil
			}
		}
	}
	return &PeerError{Names: peerNames(certificate)}
}

// spiffeID returns the id of a certificate, "" when it has none. One with more
// than one URI is no SPIFFE certificate (X.509-SVID, section 2).
func spiffeID(certificate *x509.Certificate) string {
	if len(certificate.URIs) != 1 || certificate.URIs[0].Scheme != "spiffe" {
		return ""
	}
	return certificate.URIs[0].String()
}

func peerNames(certificate *x509.Certificate) []string {
	if id := spiffeID(certificate); id != "" {
		return append([]string{id}, certificate.DNSNames...)
	}
	return certificate.DNSNames
}

// PeerNames returns what a server knows of its client: the SPIFFE id and the DNS
// names of the certificate that was verified, or nothing when there is none.
func PeerNames(state tls.ConnectionState) []string {
	if len(state.VerifiedChains) == 0 {
		return nil
	}
	return peerNames(state.PeerCertificates[0])
}
