package events

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
)

func connectHint(cfg Config, reason ConnectReason, err error) string {
	switch reason {
	case ReasonRefused:
		return "nothing listens there: is Kafka running, and is the address right?"
	case ReasonUnresolved:
		return "the name does not resolve: is it spelled right, and is the network the right one?"
	case ReasonNoAnswer:
		if cfg.TLS != nil {
			return "the address swallows packets, or the broker speaks plaintext there and waits: is TLS meant to be on?"
		}
		if isDial(err) {
			return "the address swallows packets (firewall, wrong network)"
		}
		return "something took the connection and says nothing: is it a Kafka broker, and not the port of another service? Or the broker is stuck"
	case ReasonPlaintext:
		return "the broker probably speaks plaintext there: switch TLS off, or use its TLS port"
	case ReasonSecured:
		return "is TLS missing? The broker probably wants TLS there, or SASL"
	case ReasonUnauthorised:
		return "the broker probably wants SASL there: give the mechanism, the user and the password"
	case ReasonUnknownCA:
		return "the broker's certificate is not trusted: give the file of the CA that signed it"
	case ReasonExpired:
		return expiredHint(err)
	case ReasonOtherName:
		return otherNameHint(err)
	}
	return credentialsHint(cfg, reason)
}

func credentialsHint(cfg Config, reason ConnectReason) string {
	switch reason {
	case ReasonNoCertificate:
		return "the broker wants a client certificate: give the files of the certificate and its key"
	case ReasonCertificate:
		return "the broker does not take the client's certificate: is it signed by a CA that the broker trusts, and still valid?"
	case ReasonMechanism:
		return "the broker does not offer SASL " + strings.ToUpper(cfg.SASL.Mechanism) + " there: use another mechanism, or another port"
	case ReasonToken:
		return "no connection was made without a token: is that where tokens come from?"
	case ReasonCredentials:
		if cfg.SASL != nil && cfg.SASL.Username != "" {
			return fmt.Sprintf("the broker does not take these credentials: is the password of %q right, and is it meant for %s?", cfg.SASL.Username, strings.ToUpper(cfg.SASL.Mechanism))
		}
		return "the broker does not take these credentials: look at the SASL mechanism, user and password or token"
	}
	return "is this the address of a Kafka broker?"
}

func expiredHint(err error) string {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Cert != nil {
		if now := time.Now(); now.Before(invalid.Cert.NotBefore) {
			return "the broker's certificate is valid from " + invalid.Cert.NotBefore.Format(time.RFC3339) + " on: is this machine's clock right?"
		}
		return "the broker's certificate ended on " + invalid.Cert.NotAfter.Format(time.RFC3339) + ": it must be renewed there, unless this machine's clock is wrong"
	}
	return "the broker's certificate has expired: it must be renewed there"
}

func otherNameHint(err error) string {
	var name x509.HostnameError
	if !errors.As(err, &name) || name.Certificate == nil {
		return "the broker's certificate is made for another name: connect by that name"
	}
	names := name.Certificate.DNSNames
	for _, ip := range name.Certificate.IPAddresses {
		names = append(names, ip.String())
	}
	return fmt.Sprintf("the broker's certificate is made for %s: connect by such a name, or give the one to expect", strings.Join(names, ", "))
}
