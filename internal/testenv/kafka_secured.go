//go:build unix

package testenv

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/suokelife/suokectl/internal/testcert"
)

// The users of a secured broker. The first may do everything; what the second
// may do, ACLs say.
const (
	KafkaAdmin         = "admin"
	KafkaAdminPassword = "admin-secret"
	KafkaUser          = "ada"
	KafkaUserPassword  = "ada-secret"
)

// SecuredKafka is a broker whose plaintext listener, Brokers, takes everybody
// for one who may do everything, beside listeners that do not.
type SecuredKafka struct {
	*KafkaServer
	// SASL is a listener with TLS that wants PLAIN, SCRAM-SHA-256, SCRAM-SHA-512
	// or OAUTHBEARER with unsecured tokens.
	SASL string
	// Mutual wants a client certificate that the authority has signed. Expired
	// shows a certificate that has ended, Elsewhere one of another name.
	Mutual, Expired, Elsewhere string
	// Authority has signed all of the certificates.
	Authority *testcert.Authority
}

// KafkaSecured starts a broker with secured listeners that lives as long as the
// test.
func KafkaSecured(t testing.TB) *SecuredKafka {
	t.Helper()
	home, err := installKafka()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	authority, err := testcert.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	port := freePort()
	server := &SecuredKafka{Authority: authority, KafkaServer: newKafka(home, dir, 1, port)}
	if err := server.secure(port); err != nil {
		t.Fatal(err)
	}
	if err := server.start(); err != nil {
		t.Fatal(err)
	}
	tie(t, server.Stop, server.Log)
	return server
}

// secure writes the configuration with the certificates of each listener.
func (s *SecuredKafka) secure(port int) error {
	var more []listener
	lines := securedLines
	for _, l := range []struct {
		name, protocol string
		address        *string
		leaf           testcert.Leaf
	}{
		{"SASL", "SASL_SSL", &s.SASL, testcert.Leaf{}},
		{"MUTUAL", "SSL", &s.Mutual, testcert.Leaf{}},
		{"EXPIRED", "SSL", &s.Expired, testcert.Leaf{NotAfter: time.Now().Add(-time.Minute)}},
		{"ELSEWHERE", "SSL", &s.Elsewhere, testcert.Leaf{Hosts: []string{"kafka.example.org"}}},
	} {
		*l.address = loopback(freePort())
		more = append(more, listener{l.name, l.protocol, *l.address, *l.address})
		l.leaf.Name = "broker-" + l.name
		store, err := s.keyStore(l.leaf)
		if err != nil {
			return err
		}
		lines += fmt.Sprintf(keyStoreLines, strings.ToLower(l.name), store, s.Authority.File)
	}
	return s.format(quorum{freePort()}, port, more, lines,
		"--add-scram", "SCRAM-SHA-256=[name="+KafkaUser+",password="+KafkaUserPassword+"]",
		"--add-scram", "SCRAM-SHA-512=[name="+KafkaUser+",password="+KafkaUserPassword+"]")
}

// keyStore writes a certificate with its key to one file, as the broker wants.
func (s *SecuredKafka) keyStore(leaf testcert.Leaf) (string, error) {
	pair, err := s.Authority.Issue(leaf)
	if err != nil {
		return "", err
	}
	key, err := os.ReadFile(pair.Key)
	if err != nil {
		return "", err
	}
	certificate, err := os.ReadFile(pair.Cert)
	if err != nil {
		return "", err
	}
	path := filepath.Join(s.dir, leaf.Name+".pem")
	return path, os.WriteFile(path, append(key, certificate...), 0o600)
}

// Client is a configuration that trusts the broker; a name gives it a certificate
// of its own.
func (s *SecuredKafka) Client(name string) (*tls.Config, error) {
	pair, err := s.Authority.Issue(testcert.Leaf{Name: "client-" + name})
	if err != nil {
		return nil, err
	}
	return s.Authority.Client(pair, name != "")
}

const securedLines = `authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:` + KafkaAdmin + `
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_` + KafkaAdmin + `="` + KafkaAdminPassword + `" user_` + KafkaUser + `="` + KafkaUserPassword + `";
listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";
listener.name.mutual.ssl.client.auth=required
`

const keyStoreLines = `listener.name.%[1]s.ssl.keystore.type=PEM
listener.name.%[1]s.ssl.keystore.location=%[2]s
listener.name.%[1]s.ssl.truststore.type=PEM
listener.name.%[1]s.ssl.truststore.location=%[3]s
`
